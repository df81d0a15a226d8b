/**
 * Difficulty adjustment as in Bitcoin Core's pow.cpp, and the work of a block as in its chain.cpp, with 256-bit numbers as
 * `bigint`.
 */
import { Target } from "@sluice/core"

export interface Retargeting {
  /** Blocks between two adjustments. */
  readonly interval: number
  /** Seconds that a block should take. */
  readonly spacing: number
}

/** The inputs of an adjustment: the compact target, and the times of the period's first and last block, in seconds. */
export interface Period {
  readonly bits: number
  /** The time of the first block of the period. */
  readonly firstTime: number
  /** The time of the last block. The two span one block less than the interval, a bug that Bitcoin must keep. */
  readonly lastTime: number
}

/** The compact target after a period, at most `limit` (also compact). */
export const nextBits = ({ bits, firstTime, lastTime }: Period, retargeting: Retargeting, limit: number): number => {
  const wanted = retargeting.interval * retargeting.spacing
  const took = Math.min(Math.max(lastTime - firstTime, Math.floor(wanted / 4)), wanted * 4)
  const target = (targetOf(bits) * BigInt(took)) / BigInt(wanted)
  const easiest = targetOf(limit)
  return compactOf(target < easiest ? target : easiest)
}

/** The expected number of hashes for a block of this compact target. */
export const workOf = (bits: number): bigint => 2n ** 256n / (targetOf(bits) + 1n)

const targetOf = (bits: number): bigint => {
  const target = new Uint8Array(32)
  Target.nBitsToTarget(bits | 0, target, 0)
  return BigInt(`0x${Buffer.from(target.toReversed()).toString("hex")}`)
}

/** Encodes as a compact target, rounded down to its three bytes, of which the first bit is a sign. */
const compactOf = (target: bigint): number => {
  const digits = target.toString(16)
  let size = Math.ceil(digits.length / 2)
  let mantissa = Number(size <= 3 ? target << BigInt(8 * (3 - size)) : target >> BigInt(8 * (size - 3)))
  if ((mantissa & 0x800000) !== 0) {
    mantissa >>= 8
    size += 1
  }
  return ((size << 24) | mantissa) >>> 0
}
