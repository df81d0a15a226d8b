/**
 * Hash rates and the targets that fit them. Arithmetic on 256-bit numbers is exact, in bigint; it happens once a channel
 * and at each change of difficulty, never for a share.
 */

/** 2^256 - 1: every hash meets it. */
export const MAX_TARGET: bigint = 2n ** 256n - 1n

/** The hashes that a difficulty of 1 takes on average, taken as 2^32 as the whole field does. */
export const HASHES_PER_DIFFICULTY = 2 ** 32

/**
 * The target that a miner of `hashesPerSecond` meets `sharesPerMinute` times a minute on average:
 * floor((2^256 - 1 - n) / (n + 1)) for n = floor(hashesPerSecond * 60 / sharesPerMinute) hashes a share. A rate of 0
 * gives the easiest target there is. Both must be finite, the first not negative and the second positive (`RangeError`).
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
 * `hashRateToTarget` but for rounding. The target must be above 0 and the shares a minute positive (`RangeError`).
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

/** A 256-bit number as it travels: 32 bytes, little-endian (U256, section 3.1). */
export const u256ToBytes = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) view.setBigUint64(i * 8, BigInt.asUintN(64, value >> BigInt(i * 64)), true)
  return bytes
}

/** The number of 32 little-endian bytes. */
export const u256FromBytes = (bytes: Uint8Array): bigint => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32)
  let value = 0n
  for (let i = 3; i >= 0; i--) value = (value << 64n) | view.getBigUint64(i * 8, true)
  return value
}

/**
 * What hash rate the work of a channel points to: an average that forgets old work with a half-life, corrected for the
 * time before the first share, so that a young channel is not underrated.
 */
export class HashRateMeter {
  readonly #startedAt: number
  readonly #timeConstantMs: number
  /** Difficulty per time constant, the squares of the difficulties, which are its variance, and what it was at least. */
  #level = 0
  #squares = 0
  #proven = 0
  /** All of these are decayed to this moment. */
  #updatedAt: number

  constructor(now: number, halfLifeMs = 300_000) {
    this.#startedAt = now
    this.#updatedAt = now
    this.#timeConstantMs = halfLifeMs / Math.LN2
  }

  /** Work of this difficulty was done. `now` in milliseconds. */
  add(difficulty: number, now: number): void {
    this.#decay(now)
    this.#level += difficulty
    this.#squares += difficulty * difficulty
    // What is proven stays so, also behind a share that is much harder and says little by itself.
    const proven = this.#level - 2 * Math.sqrt(this.#squares)
    if (proven > this.#proven) this.#proven = proven
  }

  /** Whether there was any. */
  get hasWork(): boolean {
    return this.#level > 0
  }

  /** Hashes a second. */
  rate(now: number): number {
    this.#decay(now)
    const ageMs = now - this.#startedAt
    return ageMs <= 0 ? 0 : this.#over(this.#level, ageMs)
  }

  /**
   * The hash rate that the work proves: two standard deviations below the average, for luck is no proof. Fewer than five
   * shares prove nothing, and what comes in one read says little of time.
   */
  provenRate(now: number): number {
    this.#decay(now)
    return this.#over(this.#proven, Math.max(now - this.#startedAt, SHORTEST_MS))
  }

  #over(difficulty: number, ageMs: number): number {
    const weightMs = this.#timeConstantMs * (1 - Math.exp(-ageMs / this.#timeConstantMs))
    return (difficulty * HASHES_PER_DIFFICULTY * 1000) / weightMs
  }

  #decay(now: number): void {
    if (now <= this.#updatedAt) return
    const kept = Math.exp((this.#updatedAt - now) / this.#timeConstantMs)
    this.#level *= kept
    this.#squares *= kept * kept
    this.#proven *= kept
    this.#updatedAt = now
  }
}

/** The shortest time that work is taken to have needed. */
const SHORTEST_MS = 250
