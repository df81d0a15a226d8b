/** Divides a block's reward by work. */
import type { BlockPolicy } from "./policy.ts"
import type { Weights } from "./window.ts"

/** The account of the pool. No user has this name: the part of an identity before its first dot is never empty. */
export const POOL = ""

/** Satoshis by account. */
export type Amounts = ReadonlyMap<string, bigint>

/** Millionths. */
const WHOLE = 1_000_000n

/**
 * What each account earns by a block. `floor(weight * R / W)` for each user, where R is the reward less the fee and W the sum of all
 * weights, also in a window that is not full. The fee and what rounding leaves are the pool's, and so is all of the reward if there
 * is no work. The amounts sum to the reward.
 */
export const divideReward = (reward: bigint, { fee }: Pick<BlockPolicy, "fee">, weights: Weights): Amounts => {
  const divided = reward - (reward * BigInt(fee)) / WHOLE
  const work = sum(weights.values())
  const amounts = new Map<string, bigint>()
  let rest = reward
  for (const [user, weight] of weights) {
    if (weight === 0n) continue
    const amount = (weight * divided) / work
    amounts.set(user, amount)
    rest -= amount
  }
  return amounts.set(POOL, rest)
}

export const sum = (amounts: Iterable<bigint>): bigint => {
  let sum = 0n
  for (const amount of amounts) sum += amount
  return sum
}
