/**
 * Converts hash rates to targets and back. Arithmetic on 256-bit numbers is exact, in bigint. It happens once for a channel and
 * at each change of difficulty, never for a share.
 */

/** 2^256 - 1: every hash meets it. */
export const MAX_TARGET: bigint = 2n ** 256n - 1n

/** The average number of hashes for a share of difficulty 1. All mining software uses 2^32. */
export const HASHES_PER_DIFFICULTY = 2 ** 32

/**
 * The target that a miner of `hashesPerSecond` meets `sharesPerMinute` times a minute on average:
 * floor((2^256 - 1 - n) / (n + 1)) for n = floor(hashesPerSecond * 60 / sharesPerMinute) hashes a share. A rate of 0
 * gives the easiest target. Both must be finite, the first not negative and the second positive (else `RangeError`).
 */
export const hashRateToTarget = (hashesPerSecond: number, sharesPerMinute: number): bigint => {
  const hashesPerShare = (hashesPerSecond * 60) / sharesPerMinute
  if (!(hashesPerSecond >= 0) || !(sharesPerMinute > 0) || !Number.isFinite(hashesPerShare)) {
    throw new RangeError(
      `a target needs a hash rate from 0 and shares a minute above 0; got ${hashesPerSecond} and ${sharesPerMinute}`
    )
  }
  const hashes = BigInt(Math.floor(hashesPerShare))
  return hashes >= MAX_TARGET ? 0n : (MAX_TARGET - hashes) / (hashes + 1n)
}

/**
 * The hash rate that meets `target` `sharesPerMinute` times a minute on average, in hashes a second: the inverse of
 * `hashRateToTarget` except for rounding. The target and the shares a minute must be above 0 (else `RangeError`).
 */
export const targetToHashRate = (target: bigint, sharesPerMinute: number): number => {
  if (target <= 0n || target > MAX_TARGET || !(sharesPerMinute > 0)) {
    throw new RangeError(
      `a hash rate needs a target from 1 to 2^256 - 1 and shares a minute above 0; got ${target} and ${sharesPerMinute}`
    )
  }
  const hundredthsBetweenShares = BigInt(Math.floor((60 / sharesPerMinute) * 100))
  if (hundredthsBetweenShares === 0n) throw new RangeError(`${sharesPerMinute} shares a minute are too many to time`)
  return Number(((2n ** 256n - target) * 100n) / ((target + 1n) * hundredthsBetweenShares))
}

/** Encodes a number as U256 (section 3.1): 32 bytes, little-endian. */
export const u256ToBytes = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) view.setBigUint64(i * 8, BigInt.asUintN(64, value >> BigInt(i * 64)), true)
  return bytes
}

/** Decodes a U256: 32 bytes, little-endian. */
export const u256FromBytes = (bytes: Uint8Array): bigint => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32)
  let value = 0n
  for (let i = 3; i >= 0; i--) value = (value << 64n) | view.getBigUint64(i * 8, true)
  return value
}
