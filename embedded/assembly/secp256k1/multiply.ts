/**
 * Multiples of points of secp256k1.
 *
 * `multiply` and `multiplyGenerator` are for secrets: whatever the scalar, they run the same steps and touch the same
 * addresses. A scalar is cut into windows of 4 bits with digits -8 to 8 (Booth), and each table is read from end to end
 * under a mask. `multiply` first splits the scalar in two halves by the endomorphism (GLV), which saves half of the
 * doublings. `multiplyVar` takes what time the scalar needs and is for public scalars only.
 */
import * as F from "./field"
import { FIELD_SIZE } from "./field"
import * as P from "./point"
import { POINT_SIZE, Y, Z } from "./point"
import * as S from "./scalar"

/** Multiples 1 to 8 of a point. */
const ENTRIES: usize = 8
/** Windows of a half scalar, below 2^128, and of a whole one; the last takes what Booth's digits carry. */
const HALF_WINDOWS: i32 = 33
const WINDOWS: i32 = 65
/** Windows from one that has a table to the next. */
const SPACING: i32 = 4
const TABLES: i32 = (WINDOWS + SPACING - 1) / SPACING
const AFFINE_SIZE: usize = 2 * FIELD_SIZE

/** r = k * p in constant time */
export function multiply(r: usize, p: usize, k: usize): void {
  const signs: u32 = S.split(half1, half2, k)
  const sign1: u64 = 0 - ((signs & 1) as u64)
  const sign2: u64 = 0 - ((signs >> 1) as u64)
  P.copy(table, p)
  for (let i: usize = 1; i < ENTRIES; i++) P.add(table + i * POINT_SIZE, table + (i - 1) * POINT_SIZE, table)
  P.setInfinity(accumulator)
  for (let window: i32 = HALF_WINDOWS - 1; window >= 0; window--) {
    for (let i = 0; i < 4; i++) P.double(accumulator, accumulator)
    const digit1: u64 = digitAt(half1, window)
    selectPoint(digit1 & 15)
    P.negateWhere(selected, sign1 ^ (0 - (digit1 >> 4)))
    P.add(accumulator, accumulator, selected)
    const digit2: u64 = digitAt(half2, window)
    selectPoint(digit2 & 15)
    P.negateWhere(selected, sign2 ^ (0 - (digit2 >> 4)))
    F.mul(selected, selected, P.BETA)
    P.add(accumulator, accumulator, selected)
  }
  P.copy(r, accumulator)
}

/**
 * r = k * G in constant time, from the table of all digits in every `SPACING`th window. The other windows take the same
 * entries, and the doublings that are between them and that window.
 */
export function multiplyGenerator(r: usize, k: usize): void {
  S.copy(half1, k)
  P.setInfinity(accumulator)
  for (let offset: i32 = SPACING - 1; offset >= 0; offset--) {
    if (offset < SPACING - 1) for (let i = 0; i < 4; i++) P.double(accumulator, accumulator)
    for (let window: i32 = offset; window < WINDOWS; window += SPACING) {
      const digit: u64 = digitAt(half1, window)
      selectAffine(generatorTable + ((window / SPACING) as usize) * ENTRIES * AFFINE_SIZE, digit & 15)
      P.negateWhere(selected, 0 - (digit >> 4))
      // The formula has no affine infinity: where the digit is 0, whatever was added is not taken over.
      P.addAffine(selected, accumulator, selected)
      P.move(accumulator, selected, 0 - (((digit & 15) + 15) >> 4))
    }
  }
  P.copy(r, accumulator)
}

/** r = k * p where everybody may know k and p: with signed digits of 5 bits, only where they are not zero */
export function multiplyVar(r: usize, p: usize, k: usize): void {
  const signs: u32 = S.split(half1, half2, k)
  digitsVar(digits1, half1)
  digitsVar(digits2, half2)
  // 1, 3, ... 15 times p
  P.copy(table, p)
  P.double(selected, p)
  for (let i: usize = 1; i < ENTRIES; i++) P.add(table + i * POINT_SIZE, table + (i - 1) * POINT_SIZE, selected)
  P.setInfinity(accumulator)
  let started = false
  for (let bit: i32 = DIGITS - 1; bit >= 0; bit--) {
    if (started) P.double(accumulator, accumulator)
    const digit1: i32 = load<i8>(digits1 + bit)
    if (digit1 !== 0) {
      P.copy(selected, table + ((abs(digit1) >> 1) as usize) * POINT_SIZE)
      if (digit1 < 0 !== ((signs & 1) !== 0)) P.negateWhere(selected, ~(0 as u64))
      P.add(accumulator, accumulator, selected)
      started = true
    }
    const digit2: i32 = load<i8>(digits2 + bit)
    if (digit2 !== 0) {
      P.copy(selected, table + ((abs(digit2) >> 1) as usize) * POINT_SIZE)
      if (digit2 < 0 !== (signs >> 1 !== 0)) P.negateWhere(selected, ~(0 as u64))
      F.mul(selected, selected, P.BETA)
      P.add(accumulator, accumulator, selected)
      started = true
    }
  }
  P.copy(r, accumulator)
}

/** Forgets the last scalars and points. */
export function clear(): void {
  memory.fill(half1, 0, 80)
  memory.fill(selected, 0, 2 * POINT_SIZE)
  memory.fill(table, 0, ENTRIES * POINT_SIZE)
}

/** Booth's digit of a window as its size, 0 to 8, and in bit 4 whether it is negative: of bits 4w - 1 to 4w + 3. */
function digitAt(k: usize, window: i32): u64 {
  const below: i32 = 4 * window - 1
  const bits: u64 =
    window === 0 ? load<u64>(k) << 1 : load<u64>(k + (((below >> 5) << 2) as usize)) >> ((below & 31) as u64)
  const negative: u64 = (bits >> 4) & 1
  const low: u64 = (bits & 31) ^ ((0 - negative) & 31)
  return ((low >> 1) + (low & 1)) | (negative << 4)
}

/** selected = entry number `size` of the table, counted from 1, or infinity for 0 */
function selectPoint(size: u64): void {
  P.setInfinity(selected)
  for (let i: usize = 0; i < ENTRIES; i++) {
    P.move(selected, table + i * POINT_SIZE, maskOfZero(size ^ ((i + 1) as u64)))
  }
}

/** selected = affine entry number `size` of eight, counted from 1; for 0, the first */
function selectAffine(entries: usize, size: u64): void {
  memory.copy(selected, entries, AFFINE_SIZE)
  for (let i: usize = 1; i < ENTRIES; i++) {
    const mask: u64 = maskOfZero(size ^ ((i + 1) as u64))
    const entry: usize = entries + i * AFFINE_SIZE
    for (let j: usize = 0; j < AFFINE_SIZE; j += 8) {
      const old: u64 = load<u64>(selected + j)
      store<u64>(selected + j, old ^ ((old ^ load<u64>(entry + j)) & mask))
    }
  }
}

/** All ones for 0, otherwise 0; of numbers below 2^63. */
function maskOfZero(k: u64): u64 {
  return 0 - ((k - 1) >> 63)
}

/** Digits of a half scalar, one a bit: odd from -15 to 15, or 0. */
const DIGITS: i32 = 129
const DIGIT_BITS: i32 = 5

/** The non-adjacent form of width 5, least significant digit first. */
function digitsVar(digits: usize, k: usize): void {
  memory.fill(digits, 0, DIGITS as usize)
  let carry: i32 = 0
  let bit: i32 = 0
  while (bit < DIGITS) {
    const bits: i32 = (load<u64>(k + (((bit >> 5) << 2) as usize)) >> ((bit & 31) as u64)) as i32
    if ((bits & 1) === carry) {
      bit++
      continue
    }
    const digit: i32 = (bits & 31) + carry
    carry = (digit >> 4) & 1
    store<i8>(digits + bit, (digit - (carry << 5)) as i8)
    bit += DIGIT_BITS
  }
}

/** Fills the generator's table: 1 to 8 times 16^w * G for every `SPACING`th window w, made affine with a single inversion. */
function fillGeneratorTable(): void {
  P.copy(table, P.GENERATOR)
  F.setSmall(product, 1)
  // Forward: each entry's X and Y, its Z and the product of all Z before it on the side.
  for (let t = 0; t < TABLES; t++) {
    P.copy(accumulator, table)
    for (let i: usize = 0; i < ENTRIES; i++) {
      const n: usize = (t as usize) * ENTRIES + i
      memory.copy(generatorTable + n * AFFINE_SIZE, accumulator, AFFINE_SIZE)
      F.copy(denominators + n * AFFINE_SIZE, accumulator + Z)
      F.copy(denominators + n * AFFINE_SIZE + Y, product)
      F.mul(product, product, accumulator + Z)
      P.add(accumulator, accumulator, table)
    }
    for (let i = 0; i < 4 * SPACING; i++) P.double(table, table)
  }
  // Backward: the inverse of a product, times the product before it, is the inverse of one Z.
  F.invert(product, product)
  for (let n: i32 = TABLES * (ENTRIES as i32) - 1; n >= 0; n--) {
    const entry: usize = generatorTable + (n as usize) * AFFINE_SIZE
    const denominator: usize = denominators + (n as usize) * AFFINE_SIZE
    F.mul(selected, product, denominator + Y)
    F.mul(product, product, denominator)
    F.mul(entry, entry, selected)
    F.mul(entry + Y, entry + Y, selected)
  }
}

const half1: usize = memory.data(80, 8)
const half2: usize = half1 + 40
const selected: usize = memory.data(240, 8)
const accumulator: usize = selected + POINT_SIZE
const table: usize = memory.data(960, 8)
const digits1: usize = memory.data(272, 8)
const digits2: usize = digits1 + 136
const product: usize = memory.data(40, 8)
/** 17 tables of 8 affine points, 10,880 bytes, and as much to compute them in. */
const generatorTable: usize = memory.data(10880, 8)
const denominators: usize = memory.data(10880, 8)

fillGeneratorTable()
