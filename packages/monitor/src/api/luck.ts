/**
 * Luck: how many blocks were found for each that the work finds on average. Blocks come by chance, so the range that luck stays in
 * without a fault says what a number means.
 */
import { Schema } from "effect"

export const LuckOf = Schema.Struct({
  /** Of how many blocks. */
  blocks: Schema.Finite,
  /** Above 1 there were more blocks than on average. */
  luck: Schema.Finite,
  /** Luck of as many blocks is between these in 95 of 100 cases. */
  usualLow: Schema.Finite,
  usualHigh: Schema.Finite
})
export type LuckOf = typeof LuckOf.Type

export const Luck = Schema.Struct({
  /** The work since the last block, in blocks that it finds on average. */
  effort: Schema.NullOr(Schema.Finite),
  /** Of the last blocks whose effort is known. Null without one. */
  last10: Schema.NullOr(LuckOf),
  last100: Schema.NullOr(LuckOf),
  all: Schema.NullOr(LuckOf)
})
export type Luck = typeof Luck.Type

/** The luck of blocks that took these efforts; undefined of none. */
export const luckOf = (efforts: ReadonlyArray<number>): LuckOf | undefined => {
  const blocks = efforts.length
  const work = efforts.reduce((sum, effort) => sum + effort, 0)
  if (blocks === 0 || work <= 0) return undefined
  return {
    blocks,
    luck: blocks / work,
    usualLow: blocks / quantile(blocks, Z),
    usualHigh: blocks / quantile(blocks, -Z)
  }
}

/** The work that so many blocks take: a quantile of the gamma distribution (Wilson and Hilferty). */
const quantile = (blocks: number, z: number): number =>
  blocks * (1 - 1 / (9 * blocks) + z / (3 * Math.sqrt(blocks))) ** 3

/** 95 % of a normal distribution is within this many standard deviations. */
const Z = 1.96
