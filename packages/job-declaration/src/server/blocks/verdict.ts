/** The error codes of a node's verdicts on proposed blocks (BIP22, BIP23), as Bitcoin Core spells them. */
import { type Refusal, refusal } from "./refusal.ts"

/** `undefined` if the node accepts the block; `old-tip` if it builds on another block than the node. */
export const ofVerdict = (verdict: string | null): Refusal | "old-tip" | undefined => {
  if (verdict === null || verdict === "duplicate") return undefined
  if (verdict === "inconclusive-not-best-prevblk") return "old-tip"
  const details = `the node refuses the block: ${verdict}`
  if (verdict === "bad-cb-length" || verdict === "bad-cb-height") return refusal("invalid-coinbase-tx-input", details)
  return refusal(COINBASE.test(verdict) ? "invalid-coinbase-tx" : "invalid-job", details)
}

/** Verdicts about the coinbase or its commitment. */
const COINBASE = /^(bad-cb-|bad-witness-|unexpected-witness)/
