/**
 * Acknowledgements that wait for company. A write costs a server more than all else that it does for a share, and one write can
 * acknowledge many shares (5.3.13). So while shares keep coming on a connection, their acknowledgements wait: until there are enough of
 * them, until something else is written to the connection, or for a limited time. A share that comes alone does not wait.
 */
import { Effect } from "effect"

export interface AcknowledgementRules {
  /** Acknowledges when so many shares of a connection wait. */
  readonly after: number
  /** The longest wait in milliseconds. 0 acknowledges each read at once. */
  readonly withinMs: number
}

/** How often in the longest wait the server looks for those that have waited. */
const LOOKS = 4

interface WaitingOptions<Connection> {
  readonly now: () => number
  /** Writes the acknowledgements of a connection. */
  readonly acknowledge: (connection: Connection) => void
  readonly start: (timer: Effect.Effect<void>) => void
}

/** The connections of a server whose acknowledgements wait, and the one timer for all of them. */
export class WaitingAcknowledgements<Connection extends { readonly acknowledgedSince: number }> {
  /** The one that waits for the longest time first. */
  readonly #waiting = new Set<Connection>()
  readonly #lookMs: number
  readonly #withinMs: number
  readonly #options: WaitingOptions<Connection>
  #isLooking = false

  constructor({ withinMs }: AcknowledgementRules, options: WaitingOptions<Connection>) {
    this.#withinMs = withinMs
    this.#lookMs = withinMs / LOOKS
    this.#options = options
  }

  add(connection: Connection): void {
    this.#waiting.add(connection)
    if (this.#isLooking) return
    this.#isLooking = true
    this.#options.start(this.#look)
  }

  remove(connection: Connection): void {
    this.#waiting.delete(connection)
  }

  /** Runs while some connection waits. */
  readonly #look: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.sleep(this.#lookMs), () => {
      // Those that would wait too long at the next look, and those from before the clock was set back.
      const now = this.#options.now()
      const due = now - this.#withinMs + this.#lookMs
      const some: Array<Connection> = []
      for (const connection of this.#waiting) {
        if (connection.acknowledgedSince > due && connection.acknowledgedSince <= now) break
        some.push(connection)
      }
      for (const connection of some) {
        this.#waiting.delete(connection)
        this.#options.acknowledge(connection)
      }
      this.#isLooking = this.#waiting.size > 0
      return this.#isLooking ? this.#look : Effect.void
    })
  )
}
