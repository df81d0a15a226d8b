/** Whether a declared coinbase pays the pool (specification, section 6.4.3). The client may add outputs and reorder them. */
import { compactSize, type Output, serializeOutputs } from "@sluice/bitcoin"

/** The outputs of AllocateMiningJobToken.Success, without values, behind their count. */
export const allocatedOutputs = (outputs: ReadonlyArray<Output>): Uint8Array =>
  new Uint8Array(
    Buffer.concat([compactSize(outputs.length), serializeOutputs(outputs.map(({ script }) => ({ script, value: 0n })))])
  )

/**
 * Why a coinbase with these outputs does not pay the pool; undefined if it does. All of the pool's outputs are there, and the first
 * one has at least `minPayoutPercent` of the value.
 */
export const payoutFault = (
  declared: ReadonlyArray<Output>,
  pool: ReadonlyArray<Output>,
  minPayoutPercent: number
): string | undefined => {
  const left = declared.map(({ script }) => hex(script))
  for (const { script } of pool) {
    const at = left.indexOf(hex(script))
    if (at < 0) return `the pool's output with the script ${hex(script).slice(0, 200)} is not in the coinbase`
    left.splice(at, 1)
  }
  const payout = pool[0]
  if (payout === undefined) return undefined
  const total = declared.reduce((sum, { value }) => sum + value, 0n)
  const paid = declared.reduce(
    (sum, { script, value }) => (Buffer.compare(script, payout.script) === 0 ? sum + value : sum),
    0n
  )
  // Percentages have at most four decimals.
  const due = (total * BigInt(Math.round(minPayoutPercent * 10_000))) / 1_000_000n
  if (paid >= due && (paid > 0n || total === 0n)) return undefined
  return `the pool's payout gets ${paid} of ${total} satoshis; it is due at least ${due} (${minPayoutPercent} %)`
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
