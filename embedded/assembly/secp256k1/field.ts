/**
 * The field of secp256k1: integers modulo p = 2^256 - 2^32 - 977 (SEC 2, 2.4.1).
 *
 * An element is named by the address of nine 32-bit words and one word of zero: limbs of 29 bits, least significant
 * first, so that the 81 products of a multiplication can be added up in 64 bits without a carry between them (wasm has
 * no wider product). Every element in memory is *loose*: limbs 0 to 7 at most 2^29 + 2^15, limb 8 at most 2^24 + 2^5.
 * All functions take loose elements and give loose elements, so no function has to know where its operands come from;
 * `normalize` gives the one canonical form. A column of a product is then at most 8 * (2^29 + 2^15)^2 < 2^62, and
 * what is folded into it stays below 2^47.
 *
 * No function branches on or addresses memory by an element's value, except those named `...Var`, whose inputs must be
 * public. A result may lie where an operand lies.
 */

/** Bytes from one element to the next. */
export const FIELD_SIZE: usize = 40

const LIMB: u64 = 0x1fffffff
const TOP: u64 = 0xffffff
/** 2^261 = FOLD0 + FOLD1 * 2^29 modulo p. */
const FOLD0: u64 = 31264
const FOLD1: u64 = 256

/** r = a * b */
export function mul(r: usize, a: usize, b: usize): void {
  const a0: u64 = load<u32>(a, 0)
  const a1: u64 = load<u32>(a, 4)
  const a2: u64 = load<u32>(a, 8)
  const a3: u64 = load<u32>(a, 12)
  const a4: u64 = load<u32>(a, 16)
  const a5: u64 = load<u32>(a, 20)
  const a6: u64 = load<u32>(a, 24)
  const a7: u64 = load<u32>(a, 28)
  const a8: u64 = load<u32>(a, 32)
  const b0: u64 = load<u32>(b, 0)
  const b1: u64 = load<u32>(b, 4)
  const b2: u64 = load<u32>(b, 8)
  const b3: u64 = load<u32>(b, 12)
  const b4: u64 = load<u32>(b, 16)
  const b5: u64 = load<u32>(b, 20)
  const b6: u64 = load<u32>(b, 24)
  const b7: u64 = load<u32>(b, 28)
  const b8: u64 = load<u32>(b, 32)
  // Columns 9 to 16, carried into 29-bit limbs h0 to h8 of weight 2^261 and up.
  let t: u64 = a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1
  const h0: u64 = t & LIMB
  t = (t >> 29) + a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5 + a6 * b4 + a7 * b3 + a8 * b2
  const h1: u64 = t & LIMB
  t = (t >> 29) + a3 * b8 + a4 * b7 + a5 * b6 + a6 * b5 + a7 * b4 + a8 * b3
  const h2: u64 = t & LIMB
  t = (t >> 29) + a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4
  const h3: u64 = t & LIMB
  t = (t >> 29) + a5 * b8 + a6 * b7 + a7 * b6 + a8 * b5
  const h4: u64 = t & LIMB
  t = (t >> 29) + a6 * b8 + a7 * b7 + a8 * b6
  const h5: u64 = t & LIMB
  t = (t >> 29) + a7 * b8 + a8 * b7
  const h6: u64 = t & LIMB
  t = (t >> 29) + a8 * b8
  const h7: u64 = t & LIMB
  const h8: u64 = t >> 29
  // Columns 0 to 8 with the high half folded in; h8's own overflow goes round once more.
  t = a0 * b0 + h0 * FOLD0 + h8 * (FOLD0 * FOLD1)
  let r0: u64 = t & LIMB
  t = (t >> 29) + a0 * b1 + a1 * b0 + h1 * FOLD0 + h0 * FOLD1 + h8 * (FOLD1 * FOLD1)
  let r1: u64 = t & LIMB
  t = (t >> 29) + a0 * b2 + a1 * b1 + a2 * b0 + h2 * FOLD0 + h1 * FOLD1
  let r2: u64 = t & LIMB
  t = (t >> 29) + a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + h3 * FOLD0 + h2 * FOLD1
  const r3: u64 = t & LIMB
  t = (t >> 29) + a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0 + h4 * FOLD0 + h3 * FOLD1
  const r4: u64 = t & LIMB
  t = (t >> 29) + a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0 + h5 * FOLD0 + h4 * FOLD1
  const r5: u64 = t & LIMB
  t = (t >> 29) + a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0 + h6 * FOLD0 + h5 * FOLD1
  const r6: u64 = t & LIMB
  t =
    (t >> 29) + a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0 + h7 * FOLD0 + h6 * FOLD1
  const r7: u64 = t & LIMB
  t =
    (t >> 29) +
    a0 * b8 +
    a1 * b7 +
    a2 * b6 +
    a3 * b5 +
    a4 * b4 +
    a5 * b3 +
    a6 * b2 +
    a7 * b1 +
    a8 * b0 +
    h8 * FOLD0 +
    h7 * FOLD1
  // What lies above bit 256 (below 2^40) once more, carried through the first limbs.
  const over: u64 = t >> 24
  r0 += over * 977
  r1 += (over << 3) + (r0 >> 29)
  r2 += r1 >> 29
  store<u32>(r, (r0 & LIMB) as u32)
  store<u32>(r, (r1 & LIMB) as u32, 4)
  store<u32>(r, r2 as u32, 8)
  store<u32>(r, r3 as u32, 12)
  store<u32>(r, r4 as u32, 16)
  store<u32>(r, r5 as u32, 20)
  store<u32>(r, r6 as u32, 24)
  store<u32>(r, r7 as u32, 28)
  store<u32>(r, (t & TOP) as u32, 32)
}

/** r = a * a: each product of two different limbs once, doubled. */
export function square(r: usize, a: usize): void {
  const a0: u64 = load<u32>(a, 0)
  const a1: u64 = load<u32>(a, 4)
  const a2: u64 = load<u32>(a, 8)
  const a3: u64 = load<u32>(a, 12)
  const a4: u64 = load<u32>(a, 16)
  const a5: u64 = load<u32>(a, 20)
  const a6: u64 = load<u32>(a, 24)
  const a7: u64 = load<u32>(a, 28)
  const a8: u64 = load<u32>(a, 32)
  const d0: u64 = a0 << 1
  const d1: u64 = a1 << 1
  const d2: u64 = a2 << 1
  const d3: u64 = a3 << 1
  const d4: u64 = a4 << 1
  const d5: u64 = a5 << 1
  const d6: u64 = a6 << 1
  const d7: u64 = a7 << 1
  // Columns 9 to 16, carried into 29-bit limbs h0 to h8 of weight 2^261 and up.
  let t: u64 = d1 * a8 + d2 * a7 + d3 * a6 + d4 * a5
  const h0: u64 = t & LIMB
  t = (t >> 29) + d2 * a8 + d3 * a7 + d4 * a6 + a5 * a5
  const h1: u64 = t & LIMB
  t = (t >> 29) + d3 * a8 + d4 * a7 + d5 * a6
  const h2: u64 = t & LIMB
  t = (t >> 29) + d4 * a8 + d5 * a7 + a6 * a6
  const h3: u64 = t & LIMB
  t = (t >> 29) + d5 * a8 + d6 * a7
  const h4: u64 = t & LIMB
  t = (t >> 29) + d6 * a8 + a7 * a7
  const h5: u64 = t & LIMB
  t = (t >> 29) + d7 * a8
  const h6: u64 = t & LIMB
  t = (t >> 29) + a8 * a8
  const h7: u64 = t & LIMB
  const h8: u64 = t >> 29
  // Columns 0 to 8 with the high half folded in; h8's own overflow goes round once more.
  t = a0 * a0 + h0 * FOLD0 + h8 * (FOLD0 * FOLD1)
  let r0: u64 = t & LIMB
  t = (t >> 29) + d0 * a1 + h1 * FOLD0 + h0 * FOLD1 + h8 * (FOLD1 * FOLD1)
  let r1: u64 = t & LIMB
  t = (t >> 29) + d0 * a2 + a1 * a1 + h2 * FOLD0 + h1 * FOLD1
  let r2: u64 = t & LIMB
  t = (t >> 29) + d0 * a3 + d1 * a2 + h3 * FOLD0 + h2 * FOLD1
  const r3: u64 = t & LIMB
  t = (t >> 29) + d0 * a4 + d1 * a3 + a2 * a2 + h4 * FOLD0 + h3 * FOLD1
  const r4: u64 = t & LIMB
  t = (t >> 29) + d0 * a5 + d1 * a4 + d2 * a3 + h5 * FOLD0 + h4 * FOLD1
  const r5: u64 = t & LIMB
  t = (t >> 29) + d0 * a6 + d1 * a5 + d2 * a4 + a3 * a3 + h6 * FOLD0 + h5 * FOLD1
  const r6: u64 = t & LIMB
  t = (t >> 29) + d0 * a7 + d1 * a6 + d2 * a5 + d3 * a4 + h7 * FOLD0 + h6 * FOLD1
  const r7: u64 = t & LIMB
  t = (t >> 29) + d0 * a8 + d1 * a7 + d2 * a6 + d3 * a5 + a4 * a4 + h8 * FOLD0 + h7 * FOLD1
  // What lies above bit 256 (below 2^40) once more, carried through the first limbs.
  const over: u64 = t >> 24
  r0 += over * 977
  r1 += (over << 3) + (r0 >> 29)
  r2 += r1 >> 29
  store<u32>(r, (r0 & LIMB) as u32)
  store<u32>(r, (r1 & LIMB) as u32, 4)
  store<u32>(r, r2 as u32, 8)
  store<u32>(r, r3 as u32, 12)
  store<u32>(r, r4 as u32, 16)
  store<u32>(r, r5 as u32, 20)
  store<u32>(r, r6 as u32, 24)
  store<u32>(r, r7 as u32, 28)
  store<u32>(r, (t & TOP) as u32, 32)
}

/** r = a + b */
export function add(r: usize, a: usize, b: usize): void {
  carry(
    r,
    load<u32>(a) + load<u32>(b),
    load<u32>(a, 4) + load<u32>(b, 4),
    load<u32>(a, 8) + load<u32>(b, 8),
    load<u32>(a, 12) + load<u32>(b, 12),
    load<u32>(a, 16) + load<u32>(b, 16),
    load<u32>(a, 20) + load<u32>(b, 20),
    load<u32>(a, 24) + load<u32>(b, 24),
    load<u32>(a, 28) + load<u32>(b, 28),
    load<u32>(a, 32) + load<u32>(b, 32)
  )
}

/** The limbs of 2p, each at least as great as a loose element's. */
const P2_0: u32 = 0x3ffff85e
const P2_1: u32 = 0x3fffffee
const P2_2: u32 = 0x3ffffffe
const P2_8: u32 = 0x1fffffe

/** r = a - b, as a + 2p - b */
export function sub(r: usize, a: usize, b: usize): void {
  carry(
    r,
    load<u32>(a) + (P2_0 - load<u32>(b)),
    load<u32>(a, 4) + (P2_1 - load<u32>(b, 4)),
    load<u32>(a, 8) + (P2_2 - load<u32>(b, 8)),
    load<u32>(a, 12) + (P2_2 - load<u32>(b, 12)),
    load<u32>(a, 16) + (P2_2 - load<u32>(b, 16)),
    load<u32>(a, 20) + (P2_2 - load<u32>(b, 20)),
    load<u32>(a, 24) + (P2_2 - load<u32>(b, 24)),
    load<u32>(a, 28) + (P2_2 - load<u32>(b, 28)),
    load<u32>(a, 32) + (P2_8 - load<u32>(b, 32))
  )
}

/** r = -a */
export function negate(r: usize, a: usize): void {
  carry(
    r,
    P2_0 - load<u32>(a),
    P2_1 - load<u32>(a, 4),
    P2_2 - load<u32>(a, 8),
    P2_2 - load<u32>(a, 12),
    P2_2 - load<u32>(a, 16),
    P2_2 - load<u32>(a, 20),
    P2_2 - load<u32>(a, 24),
    P2_2 - load<u32>(a, 28),
    P2_8 - load<u32>(a, 32)
  )
}

/** Carries of all limbs at once, each into its neighbour: limbs below 2^32 become loose. */
function carry(r: usize, t0: u32, t1: u32, t2: u32, t3: u32, t4: u32, t5: u32, t6: u32, t7: u32, t8: u32): void {
  const limb: u32 = LIMB as u32
  const over: u32 = t8 >> 24
  store<u32>(r, (t0 & limb) + over * 977)
  store<u32>(r, (t1 & limb) + (t0 >> 29) + (over << 3), 4)
  store<u32>(r, (t2 & limb) + (t1 >> 29), 8)
  store<u32>(r, (t3 & limb) + (t2 >> 29), 12)
  store<u32>(r, (t4 & limb) + (t3 >> 29), 16)
  store<u32>(r, (t5 & limb) + (t4 >> 29), 20)
  store<u32>(r, (t6 & limb) + (t5 >> 29), 24)
  store<u32>(r, (t7 & limb) + (t6 >> 29), 28)
  store<u32>(r, (t8 & (TOP as u32)) + (t7 >> 29), 32)
}

/** r = a * k for a small constant k of at most 21: above that limb 0 would not stay loose. */
export function mulSmall(r: usize, a: usize, k: u64): void {
  const t0: u64 = (load<u32>(a) as u64) * k
  const t1: u64 = (load<u32>(a, 4) as u64) * k
  const t2: u64 = (load<u32>(a, 8) as u64) * k
  const t3: u64 = (load<u32>(a, 12) as u64) * k
  const t4: u64 = (load<u32>(a, 16) as u64) * k
  const t5: u64 = (load<u32>(a, 20) as u64) * k
  const t6: u64 = (load<u32>(a, 24) as u64) * k
  const t7: u64 = (load<u32>(a, 28) as u64) * k
  const t8: u64 = (load<u32>(a, 32) as u64) * k
  const over: u64 = t8 >> 24
  store<u32>(r, ((t0 & LIMB) + over * 977) as u32)
  store<u32>(r, ((t1 & LIMB) + (t0 >> 29) + (over << 3)) as u32, 4)
  store<u32>(r, ((t2 & LIMB) + (t1 >> 29)) as u32, 8)
  store<u32>(r, ((t3 & LIMB) + (t2 >> 29)) as u32, 12)
  store<u32>(r, ((t4 & LIMB) + (t3 >> 29)) as u32, 16)
  store<u32>(r, ((t5 & LIMB) + (t4 >> 29)) as u32, 20)
  store<u32>(r, ((t6 & LIMB) + (t5 >> 29)) as u32, 24)
  store<u32>(r, ((t7 & LIMB) + (t6 >> 29)) as u32, 28)
  store<u32>(r, ((t8 & TOP) + (t7 >> 29)) as u32, 32)
}

export function copy(r: usize, a: usize): void {
  for (let i: usize = 0; i < FIELD_SIZE; i += 8) store<u64>(r + i, load<u64>(a + i))
}

/** r = a where the mask is all ones, and stays where it is 0. */
export function move(r: usize, a: usize, mask: u64): void {
  for (let i: usize = 0; i < FIELD_SIZE; i += 8) {
    const old: u64 = load<u64>(r + i)
    store<u64>(r + i, old ^ ((old ^ load<u64>(a + i)) & mask))
  }
}

/** r = the number k, below 2^29 */
export function setSmall(r: usize, k: u32): void {
  for (let i: usize = 0; i < FIELD_SIZE; i += 8) store<u64>(r + i, 0)
  store<u32>(r, k)
}

/** Brings an element to its canonical form: 0 to p - 1, limbs of 29 bits. */
export function normalize(r: usize): void {
  const limb: u32 = LIMB as u32
  let t: u32 = load<u32>(r, 32)
  const over: u32 = t >> 24
  store<u32>(r, t & (TOP as u32), 32)
  store<u32>(r, load<u32>(r) + over * 977)
  store<u32>(r, load<u32>(r, 4) + (over << 3), 4)
  t = 0
  for (let i: usize = 0; i < 32; i += 4) {
    t += load<u32>(r + i)
    store<u32>(r + i, t & limb)
    t >>= 29
  }
  store<u32>(r, load<u32>(r, 32) + t, 32)
  // Now below 2p. Adding 2^256 - p carries into bit 256 exactly where the value is p or more.
  const s = spare
  t = load<u32>(r) + 977
  store<u32>(s, t & limb)
  t = load<u32>(r, 4) + 8 + (t >> 29)
  store<u32>(s, t & limb, 4)
  for (let i: usize = 8; i < 32; i += 4) {
    t = load<u32>(r + i) + (t >> 29)
    store<u32>(s + i, t & limb)
  }
  t = load<u32>(r, 32) + (t >> 29)
  store<u32>(s, t & (TOP as u32), 32)
  move(r, s, 0 - ((t >> 24) as u64))
}

/** 1 where a = 0, otherwise 0. Normalizes a. */
export function isZero(a: usize): u32 {
  normalize(a)
  let bits: u64 = 0
  for (let i: usize = 0; i < FIELD_SIZE; i += 8) bits |= load<u64>(a + i)
  return (((bits | (0 - bits)) >> 63) as u32) ^ 1
}

/** 1 where a = b, otherwise 0. */
export function isEqual(a: usize, b: usize): u32 {
  sub(difference, a, b)
  return isZero(difference)
}

/** 1 where a is odd as a number below p, otherwise 0. Normalizes a. */
export function isOdd(a: usize): u32 {
  normalize(a)
  return load<u32>(a) & 1
}

/** Reads 32 bytes, most significant first, modulo p. Gives 1 where they were below p, otherwise 0. */
export function fromBytes(r: usize, from: usize): u32 {
  let bits: u64 = 0
  let held: u64 = 0
  let at: usize = r
  for (let i: usize = 0; i < 32; i++) {
    bits |= (load<u8>(from + 31 - i) as u64) << held
    held += 8
    // Which limb a byte goes to depends on its place alone.
    if (held >= 29 && at < r + 32) {
      store<u32>(at, (bits & LIMB) as u32)
      bits >>= 29
      held -= 29
      at += 4
    }
  }
  store<u32>(r, bits as u32, 32)
  store<u32>(r, 0, 36)
  copy(given, r)
  normalize(r)
  let changed: u64 = 0
  for (let i: usize = 0; i < FIELD_SIZE; i += 8) changed |= load<u64>(r + i) ^ load<u64>(given + i)
  return (((changed | (0 - changed)) >> 63) as u32) ^ 1
}

/** Writes 32 bytes, most significant first. Normalizes a. */
export function toBytes(to: usize, a: usize): void {
  normalize(a)
  let bits: u64 = 0
  let held: u64 = 0
  let at: usize = a
  for (let i: usize = 0; i < 32; i++) {
    if (held < 8) {
      bits |= (load<u32>(at) as u64) << held
      held += 29
      at += 4
    }
    store<u8>(to + 31 - i, bits as u8)
    bits >>= 8
    held -= 8
  }
}

/** r = a^(2^count) */
function squareTimes(r: usize, a: usize, count: i32): void {
  square(r, a)
  for (let i = 1; i < count; i++) square(r, r)
}

/**
 * x223 = a^(2^223 - 1), and on the way x22 and x2: p - 2 and (p + 1) / 4 both begin with 223 ones, a zero and 22 ones.
 */
function powerOfOnes(a: usize): void {
  square(x2, a)
  mul(x2, x2, a)
  square(x3, x2)
  mul(x3, x3, a)
  squareTimes(x6, x3, 3)
  mul(x6, x6, x3)
  squareTimes(x9, x6, 3)
  mul(x9, x9, x3)
  squareTimes(x11, x9, 2)
  mul(x11, x11, x2)
  squareTimes(x22, x11, 11)
  mul(x22, x22, x11)
  squareTimes(x44, x22, 22)
  mul(x44, x44, x22)
  squareTimes(x88, x44, 44)
  mul(x88, x88, x44)
  squareTimes(x223, x88, 88)
  mul(x223, x223, x88)
  squareTimes(x223, x223, 44)
  mul(x223, x223, x44)
  squareTimes(x223, x223, 3)
  mul(x223, x223, x3)
}

/** r = 1 / a by a^(p - 2), and 0 for 0. */
export function invert(r: usize, a: usize): void {
  copy(base, a)
  powerOfOnes(base)
  squareTimes(power, x223, 23)
  mul(power, power, x22)
  squareTimes(power, power, 5)
  mul(power, power, base)
  squareTimes(power, power, 3)
  mul(power, power, x2)
  squareTimes(power, power, 2)
  mul(r, power, base)
}

/** r = the root a^((p + 1) / 4), which is a square itself. Gives 1 where it is a root of a, otherwise 0. */
export function squareRoot(r: usize, a: usize): u32 {
  copy(base, a)
  powerOfOnes(base)
  squareTimes(power, x223, 23)
  mul(power, power, x22)
  squareTimes(power, power, 6)
  mul(power, power, x2)
  squareTimes(r, power, 2)
  square(power, r)
  return isEqual(power, base)
}

/** Forgets what the last inversions and roots were about. */
export function clear(): void {
  memory.fill(spare, 0, 15 * FIELD_SIZE)
}

const spare: usize = memory.data(600, 8)
const difference: usize = spare + FIELD_SIZE
const given: usize = spare + 2 * FIELD_SIZE
const base: usize = spare + 3 * FIELD_SIZE
const power: usize = spare + 4 * FIELD_SIZE
const x2: usize = spare + 5 * FIELD_SIZE
const x3: usize = spare + 6 * FIELD_SIZE
const x6: usize = spare + 7 * FIELD_SIZE
const x9: usize = spare + 8 * FIELD_SIZE
const x11: usize = spare + 9 * FIELD_SIZE
const x22: usize = spare + 10 * FIELD_SIZE
const x44: usize = spare + 11 * FIELD_SIZE
const x88: usize = spare + 12 * FIELD_SIZE
const x223: usize = spare + 13 * FIELD_SIZE
