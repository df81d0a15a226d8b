/**
 * SHA-256's compression function (FIPS 180-4, 6.2), which takes the place of packages/core/src/sha256-block.ts in device
 * builds: in C, each access to an array is compared with its length and then with the memory's size, which took longer
 * than the hashing. Here the working variables and the last 16 words of the message schedule are locals. Sixteen rounds
 * are written out and run four times: all 64 would take four times the room.
 */
import { SHA256_ROUND_CONSTANTS } from "./sha256-constants"

/** The address of the round constants, FIPS 180-4, 4.2.2. */
const K: usize = SHA256_ROUND_CONSTANTS.dataStart

/** The initial hash value, FIPS 180-4, 5.3.3. */
export function sha256Start(state: Int32Array): void {
  const s = state.dataStart
  store<u32>(s, 0x6a09e667)
  store<u32>(s, 0xbb67ae85, 4)
  store<u32>(s, 0x3c6ef372, 8)
  store<u32>(s, 0xa54ff53a, 12)
  store<u32>(s, 0x510e527f, 16)
  store<u32>(s, 0x9b05688c, 20)
  store<u32>(s, 0x1f83d9ab, 24)
  store<u32>(s, 0x5be0cd19, 28)
}

/** Hashes the block in the first 16 words of `w` into `state`, 8 words (FIPS 180-4, 6.2.2). */
export function sha256Block(state: Int32Array, w: Int32Array): void {
  sha256Rounds(state, state, w, 0, 64)
}

/** Nothing: the rounds here go on from the block itself. */
export function sha256Schedule(_w: Int32Array, _from: i32): void {}

/** The new word of the schedule for the oldest one, given those that come 1, 9 and 14 words behind it. */
function next(w: u32, after1: u32, after9: u32, after14: u32): u32 {
  const s0 = rotr(after1, 7) ^ rotr(after1, 18) ^ (after1 >> 3)
  const s1 = rotr(after14, 17) ^ rotr(after14, 19) ^ (after14 >> 10)
  return w + s0 + after9 + s1
}

/** The part of T1 that comes from e, f and g (6.2.2, step 3). */
function inner(e: u32, f: u32, g: u32): u32 {
  return (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g)))
}

/** T2. */
function outer(a: u32, b: u32, c: u32): u32 {
  return (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)))
}

/**
 * The rounds `from` (0 or 3) to `to` - 1 (`to` is 3 or 64), which find the working variables in `work`, and the addition to
 * `state`. A round renames instead of moving: what is a before round t is the variable number -t modulo 8.
 */
export function sha256Rounds(state: Int32Array, work: Int32Array, w: Int32Array, from: i32, to: i32): void {
  const v = work.dataStart
  let a = load<u32>(v + ((from & 7) << 2))
  let b = load<u32>(v + (((from + 1) & 7) << 2))
  let c = load<u32>(v + (((from + 2) & 7) << 2))
  let d = load<u32>(v + (((from + 3) & 7) << 2))
  let e = load<u32>(v + (((from + 4) & 7) << 2))
  let f = load<u32>(v + (((from + 5) & 7) << 2))
  let g = load<u32>(v + (((from + 6) & 7) << 2))
  let h = load<u32>(v + (((from + 7) & 7) << 2))
  const m = w.dataStart
  let w0 = load<u32>(m)
  let w1 = load<u32>(m, 4)
  let w2 = load<u32>(m, 8)
  let w3 = load<u32>(m, 12)
  let w4 = load<u32>(m, 16)
  let w5 = load<u32>(m, 20)
  let w6 = load<u32>(m, 24)
  let w7 = load<u32>(m, 28)
  let w8 = load<u32>(m, 32)
  let w9 = load<u32>(m, 36)
  let w10 = load<u32>(m, 40)
  let w11 = load<u32>(m, 44)
  let w12 = load<u32>(m, 48)
  let w13 = load<u32>(m, 52)
  let w14 = load<u32>(m, 56)
  let w15 = load<u32>(m, 60)
  let k = K
  while (true) {
    if (from == 0 || k != K) {
      h += inner(e, f, g) + load<u32>(k) + w0
      d += h
      h += outer(a, b, c)
      g += inner(d, e, f) + load<u32>(k, 4) + w1
      c += g
      g += outer(h, a, b)
      f += inner(c, d, e) + load<u32>(k, 8) + w2
      b += f
      f += outer(g, h, a)
      if (to == 3) break
    }
    e += inner(b, c, d) + load<u32>(k, 12) + w3
    a += e
    e += outer(f, g, h)
    d += inner(a, b, c) + load<u32>(k, 16) + w4
    h += d
    d += outer(e, f, g)
    c += inner(h, a, b) + load<u32>(k, 20) + w5
    g += c
    c += outer(d, e, f)
    b += inner(g, h, a) + load<u32>(k, 24) + w6
    f += b
    b += outer(c, d, e)
    a += inner(f, g, h) + load<u32>(k, 28) + w7
    e += a
    a += outer(b, c, d)
    h += inner(e, f, g) + load<u32>(k, 32) + w8
    d += h
    h += outer(a, b, c)
    g += inner(d, e, f) + load<u32>(k, 36) + w9
    c += g
    g += outer(h, a, b)
    f += inner(c, d, e) + load<u32>(k, 40) + w10
    b += f
    f += outer(g, h, a)
    e += inner(b, c, d) + load<u32>(k, 44) + w11
    a += e
    e += outer(f, g, h)
    d += inner(a, b, c) + load<u32>(k, 48) + w12
    h += d
    d += outer(e, f, g)
    c += inner(h, a, b) + load<u32>(k, 52) + w13
    g += c
    c += outer(d, e, f)
    b += inner(g, h, a) + load<u32>(k, 56) + w14
    f += b
    b += outer(c, d, e)
    a += inner(f, g, h) + load<u32>(k, 60) + w15
    e += a
    a += outer(b, c, d)
    k += 64
    if (k == K + 256) break
    w0 = next(w0, w1, w9, w14)
    w1 = next(w1, w2, w10, w15)
    w2 = next(w2, w3, w11, w0)
    w3 = next(w3, w4, w12, w1)
    w4 = next(w4, w5, w13, w2)
    w5 = next(w5, w6, w14, w3)
    w6 = next(w6, w7, w15, w4)
    w7 = next(w7, w8, w0, w5)
    w8 = next(w8, w9, w1, w6)
    w9 = next(w9, w10, w2, w7)
    w10 = next(w10, w11, w3, w8)
    w11 = next(w11, w12, w4, w9)
    w12 = next(w12, w13, w5, w10)
    w13 = next(w13, w14, w6, w11)
    w14 = next(w14, w15, w7, w12)
    w15 = next(w15, w0, w8, w13)
  }
  const s = state.dataStart
  add(s + ((to & 7) << 2), a)
  add(s + (((to + 1) & 7) << 2), b)
  add(s + (((to + 2) & 7) << 2), c)
  add(s + (((to + 3) & 7) << 2), d)
  add(s + (((to + 4) & 7) << 2), e)
  add(s + (((to + 5) & 7) << 2), f)
  add(s + (((to + 6) & 7) << 2), g)
  add(s + (((to + 7) & 7) << 2), h)
}

function add(at: usize, value: u32): void {
  store<u32>(at, load<u32>(at) + value)
}

/** Puts the hash in `state` into the block `w`, padded (5.1.1), and hashes it: the second SHA-256 of two. */
export function sha256Again(state: Int32Array, w: Int32Array): void {
  const m = w.dataStart
  memory.copy(m, state.dataStart, 32)
  store<u32>(m, 0x80000000, 32)
  memory.fill(m + 36, 0, 24)
  store<u32>(m, 256, 60)
  sha256Start(state)
  sha256Block(state, w)
}
