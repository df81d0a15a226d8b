/** The error code of SubmitShares.Error (5.3.14) for a share that a V1 pool refused with a number and a text. */
import { ErrorCode } from "@sluice/protocol"
import { ErrorCode as V1, type Refusal } from "@sluice/stratum-v1"

/** Not in the specification: the pool knows no such worker, or forgot that it authorized it. */
export const UNAUTHORIZED_WORKER = "unauthorized-worker"
/** Not in the specification: the pool gave no answer in time, too many shares wait for one, or its connection ended. */
export const NO_ANSWER = "no-answer-from-pool"

const codes = ErrorCode.submitShares

/**
 * The numbers of the first pool come first, then the words: pools use other numbers too, and 20 for anything. A job that is
 * not found was given to the miner by this translator, so the pool has forgotten it: it is stale.
 */
export const shareErrorCode = ({ code, text }: Refusal): string => byNumber.get(code) ?? byWords(text)

const byNumber = new Map<number, string>([
  [V1.JOB_NOT_FOUND, codes.staleShare],
  [V1.DUPLICATE_SHARE, codes.duplicateShare],
  [V1.LOW_DIFFICULTY, codes.difficultyTooLow],
  [V1.UNAUTHORIZED_WORKER, UNAUTHORIZED_WORKER],
  [V1.NOT_SUBSCRIBED, UNAUTHORIZED_WORKER]
])

const byWords = (text: string): string => words.find(([pattern]) => pattern.test(text))?.[1] ?? codes.invalidShare

/** In this order: "Invalid version mask" is no job id, and "ntime out of range" has no word of its own in V2. */
const words: ReadonlyArray<readonly [RegExp, string]> = [
  [/no answer|connection to the pool ended/i, NO_ANSWER],
  [/dup/i, codes.duplicateShare],
  [/version/i, codes.invalidNonRollableVersionBit],
  [/nonce2|extra-?nonce/i, codes.badExtranonceSize],
  [/ntime|time/i, codes.invalidShare],
  [/stale|job|prev-?hash|block/i, codes.staleShare],
  [/diff|target|high-?hash/i, codes.difficultyTooLow],
  [/worker|user|authori[sz]ed|subscribed/i, UNAUTHORIZED_WORKER]
]
