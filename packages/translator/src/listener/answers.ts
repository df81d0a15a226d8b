/** What V2's error codes are to a miner: a code of V1 and a sentence. */
import { NO_VERDICT } from "@sluice/channels"
import { ErrorCode as V2 } from "@sluice/protocol"
import { ErrorCode, type Refusal } from "@sluice/stratum-v1"
import { NO_ANSWER } from "../dialer/share-error-code.ts"

const { submitShares } = V2

const codes = new Map<string, number>([
  [submitShares.staleShare, ErrorCode.JOB_NOT_FOUND],
  [submitShares.invalidJobId, ErrorCode.JOB_NOT_FOUND],
  [submitShares.duplicateShare, ErrorCode.DUPLICATE_SHARE],
  [submitShares.difficultyTooLow, ErrorCode.LOW_DIFFICULTY],
  [submitShares.invalidChannelId, ErrorCode.UNAUTHORIZED_WORKER]
])

const texts = new Map<string, string>([
  [submitShares.staleShare, "Stale share"],
  [submitShares.invalidJobId, "Job not found"],
  [submitShares.duplicateShare, "Duplicate share"],
  [submitShares.difficultyTooLow, "Low difficulty share"],
  [submitShares.invalidShare, "Invalid share: its time is out of range"],
  // The dialer of a proxy below reads the first two words.
  [NO_VERDICT, "No answer from the pool"],
  [NO_ANSWER, "No answer from the pool"]
])

/** The answer to a share that the role above refuses. Other codes than the specification's are told as they are. */
export const shareRefusal = (errorCode: string): Refusal => ({
  code: codes.get(errorCode) ?? ErrorCode.OTHER,
  text: texts.get(errorCode) ?? errorCode
})

/** The answer to a worker that gets no channel. */
export const workerRefusal = (text: string): Refusal => ({ code: ErrorCode.UNAUTHORIZED_WORKER, text })
