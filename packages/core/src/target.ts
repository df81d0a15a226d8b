/**
 * Targets and difficulty. A 256-bit number is 32 bytes, least significant first, as a U256 on the wire (3.1) and as a
 * block hash in internal byte order. A hash meets a target when it is not above it.
 */

/** The target of difficulty 1: 0xffff x 2^208 (nBits 0x1d00ffff). */
const DIFFICULTY_1_TARGET: f64 = 26959535291011309493156476344723991336010898738574164086137773096960.0
/** 2^256, 2^248 and 2^-8: exact as f64. */
const TWO_256: f64 = 115792089237316195423570985008687907853269984665640564039457584007913129639936.0
const TWO_248: f64 = 452312848583266388373324160190187140051835877600158453279131187530910662656.0
const TWO_MINUS_8: f64 = 0.00390625

/** -1 if a < b, 0 if they are equal, 1 if a > b. */
export function compareU256(a: Uint8Array, aAt: i32, b: Uint8Array, bAt: i32): i32 {
  for (let i: i32 = 31; i >= 0; i--) {
    const x: i32 = a[aAt + i]
    const y: i32 = b[bAt + i]
    if (x < y) return -1
    if (x > y) return 1
  }
  return 0
}

/**
 * Expands a header's nBits (one byte of size, a sign bit, 23 bits of mantissa; value = mantissa x 256^(size - 3)).
 * Returns false and a target of zero, which no hash meets, if the value is negative, zero or above 2^256 - 1: no block can have
 * such nBits.
 */
export function nBitsToTarget(nBits: i32, out: Uint8Array, outAt: i32): bool {
  out.fill(0, outAt, outAt + 32)
  const size: i32 = nBits >>> 24
  let mantissa: i32 = nBits & 0x7fffff
  if (size < 3) mantissa = mantissa >> ((3 - size) << 3)
  if (mantissa === 0) return false
  if ((nBits & 0x800000) !== 0) return false
  if (size > 34 || (size > 33 && mantissa > 0xff) || (size > 32 && mantissa > 0xffff)) return false
  const low: i32 = size < 3 ? 0 : (size - 3) | 0
  for (let i: i32 = low; mantissa !== 0; i++) {
    out[outAt + i] = mantissa as u8
    mantissa = mantissa >> 8
  }
  return true
}

/** Difficulty-1 target / target, to f64's 53 bits; infinite for a target of zero. */
export function targetToDifficulty(target: Uint8Array, at: i32): f64 {
  let value: f64 = 0.0
  for (let i: i32 = 31; i >= 0; i--) {
    const byte: f64 = target[at + i]
    value = value * 256.0 + byte
  }
  return DIFFICULTY_1_TARGET / value
}

/**
 * The highest target of at least this difficulty, to f64's 53 bits: difficulty-1 target / difficulty, rounded down, at most
 * 2^256 - 1. A difficulty that is not a positive finite number (0, negative, NaN, infinity) gives zero, which no hash
 * meets.
 */
export function difficultyToTarget(difficulty: f64, out: Uint8Array, outAt: i32): void {
  if (!(difficulty > 0.0)) {
    out.fill(0, outAt, outAt + 32)
    return
  }
  let rest: f64 = DIFFICULTY_1_TARGET / difficulty
  if (rest >= TWO_256) {
    out.fill(255, outAt, outAt + 32)
    return
  }
  let unit: f64 = TWO_248
  for (let i: i32 = 31; i >= 0; i--) {
    // Dividing and multiplying by powers of two is exact, so the digits are those of the quotient.
    const digit: i32 = ((rest / unit) as i32) | 0
    out[outAt + i] = digit as u8
    const taken: f64 = digit
    rest = rest - taken * unit
    unit = unit * TWO_MINUS_8
  }
}
