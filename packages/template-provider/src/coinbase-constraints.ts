/** How much room a client's coinbase needs in a block (specification, section 7.1). */

/** What a client will add to the coinbase; the message `CoinbaseOutputConstraints` is one. */
export interface CoinbaseConstraints {
  /** Serialized bytes of outputs. */
  readonly coinbaseOutputMaxAdditionalSize: number
  /** Signature operations, counted as the block's limit of 80,000 counts them. */
  readonly coinbaseOutputMaxAdditionalSigops: number
}

/** Consensus limits of a block. */
export interface BlockLimits {
  readonly weight: number
  readonly sigops: number
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

/** Whether a block has room for this client's coinbase at all. */
export const fitsBlock = (constraints: CoinbaseConstraints, limits: BlockLimits): boolean =>
  reservedWeight(constraints) <= limits.weight && constraints.coinbaseOutputMaxAdditionalSigops <= limits.sigops

export const isSameConstraints = (a: CoinbaseConstraints, b: CoinbaseConstraints): boolean =>
  a.coinbaseOutputMaxAdditionalSize === b.coinbaseOutputMaxAdditionalSize &&
  a.coinbaseOutputMaxAdditionalSigops === b.coinbaseOutputMaxAdditionalSigops
