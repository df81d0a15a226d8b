/** Counts of the jobs that a proxy declared to one pool. */
import { ErrorCode } from "@sluice/protocol"
import { Schema } from "effect"

export const DeclarationCounts = Schema.Struct({
  /** Jobs that were declared to the declarator, or set at the pool at once without one. */
  declared: Schema.Finite,
  /** Jobs whose shares the pool takes. */
  acknowledged: Schema.Finite,
  /** Refused jobs by error code; codes that the specification does not have are "other". */
  refused: Schema.Record(Schema.String, Schema.Finite),
  /** Solutions that were pushed to the declarator. */
  pushed: Schema.Finite,
  /** Shares that wait for the pool to take their job. */
  kept: Schema.Finite
})
export type DeclarationCounts = typeof DeclarationCounts.Type

/** The error codes that are counted apart: a server can send any text as a code. */
export const DECLARATION_CODES: ReadonlyArray<string> = [
  ...new Set([...Object.values(ErrorCode.declareMiningJob), ...Object.values(ErrorCode.setCustomMiningJob), "other"])
]

export class DeclarationTally {
  declared = 0
  acknowledged = 0
  pushed = 0
  kept = 0
  readonly #refused = new Map<string, number>()

  refuse(errorCode: string): void {
    const code = DECLARATION_CODES.includes(errorCode) ? errorCode : "other"
    this.#refused.set(code, this.refusedWith(code) + 1)
  }

  refusedWith(code: string): number {
    return this.#refused.get(code) ?? 0
  }

  get counts(): DeclarationCounts {
    const { acknowledged, declared, kept, pushed } = this
    return { declared, acknowledged, refused: Object.fromEntries(this.#refused), pushed, kept }
  }
}
