/**
 * The rules for blocks, except those about the outputs that a block spends (`block-tree.ts`). The rules have Bitcoin Core's order
 * and names, so that a submitter gets the same reason as from Core (BIP22).
 */
import { Target } from "@sluice/core"
import {
  type Block,
  type BlockHeader,
  heightPush,
  MAX_COINBASE_SCRIPT_SIZE,
  MAX_MONEY,
  doubleSha256,
  legacySigopsCost,
  MAX_BLOCK_SIGOPS_COST,
  isCoinbase,
  spendsNull,
  type Transaction,
  type TransactionInput,
  isWitnessCommitment
} from "@sluice/bitcoin"
import type { SpendingVerdict } from "./coins.ts"

/** The most weight units of a block (BIP141). Its serialized size cannot exceed the same number of bytes. */
export const MAX_BLOCK_WEIGHT = 4_000_000
/** How far a block's time may be ahead of the node's clock, in seconds. */
export const MAX_FUTURE_SECONDS = 2 * 60 * 60
/** Number of blocks of which the median time past is the median. */
export const MEDIAN_TIME_SPAN = 11

/** Reasons to refuse a block: BIP22's, as Bitcoin Core spells them. */
export type BlockVerdict =
  // About a block that is in the tree, or cannot be judged yet.
  | "duplicate"
  | "duplicate-invalid"
  | "duplicate-inconclusive"
  | "inconclusive"
  | "inconclusive-not-best-prevblk"
  // The header alone.
  | "high-hash"
  | "prev-blk-not-found"
  | "bad-prevblk"
  | "stale-prevblk"
  | "bad-diffbits"
  | "time-too-old"
  | "time-too-new"
  | `bad-version(0x${string})`
  // The transactions by themselves.
  | "bad-txnmrklroot"
  | "bad-txns-duplicate"
  | "bad-blk-length"
  | "bad-cb-missing"
  | "bad-cb-multiple"
  | TransactionVerdict
  | "bad-blk-sigops"
  // The transactions at this height.
  | "bad-txns-nonfinal"
  | "bad-cb-height"
  | "bad-witness-nonce-size"
  | "bad-witness-merkle-match"
  | "unexpected-witness"
  | "bad-blk-weight"
  // What they spend.
  | SpendingVerdict
  | "bad-cb-amount"

/** Reasons why a transaction cannot be in any block. */
export type TransactionVerdict =
  | "bad-txns-vout-empty"
  | "bad-txns-oversize"
  | "bad-txns-vout-negative"
  | "bad-txns-vout-toolarge"
  | "bad-txns-txouttotal-toolarge"
  | "bad-txns-inputs-duplicate"
  | "bad-cb-length"
  | "bad-txns-prevout-null"

/** Checks the rules that need only the block. Gives the broken rule, `undefined` if none. */
export const checkBlock = (block: Block, options?: { readonly proofOfWork: boolean }): BlockVerdict | undefined => {
  if (options?.proofOfWork !== false && !meetsOwnTarget(block)) return "high-hash"
  const { transactions } = block
  const { mutated, root } = merkleRootOf(transactions.map(({ txid }) => txid))
  if (!equal(root, block.header.merkleRoot)) return "bad-txnmrklroot"
  if (mutated) return "bad-txns-duplicate"
  const [coinbase, ...others] = transactions
  if (coinbase === undefined || block.strippedSize * 4 > MAX_BLOCK_WEIGHT) return "bad-blk-length"
  if (!isCoinbase(coinbase)) return "bad-cb-missing"
  if (others.some(isCoinbase)) return "bad-cb-multiple"
  let sigopsCost = 0
  for (const transaction of transactions) {
    const verdict = checkTransaction(transaction)
    if (verdict !== undefined) return verdict
    sigopsCost += legacySigopsCost(transaction)
  }
  if (sigopsCost > MAX_BLOCK_SIGOPS_COST) return "bad-blk-sigops"
  return undefined
}

/** Checks the rules that need only the transaction. */
export const checkTransaction = (transaction: Transaction): TransactionVerdict | undefined => {
  const { inputs, outputs } = transaction
  if (outputs.length === 0) return "bad-txns-vout-empty"
  if (transaction.strippedSize * 4 > MAX_BLOCK_WEIGHT) return "bad-txns-oversize"
  let total = 0n
  for (const { value } of outputs) {
    if (value >= 1n << 63n) return "bad-txns-vout-negative"
    if (value > MAX_MONEY) return "bad-txns-vout-toolarge"
    total += value
    if (total > MAX_MONEY) return "bad-txns-txouttotal-toolarge"
  }
  const spent = new Set(inputs.map(outpointKey))
  if (spent.size !== inputs.length) return "bad-txns-inputs-duplicate"
  if (isCoinbase(transaction)) {
    const size = inputs[0]?.script.length ?? 0
    if (size < 2 || size > MAX_COINBASE_SCRIPT_SIZE) return "bad-cb-length"
  } else if (inputs.some(spendsNull)) {
    return "bad-txns-prevout-null"
  }
  return undefined
}

/** The requirements of a block's place in the chain. Times are seconds since 1970. */
export interface BlockPlace {
  readonly height: number
  /** The compact target of this chain. */
  readonly bits: number
  /** The median time past of the block before. */
  readonly medianTimePast: number
  /** The node's clock. */
  readonly now: number
}

/** Checks a header by its place in the chain. */
export const checkHeaderAt = (header: BlockHeader, place: BlockPlace): BlockVerdict | undefined => {
  if (header.bits !== place.bits) return "bad-diffbits"
  if (header.time <= place.medianTimePast) return "time-too-old"
  if (header.time > place.now + MAX_FUTURE_SECONDS) return "time-too-new"
  // BIP34, BIP66 and BIP65 are active from the start; the version is signed.
  if (header.version < 4) return `bad-version(0x${(header.version >>> 0).toString(16).padStart(8, "0")})`
  return undefined
}

/** Checks the transactions by their block's place in the chain. */
export const checkBlockAt = (block: Block, place: BlockPlace): BlockVerdict | undefined => {
  const { transactions } = block
  if (!transactions.every((transaction) => isFinal(transaction, place))) return "bad-txns-nonfinal"
  const height = heightPush(place.height)
  const script = transactions[0]?.inputs[0]?.script ?? EMPTY
  if (!equal(script.subarray(0, height.length), height)) return "bad-cb-height"
  const witness = checkWitness(block)
  if (witness !== undefined) return witness
  if (block.weight > MAX_BLOCK_WEIGHT) return "bad-blk-weight"
  return undefined
}

/** Whether a transaction may be in a block of this height after a block of this median time past (BIP113). */
export const isFinal = (
  transaction: Transaction,
  { height, medianTimePast }: Pick<BlockPlace, "height" | "medianTimePast">
): boolean => {
  const { inputs, lockTime } = transaction
  if (lockTime < (lockTime < LOCK_TIME_THRESHOLD ? height : medianTimePast)) return true
  return lockTime === 0 || inputs.every(({ sequence }) => sequence === 0xffffffff)
}

/** The median of the times of at most `MEDIAN_TIME_SPAN` blocks. */
export const medianTime = (times: ReadonlyArray<number>): number =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0

/** Checks that the coinbase commits to the witnesses, and that a block without a commitment has none (BIP141). */
const checkWitness = (block: Block): BlockVerdict | undefined => {
  const [coinbase] = block.transactions
  const commitment = coinbase?.outputs.findLast(({ script }) => isWitnessCommitment(script))
  if (coinbase === undefined || commitment === undefined) {
    return block.transactions.some(({ witnesses }) => witnesses.length > 0) ? "unexpected-witness" : undefined
  }
  const stack = coinbase.witnesses[0] ?? []
  const [reserved] = stack
  if (stack.length !== 1 || reserved?.length !== 32) return "bad-witness-nonce-size"
  const wtxids = block.transactions.map(({ wtxid }, index) => (index === 0 ? new Uint8Array(32) : wtxid))
  const preimage = new Uint8Array(64)
  preimage.set(merkleRootOf(wtxids).root)
  preimage.set(reserved, 32)
  return equal(doubleSha256(preimage), commitment.script.subarray(6, 38)) ? undefined : "bad-witness-merkle-match"
}

/**
 * The merkle root, and whether two equal hashes were hashed together. In that case another list of transactions has the same
 * root (CVE-2012-2459), so the root does not identify the block.
 */
const merkleRootOf = (hashes: ReadonlyArray<Uint8Array>): { readonly root: Uint8Array; readonly mutated: boolean } => {
  let level = hashes
  let mutated = false
  while (level.length > 1) {
    const parents: Array<Uint8Array> = []
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] ?? EMPTY
      const right = level[i + 1]
      if (right !== undefined && equal(left, right)) mutated = true
      const pair = new Uint8Array(64)
      pair.set(left)
      pair.set(right ?? left, 32)
      parents.push(doubleSha256(pair))
    }
    level = parents
  }
  return { root: level[0] ?? new Uint8Array(32), mutated }
}

/** Checks the work by the header's own target. That the target is the chain's is checked by the header's place. */
const meetsOwnTarget = ({ hash, header }: Block): boolean => {
  const target = new Uint8Array(32)
  return Target.nBitsToTarget(header.bits | 0, target, 0) && Target.compareU256(hash, 0, target, 0) <= 0
}

const outpointKey = ({ previousIndex, previousTxid }: TransactionInput): string =>
  `${Buffer.from(previousTxid).toString("hex")}:${previousIndex}`

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** Lock times below are heights, others are times. */
const LOCK_TIME_THRESHOLD = 500_000_000
const EMPTY = new Uint8Array(0)
