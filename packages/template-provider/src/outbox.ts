/**
 * What still has to be sent to one client. Only the newest matters to it: a change of the tip takes the place of all that
 * waits, a better template of one that was not sent yet. So a client that reads slowly holds nobody up and costs at most
 * three frames.
 */
import { Effect, Latch } from "effect"

export interface Outgoing {
  readonly frames: ReadonlyArray<Uint8Array>
  /** When the block was announced that these frames follow, in nanoseconds of the Clock. */
  readonly announcedAt: bigint | undefined
}

export class Outbox {
  readonly #filled = Latch.makeUnsafe(false)
  #tip: ReadonlyArray<Uint8Array> = []
  #active: ReadonlyArray<Uint8Array> = []
  #announcedAt: bigint | undefined

  /** A future template and its SetNewPrevHash. */
  putTip(frames: ReadonlyArray<Uint8Array>, announcedAt: bigint | undefined): void {
    this.#tip = frames
    this.#active = []
    this.#announcedAt = announcedAt
    this.#filled.openUnsafe()
  }

  /** A template for the tip that the client has, or gets first. */
  putActive(frames: ReadonlyArray<Uint8Array>): void {
    this.#active = frames
    this.#filled.openUnsafe()
  }

  /** Waits until there is something, and takes it all. */
  readonly take: Effect.Effect<Outgoing> = Effect.suspend(() =>
    Effect.map(this.#filled.await, () => {
      const outgoing = { frames: [...this.#tip, ...this.#active], announcedAt: this.#announcedAt }
      this.#tip = []
      this.#active = []
      this.#announcedAt = undefined
      this.#filled.closeUnsafe()
      return outgoing
    })
  )
}
