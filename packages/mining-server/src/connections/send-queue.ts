/**
 * What waits to be sent to one connection: messages in the order in which the machine said them, whoever made it speak.
 * One write at a time takes all that waits, so a job that comes while a slow peer is written to goes behind its replies,
 * and nobody waits for that peer but itself.
 */
import type { ConnectionError } from "@sluice/transport"
import { Effect } from "effect"

export class SendQueue<Message> {
  #messages: Array<Message> = []
  #announcedBytes = 0
  #isSending = false
  #resume: ((effect: Effect.Effect<void, ConnectionError>) => void) | undefined
  readonly #send: (messages: ReadonlyArray<Message>) => Effect.Effect<void, ConnectionError>
  readonly #onWaiting: (bytes: number) => void

  /** `onWaiting` is told how many bytes of announcements wait behind a write; also when that is over. */
  constructor(
    send: (messages: ReadonlyArray<Message>) => Effect.Effect<void, ConnectionError>,
    onWaiting: (bytes: number) => void = () => {}
  ) {
    this.#send = send
    this.#onWaiting = onWaiting
  }

  /** Bytes of announcements that no write has taken yet. */
  get announcedBytes(): number {
    return this.#announcedBytes
  }

  /** An answer to what the peer sent: there are never more of them than one read of its messages gives. */
  reply(message: Message): void {
    this.#messages.push(message)
  }

  /** What the peer did not ask for: it comes whether the peer reads or not. `bytes` is the size of its frame. */
  announce(message: Message, bytes: number): void {
    this.#messages.push(message)
    this.#announcedBytes += bytes
    if (this.#isSending) this.#onWaiting(this.#announcedBytes)
  }

  /**
   * Writes until nothing waits, or waits for the write that is at it: for the reader of the connection, so that a peer
   * which does not read is not read from.
   */
  readonly drain: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    if (this.#isSending) return this.#sent
    if (this.#messages.length === 0) return Effect.void
    this.#isSending = true
    return this.#sendAll
  })

  /** Writes until nothing waits; does nothing while another write is at it. Where it fails, the reader's next one will. */
  readonly drainBeside: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#isSending || this.#messages.length === 0) return Effect.void
    this.#isSending = true
    return Effect.ensuring(
      Effect.ignore(this.#sendAll),
      Effect.sync(() => this.#end())
    )
  })

  /** For the end of the connection: writes what waits, also if another write was interrupted. */
  readonly flush: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    this.#isSending = false
    return this.drain
  })

  readonly #sendAll: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    const messages = this.#messages
    this.#messages = []
    if (this.#announcedBytes > 0) this.#onWaiting(0)
    this.#announcedBytes = 0
    return Effect.flatMap(this.#send(messages), () => {
      if (this.#messages.length > 0) return this.#sendAll
      this.#isSending = false
      return Effect.void
    })
  })

  /** The end of the write that is at it, and then of what came in the meantime. */
  readonly #sent: Effect.Effect<void, ConnectionError> = Effect.callback((resume) => {
    this.#resume = resume
    return Effect.sync(() => (this.#resume = undefined))
  })

  #end(): void {
    this.#isSending = false
    this.#resume?.(this.drain)
    this.#resume = undefined
  }
}
