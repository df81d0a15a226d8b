/**
 * The rules for a declared block that a server checks itself, without the outputs that the block spends: the coinbase's height, time
 * lock and witness commitment, the weight, the signature operations of scripts in the block, and the value where all fees are known.
 * The node's own check of the assembled block (BIP23's proposal) has the rest.
 */
import {
  coinbaseMerklePathOf,
  doubleSha256,
  isCoinbase,
  isWitnessCommitment,
  legacySigopsCost,
  MAX_BLOCK_SIGOPS_COST,
  MAX_MONEY,
  merkleRootFromPath,
  spendsNull,
  type Transaction
} from "@sluice/bitcoin"
import type { TransactionStore } from "../mempool/transaction-store.ts"
import type { DeclaredCoinbase } from "./declared-coinbase.ts"
import { type Refusal, refusal } from "./refusal.ts"

/** The place of the next block in the node's chain. */
export interface ChainTip {
  /** Of the block that the next one builds on, internal order. */
  readonly prevHash: Uint8Array
  /** The height of the next block. */
  readonly height: number
  /** The compact target, and the target: 32 bytes, little-endian. */
  readonly bits: number
  readonly target: Uint8Array
  /** The least time of the next block: the median time past plus one, in seconds. */
  readonly minTime: number
  /** The node's clock in seconds when it said so. */
  readonly time: number
  /** Satoshis that the next block creates. */
  readonly subsidy: bigint
  readonly weightLimit: number
}

/** The most transactions of a block beside its coinbase: each has 60 bytes or more, which are 240 weight units. */
export const MAX_BLOCK_TRANSACTIONS = 16_666
export const MAX_BLOCK_WEIGHT = 4_000_000
/** The header, and the longest count of transactions. */
const WEIGHT_BESIDE_TRANSACTIONS = 4 * (80 + 3)

/** Checks what needs no transactions. `outputs` are scripts that the coinbase must have outputs with. */
export const checkCoinbase = (
  { fields, transaction }: DeclaredCoinbase,
  tip: ChainTip,
  version: number
): Refusal | undefined => {
  if ((version | 0) < 4) {
    return refusal("invalid-job", `the block's version is 4 or more, as a signed number; it is ${version | 0}`)
  }
  const { coinbaseTxInputNSequence, coinbaseTxLocktime } = fields
  const before = coinbaseTxLocktime < LOCK_TIME_THRESHOLD ? tip.height : tip.minTime - 1
  if (coinbaseTxInputNSequence !== 0xffffffff && coinbaseTxLocktime !== 0 && coinbaseTxLocktime >= before) {
    return refusal(
      "invalid-coinbase-tx",
      `the lock time ${coinbaseTxLocktime} is not over in block ${tip.height}; expected one below ${before}`
    )
  }
  if (transaction.weight + WEIGHT_BESIDE_TRANSACTIONS > tip.weightLimit) {
    return refusal("invalid-coinbase-tx", `the coinbase has ${transaction.weight} weight units, more than a block`)
  }
  return undefined
}

/** Checks a transaction that the client sent. `transaction` is at `position` of the declared list. */
export const checkOwnTransaction = (transaction: Transaction, position: number, tip: ChainTip): Refusal | undefined => {
  const wrong = (why: string) => refusal("invalid-job", `the transaction at position ${position} ${why}`)
  const { inputs, lockTime, outputs } = transaction
  if (isCoinbase(transaction) || inputs.some(spendsNull)) return wrong("spends the null output, as a coinbase does")
  if (inputs.length === 0 || outputs.length === 0) return wrong("has no input or no output")
  let total = 0n
  for (const { value } of outputs)
    if ((total += value) > MAX_MONEY) return wrong(`pays more than ${MAX_MONEY} satoshis`)
  const isOver = lockTime < (lockTime < LOCK_TIME_THRESHOLD ? tip.height : tip.minTime - 1)
  if (lockTime !== 0 && !isOver && inputs.some(({ sequence }) => sequence !== 0xffffffff)) {
    return wrong(`has the lock time ${lockTime}, which is not over in block ${tip.height}`)
  }
  return undefined
}

/** The transactions of a block in the store, in order, without the coinbase. */
export interface BlockContent {
  readonly coinbase: DeclaredCoinbase
  readonly slots: Uint32Array
}

/** Checks the sums over all transactions. */
export const checkSums = (
  { coinbase, slots }: BlockContent,
  store: TransactionStore,
  tip: ChainTip
): Refusal | undefined => {
  const { transaction } = coinbase
  let weight = WEIGHT_BESIDE_TRANSACTIONS + transaction.weight
  let sigopsCost = legacySigopsCost(transaction)
  let fees: number | undefined = 0
  for (const slot of slots) {
    weight += store.weightOf(slot)
    sigopsCost += store.sigopsCostOf(slot)
    const fee: number | undefined = store.feeOf(slot)
    fees = fee === undefined || fees === undefined ? undefined : fees + fee
  }
  if (weight > tip.weightLimit) {
    return refusal("invalid-job", `the block has ${weight} weight units; a block has at most ${tip.weightLimit}`)
  }
  if (sigopsCost > MAX_BLOCK_SIGOPS_COST) {
    return refusal(
      "invalid-job",
      `the block's signature operations cost ${sigopsCost}; those of a block cost at most ${MAX_BLOCK_SIGOPS_COST}`
    )
  }
  const sorted = slots.toSorted()
  if (sorted.some((slot, index) => index > 0 && slot === sorted[index - 1])) {
    return refusal("invalid-job", "a transaction is in the list twice")
  }
  if (fees === undefined) return undefined
  const paid = transaction.outputs.reduce((sum, { value }) => sum + value, 0n)
  const due = tip.subsidy + BigInt(fees)
  return paid > due
    ? refusal("invalid-coinbase-tx", `the coinbase pays ${paid} satoshis; subsidy and fees are ${due}`)
    : undefined
}

/** The merkle path of the coinbase. */
export const merklePathOf = ({ slots }: BlockContent, store: TransactionStore): ReadonlyArray<Uint8Array> =>
  coinbaseMerklePathOf(slots.length, (memory, at) => {
    for (let i = 0; i < slots.length; i++) store.copyTxid(slots[i]!, memory, at + 32 * i)
  })

/** Checks the commitment to the witnesses (BIP141). A block without one may have no witnesses. */
export const checkCommitment = ({ coinbase, slots }: BlockContent, store: TransactionStore): Refusal | undefined => {
  const { outputs, witnesses } = coinbase.transaction
  const commitment = outputs.findLast(({ script }) => isWitnessCommitment(script))
  if (commitment === undefined) {
    return witnesses.length > 0 || slots.some((slot) => store.lengthOf(slot) !== store.strippedSizeOf(slot))
      ? refusal(
          "invalid-coinbase-tx",
          "there are witnesses, and the coinbase has no output that commits to them (BIP141)"
        )
      : undefined
  }
  const path = coinbaseMerklePathOf(slots.length, (memory, at) => {
    for (let i = 0; i < slots.length; i++) store.copyWtxid(slots[i]!, memory, at + 32 * i)
  })
  const preimage = new Uint8Array(64)
  preimage.set(merkleRootFromPath(NO_WTXID, path))
  // A coinbase that came without its witness gets a reserved value of zeros.
  preimage.set(witnesses[0]?.[0] ?? NO_WTXID, 32)
  return Buffer.compare(doubleSha256(preimage), commitment.script.subarray(6, 38)) === 0
    ? undefined
    : refusal("invalid-coinbase-tx", "the coinbase's commitment to the witnesses is not that of the declared list")
}

/** What a coinbase counts as in the tree of wtxids. */
const NO_WTXID = new Uint8Array(32)
/** Lock times below are heights, others are times. */
const LOCK_TIME_THRESHOLD = 500_000_000
