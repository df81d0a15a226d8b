/**
 * Difficulty and target, exactly: target = floor(difficulty-1 target / difficulty), where difficulty 1 is
 * 00000000FFFF0000... A target is 32 bytes, little-endian. Done when a difficulty changes, never for a share.
 */

/** The target of difficulty 1: 0xffff x 2^208. */
const DIFFICULTY_1 = 0xffffn << 208n
const MAX_TARGET = (1n << 256n) - 1n

/** The highest target that is at least as hard as the difficulty, and 2^256 - 1 where it would be more. */
export const targetOfDifficulty = (difficulty: number): Uint8Array => {
  if (!(difficulty > 0 && difficulty < Infinity)) {
    throw new RangeError(`a target needs a difficulty above 0 and below infinity; got ${difficulty}`)
  }
  return toBytes(exactTarget(difficulty))
}

/**
 * The difficulty to send to a miner for this target: the highest number that is not above the target's difficulty, so
 * that the miner's own target is not harder. From 1 up it is whole, because some firmware misreads fractions there.
 */
export const difficultyOfTarget = (target: Uint8Array): number => {
  const value = fromBytes(target)
  if (value === 0n) throw new RangeError("no difficulty is as hard as a target of 0")
  if (value <= DIFFICULTY_1) return roundDown(DIFFICULTY_1 / value)
  // Scaled so that the quotient has 96 bits or more, of which f64 keeps 53.
  return roundDown((DIFFICULTY_1 << 128n) / value) * 2 ** -128
}

/** A difficulty as miners are told it: whole from 1 up, rounded down. */
export const wholeDifficulty = (difficulty: number): number => (difficulty >= 1 ? Math.floor(difficulty) : difficulty)

/** difficulty = mantissa x 2^-shift, both exact. */
const exactTarget = (difficulty: number): bigint => {
  let mantissa = difficulty
  let shift = 0
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2
    shift++
  }
  const target = (DIFFICULTY_1 << BigInt(shift)) / BigInt(mantissa)
  return target > MAX_TARGET ? MAX_TARGET : target
}

/** The highest f64 that is not above the number. */
const roundDown = (value: bigint): number => {
  const excess = Math.max(0, value.toString(2).length - 53)
  return Number((value >> BigInt(excess)) << BigInt(excess))
}

const toBytes = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < 4; i++) view.setBigUint64(i * 8, BigInt.asUintN(64, value >> BigInt(i * 64)), true)
  return bytes
}

const fromBytes = (bytes: Uint8Array): bigint => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32)
  let value = 0n
  for (let i = 3; i >= 0; i--) value = (value << 64n) | view.getBigUint64(i * 8, true)
  return value
}
