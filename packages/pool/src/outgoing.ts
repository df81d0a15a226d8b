/**
 * What waits to be sent to one connection: frames in the order in which the machine said them, whoever made it speak.
 * One write at a time takes all that waits, so a job that comes while a slow peer is written to goes behind its replies,
 * and nobody waits for that peer but itself.
 */
import type { ConnectionError } from "@sluice/transport"
import { Effect } from "effect"

export class Outgoing {
  #frames: Array<Uint8Array> = []
  #pendingBytes = 0
  #isSending = false
  readonly #send: (frames: ReadonlyArray<Uint8Array>) => Effect.Effect<void, ConnectionError>

  constructor(send: (frames: ReadonlyArray<Uint8Array>) => Effect.Effect<void, ConnectionError>) {
    this.#send = send
  }

  /** Bytes that no write has taken yet. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  push(frame: Uint8Array): void {
    this.#frames.push(frame)
    this.#pendingBytes += frame.length
  }

  /** Writes until nothing waits; does nothing while another write is at it. */
  readonly drain: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    if (this.#isSending || this.#frames.length === 0) return Effect.void
    this.#isSending = true
    return this.#sendAll
  })

  /** For the end of the connection: writes what waits, also if another write was interrupted. */
  readonly flush: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    this.#isSending = false
    return this.drain
  })

  readonly #sendAll: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    const frames = this.#frames
    this.#frames = []
    this.#pendingBytes = 0
    return Effect.flatMap(this.#send(frames), () => {
      if (this.#frames.length > 0) return this.#sendAll
      this.#isSending = false
      return Effect.void
    })
  })
}
