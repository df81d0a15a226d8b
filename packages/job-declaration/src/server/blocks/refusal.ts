/** Why a job is not accepted: the fields of DeclareMiningJob.Error (specification, section 6.4.6). */
import type { ErrorCode } from "@sluice/protocol"

export interface Refusal {
  readonly errorCode: ErrorCode.DeclareMiningJob
  /** A sentence for people. */
  readonly details: string
}

export const refusal = (errorCode: ErrorCode.DeclareMiningJob, details: string): Refusal => ({ errorCode, details })
