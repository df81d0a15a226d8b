/**
 * How a chain adjusts its difficulty, as Bitcoin Core does (its pow.cpp), and how much work a block is (its chain.cpp):
 * numbers of 256 bits as `bigint`.
 */
import { Target } from "@sluice/core"

export interface Retargeting {
  /** Blocks between two adjustments. */
  readonly interval: number
  /** Seconds that a block should take. */
  readonly spacing: number
}

/** What an adjustment goes by: the compact target so far, and the times, in seconds, of the period's two ends. */
export interface Period {
  readonly bits: number
  /** Of the block that was the first with these bits. */
  readonly firstTime: number
  /** Of the last one: between the two are one block less than the interval, which is a fault that Bitcoin has to keep. */
  readonly lastTime: number
}

/** The compact target behind a period, at most `limit` (compact too). */
export const nextBits = ({ bits, firstTime, lastTime }: Period, retargeting: Retargeting, limit: number): number => {
  const wanted = retargeting.interval * retargeting.spacing
  const took = Math.min(Math.max(lastTime - firstTime, Math.floor(wanted / 4)), wanted * 4)
  const target = (targetOf(bits) * BigInt(took)) / BigInt(wanted)
  const easiest = targetOf(limit)
  return compactOf(target < easiest ? target : easiest)
}

/** Hashes that a block of this compact target takes on average. */
export const workOf = (bits: number): bigint => 2n ** 256n / (targetOf(bits) + 1n)

const targetOf = (bits: number): bigint => {
  const target = new Uint8Array(32)
  Target.nBitsToTarget(bits | 0, target, 0)
  return BigInt(`0x${Buffer.from(target.toReversed()).toString("hex")}`)
}

/** Rounded down to the three bytes that the compact form has, of which the first bit is a sign. */
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
