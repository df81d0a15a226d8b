/**
 * Integers modulo n, the order of secp256k1's generator (SEC 2, 2.4.1), and the endomorphism's split of a scalar.
 *
 * A scalar is named by the address of eight 32-bit words, least significant first, always below n. There are few scalar
 * operations in a multiplication of a point, so they are loops. None branches on or addresses memory by a value.
 */

/** Bytes from one scalar to the next. */
export const SCALAR_SIZE: usize = 32

/** n, least significant word first. */
const N: usize = memory.data<u32>([
  0xd0364141, 0xbfd25e8c, 0xaf48a03b, 0xbaaedce6, 0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff
])
/** 2^256 - n, in five words. */
const FOLD: usize = memory.data<u32>([0x2fc9bebf, 0x402da173, 0x50b75fc4, 0x45512319, 1])
const FOLD_SIZE: usize = 20
/** (n - 1) / 2 */
const HALF: usize = memory.data<u32>([
  0x681b20a0, 0xdfe92f46, 0x57a4501d, 0x5d576e73, 0xffffffff, 0xffffffff, 0xffffffff, 0x7fffffff
])

/** Reads 32 bytes, most significant first, modulo n. Gives 1 where they were below n, otherwise 0. */
export function fromBytes(r: usize, from: usize): u32 {
  for (let i: usize = 0; i < 32; i += 4) store<u32>(r + i, bswap(load<u32>(from + 28 - i)))
  return reduceOnce(r, 0)
}

/** Writes 32 bytes, most significant first. */
export function toBytes(to: usize, a: usize): void {
  for (let i: usize = 0; i < 32; i += 4) store<u32>(to + 28 - i, bswap(load<u32>(a + i)))
}

/** 1 where a = 0, otherwise 0. */
export function isZero(a: usize): u32 {
  let bits: u64 = 0
  for (let i: usize = 0; i < 32; i += 8) bits |= load<u64>(a + i)
  return (((bits | (0 - bits)) >> 63) as u32) ^ 1
}

/** r = r + a where the mask is all ones, and stays where it is 0. */
export function addWhere(r: usize, a: usize, mask: u64): void {
  let t: u64 = 0
  for (let i: usize = 0; i < 32; i += 4) {
    t += (load<u32>(r + i) as u64) + ((load<u32>(a + i) as u64) & mask)
    store<u32>(r + i, t as u32)
    t >>= 32
  }
  reduceOnce(r, t)
}

/** r = a + b */
export function add(r: usize, a: usize, b: usize): void {
  copy(sum, a)
  addWhere(sum, b, ~(0 as u64))
  copy(r, sum)
}

/** r = -r where the mask is all ones, and stays where it is 0. */
export function negateWhere(r: usize, mask: u64): void {
  const some: u64 = mask & ~(0 - (isZero(r) as u64))
  let borrow: u64 = 0
  for (let i: usize = 0; i < 32; i += 4) {
    const old: u64 = load<u32>(r + i)
    const t: u64 = (load<u32>(N + i) as u64) - old - borrow
    borrow = t >> 63
    store<u32>(r + i, (old ^ ((old ^ t) & some)) as u32)
  }
}

/** r = a * b */
export function mul(r: usize, a: usize, b: usize): void {
  multiplyWide(a, b)
  reduceWide(r)
}

/** 1 where a is more than (n - 1) / 2, otherwise 0. */
export function isHigh(a: usize): u32 {
  let borrow: u64 = 0
  for (let i: usize = 0; i < 32; i += 4) {
    borrow = ((load<u32>(HALF + i) as u64) - (load<u32>(a + i) as u64) - borrow) >> 63
  }
  return borrow as u32
}

export function copy(r: usize, a: usize): void {
  for (let i: usize = 0; i < 32; i += 8) store<u64>(r + i, load<u64>(a + i))
}

/** lambda, a cube root of 1: lambda * (x, y) = (beta * x, y) for every point. */
const LAMBDA: usize = memory.data<u32>([
  0x1b23bd72, 0xdf02967c, 0x20816678, 0x122e22ea, 0x8812645a, 0xa5261c02, 0xc05c30e0, 0x5363ad4c
])
/** The lattice of the pairs (a, b) with a + b * lambda = 0 has a basis whose b are b1, b2 (GECC, algorithm 3.74). */
const MINUS_B1: usize = memory.data<u32>([0x0abfe4c3, 0x6f547fa9, 0x010e8828, 0xe4437ed6, 0, 0, 0, 0])
const MINUS_B2: usize = memory.data<u32>([
  0x3db1562c, 0xd765cda8, 0x0774346d, 0x8a280ac5, 0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff
])
/** round(2^384 * b2 / n) and round(2^384 * -b1 / n) */
const G1: usize = memory.data<u32>([
  0x45dbb031, 0xe893209a, 0x71e8ca7f, 0x3daa8a14, 0x9284eb15, 0xe86c90e4, 0xa7d46bcd, 0x3086d221
])
const G2: usize = memory.data<u32>([
  0x8ac47f71, 0x1571b4ae, 0x9df506c6, 0x221208ac, 0x0abfe4c4, 0x6f547fa9, 0x010e8828, 0xe4437ed6
])

/**
 * Finds a and b below 2^128 with k = +-a +- b * lambda, and writes their sizes. Gives the signs: bit 0 is set where a,
 * bit 1 where b, is to be negated.
 */
export function split(a: usize, b: usize, k: usize): u32 {
  copy(whole, k)
  multiplyWide(whole, G1)
  roundWide(c1)
  multiplyWide(whole, G2)
  roundWide(c2)
  mul(c1, c1, MINUS_B1)
  mul(c2, c2, MINUS_B2)
  add(b, c1, c2)
  mul(a, b, LAMBDA)
  negateWhere(a, ~(0 as u64))
  addWhere(a, whole, ~(0 as u64))
  const aSign: u32 = isHigh(a)
  const bSign: u32 = isHigh(b)
  negateWhere(a, 0 - (aSign as u64))
  negateWhere(b, 0 - (bSign as u64))
  return aSign | (bSign << 1)
}

/** Forgets the last scalars. */
export function clear(): void {
  memory.fill(wide, 0, 320)
}

/** Takes n away from r + 2^256 * high where that is n or more. Gives 1 where it was below n, otherwise 0. */
function reduceOnce(r: usize, high: u64): u32 {
  let borrow: u64 = 0
  for (let i: usize = 0; i < 32; i += 4) {
    const t: u64 = (load<u32>(r + i) as u64) - (load<u32>(N + i) as u64) - borrow
    borrow = t >> 63
    store<u32>(reduced + i, t as u32)
  }
  const below: u64 = borrow & (high ^ 1)
  const mask: u64 = below - 1
  for (let i: usize = 0; i < 32; i += 8) {
    const old: u64 = load<u64>(r + i)
    store<u64>(r + i, old ^ ((old ^ load<u64>(reduced + i)) & mask))
  }
  return below as u32
}

/** wide = a * b, 16 words */
function multiplyWide(a: usize, b: usize): void {
  memory.fill(wide, 0, 96)
  for (let i: usize = 0; i < 32; i += 4) {
    const word: u64 = load<u32>(a + i)
    let t: u64 = 0
    for (let j: usize = 0; j < 32; j += 4) {
      t += word * (load<u32>(b + j) as u64) + (load<u32>(wide + i + j) as u64)
      store<u32>(wide + i + j, t as u32)
      t >>= 32
    }
    store<u32>(wide + i + 32, t as u32)
  }
}

/** r = wide modulo n: the words from 2^256 up, times 2^256 - n, are added to the others until few bits are above. */
function reduceWide(r: usize): void {
  // 512 bits become 386, those 260, those 257 at the very most, of which the highest is then folded or 0.
  for (let round = 0; round < 4; round++) {
    memory.copy(high, wide + 32, 32)
    memory.fill(wide + 32, 0, 64)
    for (let i: usize = 0; i < 32; i += 4) {
      const word: u64 = load<u32>(high + i)
      let t: u64 = 0
      for (let j: usize = 0; j < FOLD_SIZE; j += 4) {
        t += word * (load<u32>(FOLD + j) as u64) + (load<u32>(wide + i + j) as u64)
        store<u32>(wide + i + j, t as u32)
        t >>= 32
      }
      for (let j: usize = i + 20; j < 60; j += 4) {
        t += load<u32>(wide + j) as u64
        store<u32>(wide + j, t as u32)
        t >>= 32
      }
    }
  }
  copy(r, wide)
  reduceOnce(r, 0)
}

/** r = wide / 2^384, rounded; it is at most 2^128. */
function roundWide(r: usize): void {
  let t: u64 = (load<u32>(wide, 44) >> 31) as u64
  for (let i: usize = 0; i < 16; i += 4) {
    t += load<u32>(wide + 48 + i) as u64
    store<u32>(r + i, t as u32)
    t >>= 32
  }
  store<u32>(r, t as u32, 16)
  store<u32>(r, 0, 20)
  store<u64>(r, 0, 24)
}

const wide: usize = memory.data(320, 8)
const high: usize = wide + 96
const reduced: usize = wide + 128
const whole: usize = wide + 160
const c1: usize = wide + 192
const c2: usize = wide + 224
const sum: usize = wide + 256
