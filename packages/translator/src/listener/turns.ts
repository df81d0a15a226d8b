/**
 * Turns of the event loop for miners that send much. Reading lines costs the server most of what it does for a miner, so a
 * thousand miners that send as fast as they can would keep all others waiting. Those that send much share so many bytes a turn,
 * first come, first served; a miner that sends little is never asked to wait, and nobody waits while the loop has time.
 */
import { Effect } from "effect"

/** Bytes that are looked at together: about twenty lines. */
export const PIECE = 1024

export class Turns {
  /** Bytes that may be looked at in this turn. */
  #left = PIECE
  #isScheduled = false
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>()

  /** Takes a part of this turn; false if nothing is left of it: then `wait` is due. */
  take(bytes: number): boolean {
    if (this.#left <= 0 || this.#waiting.size > 0) return false
    this.#left -= bytes
    this.#schedule()
    return true
  }

  /** Completes in a later turn, for `PIECE` bytes. */
  readonly wait: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const go = () => resume(Effect.void)
    this.#waiting.add(go)
    this.#schedule()
    return Effect.sync(() => this.#waiting.delete(go))
  })

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#begin)
  }

  readonly #begin = (): void => {
    this.#isScheduled = false
    this.#left = PIECE
    for (const go of this.#waiting) {
      if (this.#left <= 0) break
      this.#waiting.delete(go)
      this.#left -= PIECE
      go()
    }
    if (this.#left < PIECE) this.#schedule()
  }
}
