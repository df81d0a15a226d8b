/** Checks that the coinbase of an upstream's job pays a script, so that miners need not trust the pool with that. */
import { parseJobCoinbase } from "@sluice/bitcoin"
import { Result } from "effect"
import type { UpstreamJob } from "./upstream-job.ts"

/** Returns why a job pays too little; `undefined` if it pays enough. */
export type PayoutCheck = (job: UpstreamJob) => string | undefined

/** Requires outputs to `script` of more than nothing, and of at least `minPercent` of all outputs together. */
export const payoutCheck =
  (script: Uint8Array, name: string, minPercent = 0): PayoutCheck =>
  ({ coinbasePrefix: prefix, coinbaseSuffix: suffix, extranonceSize }) => {
    const parsed = parseJobCoinbase({ prefix, extranonceSize, suffix })
    if (Result.isFailure(parsed)) return parsed.failure.message
    let paid = 0n
    let total = 0n
    for (const output of parsed.success.outputs) {
      total += output.value
      if (Buffer.compare(output.script, script) === 0) paid += output.value
    }
    if (paid === 0n) return `its coinbase pays nothing to ${name}`
    const percent = (Number(paid) / Number(total)) * 100
    return percent >= minPercent
      ? undefined
      : `its coinbase pays ${percent.toFixed(2)} % to ${name}; expected ${minPercent} % or more`
  }
