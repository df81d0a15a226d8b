/**
 * The outputs that a pool demands in the coinbases of its clients (specification, section 6.4.3): first its payout, then others. In
 * AllocateMiningJobToken.Success all have the value 0. The client puts the reward on the first one, less what it takes itself. It
 * may add outputs and change the order.
 */
import { type Output, serializeCountedOutputs } from "@sluice/bitcoin"

export interface PayoutRules {
  /** The scripts of the pool's outputs; the first gets the reward. */
  readonly scripts: ReadonlyArray<Uint8Array>
  /** The least part of all outputs' values that the first one gets, in percent: above 0, with at most four decimals. */
  readonly minPercent: number
}

/** The pool's outputs as AllocateMiningJobToken.Success carries them (`coinbase_tx_outputs`). */
export const allocatedOutputs = ({ scripts }: Pick<PayoutRules, "scripts">): Uint8Array =>
  serializeCountedOutputs(scripts.map((script) => ({ value: 0n, script })))

/** Why these outputs do not pay the pool what it demands; `undefined` if they do. */
export const whyUnpaid = (outputs: ReadonlyArray<Output>, { minPercent, scripts }: PayoutRules): string | undefined => {
  const [payout] = scripts
  if (payout === undefined) return "the pool has no payout output at present"
  const missing = new Map<string, number>()
  for (const script of scripts) missing.set(hex(script), (missing.get(hex(script)) ?? 0) + 1)
  const payoutKey = hex(payout)
  let [total, paid] = [0n, 0n]
  for (const { script, value } of outputs) {
    total += value
    const key = hex(script)
    if (key === payoutKey) paid += value
    const left = missing.get(key)
    if (left === 1) missing.delete(key)
    else if (left !== undefined) missing.set(key, left - 1)
  }
  for (const [script, count] of missing) {
    return `all outputs of the pool must be there; ${count} with the script ${script} ${count === 1 ? "is" : "are"} missing`
  }
  const due = (total * partOf(minPercent) + WHOLE - 1n) / WHOLE
  if (paid >= due && paid > 0n) return undefined
  return (
    `the pool's payout output gets at least ${minPercent} % of ${total} satoshis (min-payout-percent), and more than 0; ` +
    `it gets ${paid}`
  )
}

/** Whether a percentage is one that `PayoutRules.minPercent` can have. */
export const isPayoutPercent = (percent: number): boolean => {
  const part = percent * DECIMALS
  return percent > 0 && percent <= 100 && Math.abs(part - Math.round(part)) < 1e-6
}

/** Percentages have four decimals. */
const DECIMALS = 10_000
const WHOLE = BigInt(100 * DECIMALS)

const partOf = (percent: number): bigint => BigInt(Math.round(percent * DECIMALS))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
