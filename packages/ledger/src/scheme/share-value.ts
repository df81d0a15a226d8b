/** The value of work in schemes that buy each share (PPS, FPPS). */
import { type Amounts, POOL } from "./divide.ts"
import type { SharePolicy } from "./policy.ts"
import type { Weights } from "./window.ts"

/** A satoshi has this many of the parts in which remainders are kept. */
export const PARTS = 1_000_000_000_000n
const WHOLE = 1_000_000n

export interface BlockValue {
  /** What the coinbase of a block creates, in satoshis. */
  readonly subsidy: bigint
  /** What the transactions of a block pay, in satoshis. */
  readonly fees: bigint
  /** The work of a block. */
  readonly networkWork: bigint
}

export interface Bought {
  /** What users earn, and what the pool's reserve pays for it (negative). They sum to zero. */
  readonly amounts: Amounts
  /** Parts of a satoshi that users earned and that are not paid yet, each below `PARTS`. */
  readonly remainders: Amounts
}

/**
 * Buys work: `work * value / networkWork`, less the fee, where the value is a block's subsidy, and with FPPS its fees. Remainders of
 * earlier work are added, so that a small miner loses nothing by being paid often.
 */
export const buyWork = (policy: SharePolicy, weights: Weights, value: BlockValue, remainders: Amounts): Bought => {
  const { fees, networkWork, subsidy } = value
  const reward = policy.scheme === "fpps" ? subsidy + fees : subsidy
  const perBlock = reward * (WHOLE - BigInt(policy.fee)) * PARTS
  const amounts = new Map<string, bigint>()
  const left = new Map(remainders)
  let reserve = 0n
  for (const [user, work] of weights) {
    const parts = (work * perBlock) / (networkWork * WHOLE) + (left.get(user) ?? 0n)
    const amount = parts / PARTS
    amounts.set(user, amount)
    left.set(user, parts % PARTS)
    reserve -= amount
  }
  return { amounts: amounts.set(POOL, reserve), remainders: left }
}

/** What the coinbase of a block of this height creates: 50 coins, halved every `interval` blocks. */
export const subsidyAt = (height: number, interval: number): bigint => {
  const halvings = Math.floor(height / interval)
  return halvings >= 64 ? 0n : 5_000_000_000n >> BigInt(halvings)
}
