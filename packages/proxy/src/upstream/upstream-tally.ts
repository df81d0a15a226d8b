/** Counts of what an upstream was sent and how it answered. */
import { ErrorCode } from "@sluice/protocol"
import { Schema } from "effect"
import type { Submitted } from "./source-session.ts"

/** The counts of one upstream since the start of the proxy. */
export const UpstreamCounts = Schema.Struct({
  /** Shares that were sent to it. */
  passedOn: Schema.Finite,
  accepted: Schema.Finite,
  /** Sum of the difficulties that accepted shares had to meet. */
  acceptedDifficulty: Schema.Finite,
  /** Refused shares by error code; codes that the specification does not have are "other". */
  refused: Schema.Record(Schema.String, Schema.Finite),
  /** Shares without an answer when the connection ended. */
  unanswered: Schema.Finite,
  /** Shares that were not sent, because their previous hash was no longer in force there. */
  late: Schema.Finite,
  /** Shares found while the connection was away that could not be sent when it was back. */
  lost: Schema.Finite
})
export type UpstreamCounts = typeof UpstreamCounts.Type

/** The error codes that are counted apart: an upstream can send any text as a code. */
export const REFUSAL_CODES: ReadonlyArray<string> = [...Object.values(ErrorCode.submitShares), "other"]

export class UpstreamTally {
  passedOn = 0
  accepted = 0
  acceptedDifficulty = 0
  unanswered = 0
  late = 0
  lost = 0
  readonly #refused = new Map<string, number>()

  /** Counts a share that was submitted to a session; `undefined` if no job of it has the same headers. */
  submitted(fate: Submitted | undefined): void {
    if (fate === "sent") this.passedOn++
    else if (fate === "late") this.late++
    else if (fate === undefined) this.lost++
  }

  refuse(errorCode: string): void {
    const code = REFUSAL_CODES.includes(errorCode) ? errorCode : "other"
    this.#refused.set(code, this.refusedWith(code) + 1)
  }

  refusedWith(code: string): number {
    return this.#refused.get(code) ?? 0
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
