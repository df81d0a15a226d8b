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
  for (const script of scripts) {
    const demanded = scripts.filter((other) => isEqual(other, script)).length
    const given = outputs.filter((output) => isEqual(output.script, script)).length
    if (given < demanded) {
      return `all outputs of the pool must be there; it demands ${demanded} with the script ${hex(script)}, and there are ${given}`
    }
  }
  const total = sumOf(outputs)
  const paid = sumOf(outputs.filter(({ script }) => isEqual(script, payout)))
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

const sumOf = (outputs: ReadonlyArray<Output>): bigint => outputs.reduce((sum, { value }) => sum + value, 0n)

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
