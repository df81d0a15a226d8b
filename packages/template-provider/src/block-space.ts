/**
 * How much of a block the client's coinbase takes, and how many of a template's transactions fit beside it
 * (specification, section 7.1).
 */
import type { TemplateTransaction } from "@sluice/bitcoin"

/** What a client said it will add to the coinbase; `CoinbaseOutputConstraints` is one. */
export interface CoinbaseConstraints {
  /** Serialized bytes of outputs. */
  readonly coinbaseOutputMaxAdditionalSize: number
  /** Signature operations, counted as the block's limit of 80,000 counts them. */
  readonly coinbaseOutputMaxAdditionalSigops: number
}

/** Most weight units in a block (BIP141), where the node does not say. */
export const MAX_BLOCK_WEIGHT = 4_000_000
/** What Bitcoin Core reserves at least, in weight units. */
export const MIN_RESERVED_WEIGHT = 2_000
/** Header 320, transaction count 12, coinbase 236 + 400 + 12 and its witness commitment 188, in weight units. */
export const FIXED_WEIGHT = 1_168

/** Weight units to keep free for the header, the transaction count and the coinbase of a segwit block. */
export const reservedWeight = (constraints: CoinbaseConstraints): number =>
  Math.max(MIN_RESERVED_WEIGHT, FIXED_WEIGHT + 4 * constraints.coinbaseOutputMaxAdditionalSize)

/** Consensus limits of a block. */
export interface BlockLimits {
  readonly weight: number
  readonly sigops: number
}

/** Whether a block has room for this client's coinbase at all. */
export const fitsBlock = (constraints: CoinbaseConstraints, limits: BlockLimits): boolean =>
  reservedWeight(constraints) <= limits.weight && constraints.coinbaseOutputMaxAdditionalSigops <= limits.sigops

/**
 * Running totals over a template's transactions, to answer at once how many of them fit. A node lists every transaction
 * behind those it spends from, so what is left out from the end is never needed by one that stays.
 */
export class BlockSpace {
  readonly limits: BlockLimits
  readonly #weights: Float64Array
  readonly #sigops: Float64Array
  readonly #fees: Float64Array

  constructor(transactions: ReadonlyArray<TemplateTransaction>, limits: BlockLimits) {
    this.limits = limits
    this.#weights = runningTotals(transactions, ({ weight }) => weight)
    this.#sigops = runningTotals(transactions, ({ sigops }) => sigops)
    this.#fees = runningTotals(transactions, ({ fee }) => fee)
  }

  /** The number of transactions, from the first on, that leave the client's coinbase its room. */
  transactionsBeside(constraints: CoinbaseConstraints): number {
    const weight = this.limits.weight - reservedWeight(constraints)
    const sigops = this.limits.sigops - constraints.coinbaseOutputMaxAdditionalSigops
    return Math.min(countWithin(this.#weights, weight), countWithin(this.#sigops, sigops))
  }

  /** Fees, in satoshis, of the transactions from number `count` (from zero) on. */
  feesFrom(count: number): number {
    return this.#fees[this.#fees.length - 1]! - this.#fees[count]!
  }
}

/** Element i is the sum over the first i transactions. Sums stay exact: they are far below 2^53. */
const runningTotals = (
  transactions: ReadonlyArray<TemplateTransaction>,
  amount: (transaction: TemplateTransaction) => number
): Float64Array => {
  const totals = new Float64Array(transactions.length + 1)
  for (let i = 0; i < transactions.length; i++) totals[i + 1] = totals[i]! + amount(transactions[i]!)
  return totals
}

/** The largest i whose total is at most `limit`. */
const countWithin = (totals: Float64Array, limit: number): number => {
  let low = 0
  let high = totals.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (totals[middle]! <= limit) low = middle
    else high = middle - 1
  }
  return low
}
