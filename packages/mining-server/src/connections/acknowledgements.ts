/**
 * Acknowledgements that wait for company. A write costs a server more than all else that it does for a share, and one write can
 * acknowledge many shares (5.3.13). So while shares keep coming on a connection, their acknowledgements wait: until there are enough of
 * them, until something else is written to the connection, or for a limited time. A share that comes alone does not wait.
 */
import type { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import { Recording } from "../shares/share-sink.ts"

export interface AcknowledgementRules {
  /** Acknowledges when so many shares of a connection wait. */
  readonly after: number
  /** The longest wait in milliseconds. 0 acknowledges each read at once. */
  readonly withinMs: number
}

type Growing = { -readonly [Field in keyof Mining.SubmitSharesSuccess]: Mining.SubmitSharesSuccess[Field] }

/** The acknowledgements that wait on one connection. Those whose shares are being recorded are open until then. */
export class Acknowledgements {
  /** When the first one that waits came. */
  since = 0
  /** When the first open one came. */
  openSince = 0
  /** Of the shares of those that are open. */
  recording = Recording.done
  #messages: Array<Growing> = []
  #open: Array<Growing> = []
  #shares = 0
  #lastAt = -Infinity
  readonly #rules: AcknowledgementRules

  constructor(rules: AcknowledgementRules) {
    this.#rules = rules
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0 && this.#open.length === 0
  }

  /** Whether a share that one of them acknowledges is not recorded yet. */
  get hasOpen(): boolean {
    return this.#open.length > 0 && !this.recording.isEnded
  }

  /** Whether all that are open are of this recording: one must not wait for another. */
  areOf(recording: Recording): boolean {
    return this.recording === recording || !this.hasOpen
  }

  /**
   * Adds the acknowledgements of a read, which may change then. Returns whether they wait: another read came shortly before, so the next one is expected
   * shortly too.
   */
  add(messages: ReadonlyArray<Growing>, now: number, recording = Recording.done): boolean {
    const { after, withinMs } = this.#rules
    const isAlone = now - this.#lastAt >= withinMs
    this.#lastAt = now
    this.#close()
    if (this.isEmpty) this.since = now
    const to = recording.isRecorded ? this.#messages : this.#open
    if (to === this.#open) {
      if (to.length === 0) this.openSince = now
      this.recording = recording
    }
    for (const message of messages) {
      this.#shares += message.newSubmitsAcceptedCount
      this.#merge(to, message)
    }
    return !isAlone && this.#shares < after
  }

  /** Takes those that may leave. Call `takeOpen` behind it. */
  take(): ReadonlyArray<Mining.SubmitSharesSuccess> {
    this.#close()
    const messages = this.#messages
    this.#messages = []
    this.#shares = 0
    return messages
  }

  /** Takes those that may leave when `recording` is done. */
  takeOpen(): ReadonlyArray<Mining.SubmitSharesSuccess> {
    const open = this.#open
    if (open.length > 0) this.#open = []
    return open
  }

  /** Moves those that are open to the others when their shares are recorded. Nothing acknowledges shares that were not. */
  #close(): void {
    if (this.#open.length === 0 || !this.recording.isEnded) return
    const open = this.#open
    this.#open = []
    if (this.recording.isRecorded) for (const message of open) this.#merge(this.#messages, message)
  }

  /** Acknowledges shares of one channel together, but not more than `after`: the first message grows, as it is nobody else's. */
  #merge(messages: Array<Growing>, message: Growing): void {
    let index = messages.length - 1
    while (index >= 0 && messages[index]!.channelId !== message.channelId) index--
    const before = messages[index]
    const newSubmitsAcceptedCount = (before?.newSubmitsAcceptedCount ?? 0) + message.newSubmitsAcceptedCount
    if (before === undefined || newSubmitsAcceptedCount > this.#rules.after) {
      messages.push(message)
      return
    }
    before.lastSequenceNumber = message.lastSequenceNumber
    before.newSubmitsAcceptedCount = newSubmitsAcceptedCount
    before.newSharesSum += message.newSharesSum
  }
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

  constructor({ withinMs }: AcknowledgementRules, options: WaitingOptions<Connection>) {
    this.#withinMs = withinMs
    this.#lookMs = withinMs / LOOKS
    this.#options = options
  }

  add(connection: Connection): void {
    if (this.#waiting.size === 0) this.#options.start(this.#look)
    this.#waiting.add(connection)
  }

  remove(connection: Connection): void {
    this.#waiting.delete(connection)
  }

  /** Runs while some connection waits. */
  readonly #look: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Effect.sleep(this.#lookMs), () => {
      // Those that would wait too long at the next look.
      const due = this.#options.now() - this.#withinMs + this.#lookMs
      for (const connection of this.#waiting) {
        if (connection.acknowledgedSince > due) break
        this.#waiting.delete(connection)
        this.#options.acknowledge(connection)
      }
      return this.#waiting.size === 0 ? Effect.void : this.#look
    })
  )
}
