/**
 * A hash rate with the time that it was measured over, and how sure it is. Shares come by chance: n shares in a window mean a rate
 * only within about 2/sqrt(n) of it. An operator who sees the band does not take chance for a fault.
 */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import { Schema } from "effect"

/** Hashes a second, estimated from accepted shares. */
export const HashRate = Schema.Struct({
  hashesPerSecond: Schema.Finite,
  /** The time that it was measured over. */
  windowSeconds: Schema.Finite,
  /** About how many shares it was estimated from. */
  shares: Schema.Finite,
  /** The true rate is between `low` and `high` in 95 of 100 cases. */
  low: Schema.Finite,
  high: Schema.Finite
})
export type HashRate = typeof HashRate.Type

/** A rate that was taken from accepted shares of this difficulty on average, with its band. */
export const hashRate = (hashesPerSecond: number, windowSeconds: number, meanDifficulty: number): HashRate => {
  // One share in this window means this rate.
  const unit = (meanDifficulty * HASHES_PER_DIFFICULTY) / windowSeconds
  const shares = unit > 0 ? hashesPerSecond / unit : 0
  // The square root of a Poisson number has a standard deviation of nearly 1/2 (Anscombe), which holds down to a few shares.
  const low = Math.max(0, Math.sqrt(shares) - Z / 2) ** 2 * unit
  const high = (Math.sqrt(shares + 1) + Z / 2) ** 2 * unit
  return { hashesPerSecond, windowSeconds, shares: Math.round(shares), low, high }
}

/** 95 % of a normal distribution is within this many standard deviations. */
const Z = 1.96
