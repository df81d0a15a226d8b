/** Counts of what an upstream was sent and how it answered. */
import { Schema } from "effect"

/** The counts of one upstream since the start of the proxy. */
export const UpstreamCounts = Schema.Struct({
  /** Shares that were sent to it. */
  passedOn: Schema.Finite,
  accepted: Schema.Finite,
  /** Sum of the difficulties that accepted shares had to meet. */
  acceptedDifficulty: Schema.Finite,
  /** Refused shares by error code. */
  refused: Schema.Record(Schema.String, Schema.Finite),
  /** Shares without an answer when the connection ended. */
  unanswered: Schema.Finite,
  /** Shares that were not sent, because their previous hash was no longer in force there. */
  late: Schema.Finite,
  /** Shares found while the connection was away that could not be sent when it was back. */
  lost: Schema.Finite
})
export type UpstreamCounts = typeof UpstreamCounts.Type

/** The most error codes that are counted apart. */
const MAX_CODES = 32

export class UpstreamTally {
  passedOn = 0
  accepted = 0
  acceptedDifficulty = 0
  unanswered = 0
  late = 0
  lost = 0
  readonly #refused = new Map<string, number>()

  /** An upstream can send any text as a code, so the number of codes is limited. */
  refuse(errorCode: string): void {
    const code = this.#refused.has(errorCode) || this.#refused.size < MAX_CODES ? errorCode : "other"
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1)
  }

  get refusedCount(): number {
    let sum = 0
    for (const count of this.#refused.values()) sum += count
    return sum
  }

  get counts(): UpstreamCounts {
    const { accepted, acceptedDifficulty, late, lost, passedOn, unanswered } = this
    const refused = Object.fromEntries(this.#refused)
    return { passedOn, accepted, acceptedDifficulty, refused, unanswered, late, lost }
  }
}
