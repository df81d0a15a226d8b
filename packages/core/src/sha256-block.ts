/**
 * The compression function of SHA-256 (FIPS 180-4, 6.2) on words, in parts, so that code that hashes many similar blocks can
 * compute the unchanged parts once.
 */
import { SHA256_ROUND_CONSTANTS } from "./sha256-constants.ts"

const K = new Int32Array(64)
K.set(SHA256_ROUND_CONSTANTS)

/** The initial hash value, FIPS 180-4, 5.3.3. */
export function sha256Start(state: Int32Array): void {
  state[0] = 0x6a09e667
  state[1] = 0xbb67ae85
  state[2] = 0x3c6ef372
  state[3] = 0xa54ff53a
  state[4] = 0x510e527f
  state[5] = 0x9b05688c
  state[6] = 0x1f83d9ab
  state[7] = 0x5be0cd19
}

/**
 * Hashes one block into `state`, 8 words (FIPS 180-4, 6.2.2). `w` is 64 words: the block in the first 16, the rest is
 * for the message schedule.
 */
export function sha256Block(state: Int32Array, w: Int32Array): void {
  sha256Schedule(w, 16)
  sha256Rounds(state, state, w, 0, 64)
}

/** 6.2.2, step 1: fills the message schedule from word `from` on. */
export function sha256Schedule(w: Int32Array, from: i32): void {
  for (let t: i32 = from; t < 64; t++) {
    const x: i32 = w[t - 15]
    const y: i32 = w[t - 2]
    const s0: i32 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
    const s1: i32 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
    w[t] = (s1 + w[t - 7] + s0 + w[t - 16]) | 0
  }
}

/**
 * 6.2.2, steps 2 to 4: the rounds `from` to `to` - 1, which find the working variables in `work`, and the addition to
 * `state`.
 */
export function sha256Rounds(state: Int32Array, work: Int32Array, w: Int32Array, from: i32, to: i32): void {
  let a: i32 = work[0]
  let b: i32 = work[1]
  let c: i32 = work[2]
  let d: i32 = work[3]
  let e: i32 = work[4]
  let f: i32 = work[5]
  let g: i32 = work[6]
  let h: i32 = work[7]
  for (let t: i32 = from; t < to; t++) {
    const s1: i32 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1: i32 = (h + s1 + (g ^ (e & (f ^ g))) + K[t] + w[t]) | 0
    const s0: i32 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2: i32 = (s0 + (a & b) + (c & (a ^ b))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0] = (state[0] + a) | 0
  state[1] = (state[1] + b) | 0
  state[2] = (state[2] + c) | 0
  state[3] = (state[3] + d) | 0
  state[4] = (state[4] + e) | 0
  state[5] = (state[5] + f) | 0
  state[6] = (state[6] + g) | 0
  state[7] = (state[7] + h) | 0
}

/** Puts the hash in `state` into the block `w`, padded (5.1.1), and hashes it: the second SHA-256 of two. */
export function sha256Again(state: Int32Array, w: Int32Array): void {
  for (let i: i32 = 0; i < 8; i++) w[i] = state[i]
  w[8] = 0x80000000
  for (let i: i32 = 9; i < 15; i++) w[i] = 0
  w[15] = 256
  sha256Start(state)
  sha256Block(state, w)
}
