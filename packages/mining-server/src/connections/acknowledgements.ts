/**
 * Acknowledgements that wait for company. A write costs a server more than all else that it does for a share, and one write can
 * acknowledge many shares (5.3.13). So while shares keep coming on a connection, their acknowledgements wait: until there are enough of
 * them, until something else is written to the connection, or for a limited time. A share that comes alone does not wait.
 */
import type { Mining } from "@sluice/protocol"
import { Effect } from "effect"

export interface AcknowledgementRules {
  /** Acknowledges when so many shares of a connection wait. */
  readonly after: number
  /** The longest wait in milliseconds. 0 acknowledges each read at once. */
  readonly withinMs: number
}

type Growing = { -readonly [Field in keyof Mining.SubmitSharesSuccess]: Mining.SubmitSharesSuccess[Field] }

/** The acknowledgements that wait on one connection. */
export class Acknowledgements {
  /** When the first one that waits came. */
  since = 0
  #messages: Array<Growing> = []
  #shares = 0
  #lastAt = -Infinity
  readonly #rules: AcknowledgementRules

  constructor(rules: AcknowledgementRules) {
    this.#rules = rules
  }

  /**
   * Adds the acknowledgements of a read, which may change then. Returns whether they wait: another read came shortly before, so the next one is expected
   * shortly too.
   */
  add(messages: ReadonlyArray<Growing>, now: number): boolean {
    const { after, withinMs } = this.#rules
    const isAlone = now - this.#lastAt >= withinMs
    this.#lastAt = now
    if (this.#messages.length === 0) this.since = now
    for (const message of messages) this.#merge(message)
    return !isAlone && this.#shares < after
  }

  take(): ReadonlyArray<Mining.SubmitSharesSuccess> {
    if (this.#shares === 0) return NONE
    const messages = this.#messages
    this.#messages = []
    this.#shares = 0
    return messages
  }

  /** Acknowledges shares of one channel together, but not more than `after`: the first message grows, as it is nobody else's. */
  #merge(message: Growing): void {
    this.#shares += message.newSubmitsAcceptedCount
    const messages = this.#messages
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

const NONE: ReadonlyArray<Mining.SubmitSharesSuccess> = []
