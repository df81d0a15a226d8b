/**
 * The messages that wait to be sent to one server. One write at a time takes all of them. It begins at the end of the turn of the
 * event loop, so that shares of many connections that were read in one turn are one write.
 */
import type { ConnectionError } from "@sluice/transport"
import { type Deferred, Effect } from "effect"

/** The most messages that may wait for an upstream to read. */
const MAX_WAITING = 10_000

export class Link<Message, Fault> {
  static readonly TOO_SLOW = `it does not read: ${MAX_WAITING} messages wait for it`
  /** Fails when the session has failed: the connection is to be closed. */
  readonly failed: Deferred.Deferred<never, Fault>
  readonly #send: (messages: ReadonlyArray<Message>) => Effect.Effect<void, ConnectionError>
  #messages: Array<Message> = []
  #isSending = false

  constructor(
    send: (messages: ReadonlyArray<Message>) => Effect.Effect<void, ConnectionError>,
    failed: Deferred.Deferred<never, Fault>
  ) {
    this.#send = send
    this.failed = failed
  }

  /** Whether nobody writes what is queued: `drain` must run. */
  get isIdle(): boolean {
    return !this.#isSending
  }

  /** Queues messages. Returns false if too many wait; none is queued then. */
  add(messages: ReadonlyArray<Message>): boolean {
    if (this.#messages.length + messages.length > MAX_WAITING) return false
    this.#messages.push(...messages)
    return true
  }

  /** Writes until the queue is empty; does nothing during another write. If it fails, the connection's reader fails too. */
  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#isSending) return Effect.void
    this.#isSending = true
    return Effect.ensuring(
      Effect.andThen(Effect.yieldNow, Effect.ignore(this.#sendAll)),
      Effect.sync(() => (this.#isSending = false))
    )
  })

  /** Completes when everything is written. */
  readonly flushed: Effect.Effect<void> = Effect.suspend(() =>
    this.#messages.length === 0 && !this.#isSending
      ? Effect.void
      : Effect.andThen(this.drain, Effect.andThen(Effect.yieldNow, this.flushed))
  )

  readonly #sendAll: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    if (this.#messages.length === 0) return Effect.void
    const messages = this.#messages
    this.#messages = []
    return Effect.andThen(this.#send(messages), this.#sendAll)
  })
}
