/**
 * The messages that wait to be sent to one connection, in order. One write at a time takes all of them, so a job that is announced
 * during a write to a slow peer goes behind that peer's replies, and only the peer itself waits.
 */
import type { ConnectionError, Standing } from "@sluice/transport"
import { Effect } from "effect"

/** The part of a `Connection` that a queue writes to. */
export interface Sender<Message> {
  readonly send: (messages: ReadonlyArray<Message>) => Effect.Effect<void, ConnectionError>
  readonly sendNow?: (messages: ReadonlyArray<Message>) => boolean
  readonly standing?: Pick<Standing, "queued"> | undefined
}

/** All queues share it while they are empty: a look at its length costs nothing then. */
const NONE: Array<never> = []

export class SendQueue<Message> {
  #messages: Array<Message> = NONE
  #announcedBytes = 0
  #isSending = false
  #resume: ((effect: Effect.Effect<void, ConnectionError>) => void) | undefined
  readonly #send: (messages: ReadonlyArray<Message>) => Effect.Effect<void, ConnectionError>
  readonly #sendNow: ((messages: ReadonlyArray<Message>) => boolean) | undefined
  readonly #standing: Pick<Standing, "queued"> | undefined

  /** Reports to `standing` the bytes of announcements that wait behind a write, and 0 when the next write takes them. */
  constructor({ send, sendNow, standing }: Sender<Message>) {
    this.#send = send
    this.#sendNow = sendNow
    this.#standing = standing
  }

  /** Bytes of announcements that no write has taken yet. */
  get announcedBytes(): number {
    return this.#announcedBytes
  }

  /** Whether all messages were taken by a write. */
  get isEmpty(): boolean {
    return this.#messages.length === 0
  }

  /** Queues a reply. Their number is bounded by what one read of the peer's messages can cause. */
  reply(message: Message): void {
    this.#push(message)
  }

  /** Queues a message that the peer did not ask for, whether it reads or not. `bytes` is the size of its frame. */
  announce(message: Message, bytes: number): void {
    this.#push(message)
    this.#announcedBytes += bytes
    if (this.#isSending) this.#standing?.queued(this.#announcedBytes)
  }

  /** Writes the queue at once, if that is possible. Returns whether nothing is left to `drain`. */
  drainNow(): boolean {
    if (this.#isSending) return false
    if (this.#messages.length === 0) return true
    if (this.#sendNow?.(this.#messages) !== true) return false
    this.#take()
    return true
  }

  /**
   * Writes until the queue is empty, or waits for the write in progress. The reader of the connection runs it, so that the server
   * does not read from a peer that does not read.
   */
  readonly drain: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    if (this.#isSending) return this.#sent
    if (this.#messages.length === 0) return Effect.void
    this.#isSending = true
    return this.#sendAll
  })

  /** Writes until the queue is empty; does nothing during another write. If it fails, the reader's next write fails too. */
  readonly drainBeside: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#isSending || this.#messages.length === 0) return Effect.void
    this.#isSending = true
    return Effect.ensuring(
      Effect.ignore(this.#sendAll),
      Effect.sync(() => this.#end())
    )
  })

  /** Writes the queue at the end of the connection, even if another write was interrupted. */
  readonly flush: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    this.#isSending = false
    return this.drain
  })

  readonly #sendAll: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    return Effect.flatMap(this.#send(this.#take()), () => {
      if (this.#messages.length > 0) return this.#sendAll
      this.#isSending = false
      return Effect.void
    })
  })

  /** Completes when the current write and everything queued behind it are flushed. */
  readonly #sent: Effect.Effect<void, ConnectionError> = Effect.callback((resume) => {
    // The fiber may have given way to others since `drain` looked.
    if (!this.#isSending) return resume(this.drain)
    this.#resume = resume
    return Effect.sync(() => (this.#resume = undefined))
  })

  #push(message: Message): void {
    if (this.#messages === NONE) this.#messages = [message]
    else this.#messages.push(message)
  }

  #take(): ReadonlyArray<Message> {
    const messages = this.#messages
    this.#messages = NONE
    if (this.#announcedBytes > 0) this.#standing?.queued(0)
    this.#announcedBytes = 0
    return messages
  }

  #end(): void {
    this.#isSending = false
    this.#resume?.(this.drain)
    this.#resume = undefined
  }
}
