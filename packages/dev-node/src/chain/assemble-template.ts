/** The answer to `getblocktemplate`, with the same fields as Bitcoin Core's. */
import { Target } from "@sluice/core"
import { MAX_BLOCK_WEIGHT } from "./block-rules.ts"
import { type BlockTemplate } from "@sluice/node"
import type { DevelopmentChain } from "./development-chain.ts"
import {
  bitsHex,
  hashToDisplay,
  MAX_BLOCK_SIGOPS_COST,
  witnessCommitment,
  witnessCommitmentOutput
} from "@sluice/bitcoin"

/** Weight reserved for header, transaction count and coinbase: Bitcoin Core's default. */
export const RESERVED_WEIGHT = 8_000
const RESERVED_SIGOPS_COST = 400

/** The version of new blocks, in BIP9 style. No deployment is pending on this chain. */
const BLOCK_VERSION = 0x20000000

/** A template for the block after the tip. `now` in seconds. */
export const assembleTemplate = (
  { chain, mempool }: DevelopmentChain,
  now: number
): BlockTemplate & { readonly capabilities: ReadonlyArray<string> } => {
  const { tip } = chain
  const height = tip.height + 1
  const bits = chain.bitsAfter(tip)
  const entries = mempool.select(MAX_BLOCK_WEIGHT - RESERVED_WEIGHT, MAX_BLOCK_SIGOPS_COST - RESERVED_SIGOPS_COST)
  const positions = new Map(entries.map(({ txid }, index) => [txid, index + 1]))
  const fees = entries.reduce((total, { fee }) => total + fee, 0n)
  const commitment = witnessCommitment(entries.map(({ transaction }) => transaction.wtxid))
  const minTime = tip.medianTimePast + 1
  return {
    capabilities: ["proposal"],
    version: BLOCK_VERSION,
    rules: ["csv", "!segwit", "taproot"],
    vbavailable: {},
    vbrequired: 0,
    previousblockhash: tip.id,
    transactions: entries.map((entry) => ({
      data: hex(entry.transaction.bytes),
      txid: entry.txid,
      hash: entry.wtxid,
      // Once for each input, as Core does.
      depends: entry.transaction.inputs.flatMap(({ previousTxid }) => positions.get(hashToDisplay(previousTxid)) ?? []),
      fee: Number(entry.fee),
      sigops: entry.sigopsCost,
      weight: entry.transaction.weight
    })),
    coinbaseaux: {},
    coinbasevalue: Number(chain.subsidy(height) + fees),
    longpollid: `${tip.id}${mempool.updates}`,
    target: targetHex(bits),
    mintime: minTime,
    mutable: ["time", "transactions", "prevblock"],
    noncerange: "00000000ffffffff",
    sigoplimit: MAX_BLOCK_SIGOPS_COST,
    sizelimit: MAX_BLOCK_WEIGHT,
    weightlimit: MAX_BLOCK_WEIGHT,
    curtime: Math.max(minTime, chain.clock(now)),
    bits: bitsHex(bits),
    height,
    default_witness_commitment: hex(witnessCommitmentOutput(commitment).script)
  }
}

/** The 256-bit number of a compact target as JSON-RPC shows it: 64 hex digits, the most significant first. */
export const targetHex = (bits: number): string => {
  const target = new Uint8Array(32)
  Target.nBitsToTarget(bits | 0, target, 0)
  return hex(target.toReversed())
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
