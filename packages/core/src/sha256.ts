/**
 * SHA-256 (FIPS 180-4), and twice SHA-256 as Bitcoin uses it.
 *
 * `Sha256` hashes a message given in pieces and can hand out its state between two blocks (a midstate), so that what a
 * message begins with need be hashed once only. No function here allocates.
 */
import { readU32BigEndian, writeU32BigEndian } from "./bytes.ts"

export const SHA256_SIZE: i32 = 32
export const SHA256_BLOCK_SIZE: i32 = 64

/** Round constants, FIPS 180-4, 4.2.2. */
const ROUND_CONSTANTS: i32[] = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
]
const K = new Int32Array(64)
K.set(ROUND_CONSTANTS)

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

/** SHA-256 of a message in pieces. Messages shorter than 256 MB: the length in bits is kept in 32 bits. */
export class Sha256 {
  private readonly state: Int32Array = new Int32Array(8)
  private readonly w: Int32Array = new Int32Array(64)
  /** The bytes of a block that is not yet whole. */
  private readonly block: Uint8Array = new Uint8Array(64)
  private filled: i32 = 0
  /** Bytes in whole blocks so far. */
  private hashed: i32 = 0

  constructor() {
    sha256Start(this.state)
  }

  reset(): void {
    sha256Start(this.state)
    this.filled = 0
    this.hashed = 0
  }

  /** Starts over and leaves no trace of what was hashed. */
  clear(): void {
    this.block.fill(0)
    this.w.fill(0)
    this.reset()
  }

  update(data: Uint8Array, at: i32, length: i32): void {
    const block = this.block
    const end: i32 = (at + length) | 0
    let p: i32 = at
    let filled: i32 = this.filled
    if (filled > 0) {
      while (filled < 64 && p < end) {
        block[filled] = data[p]
        filled++
        p++
      }
      if (filled < 64) {
        this.filled = filled
        return
      }
      this.hashBlocks(block, 0, 64)
    }
    p = this.hashBlocks(data, p, end)
    filled = 0
    while (p < end) {
      block[filled] = data[p]
      filled++
      p++
    }
    this.filled = filled
  }

  /** Writes the 32-byte hash and starts over. */
  digest(out: Uint8Array, outAt: i32): void {
    this.hashLast(this.block, 0, this.filled)
    this.write(out, outAt)
  }

  /** Writes the 32-byte SHA-256 of the hash, and starts over. */
  digestTwice(out: Uint8Array, outAt: i32): void {
    this.hashLast(this.block, 0, this.filled)
    sha256Again(this.state, this.w)
    this.write(out, outAt)
  }

  /** `update` and `digest` in one, without a copy of the last bytes. Nothing else may have been added before. */
  hash(data: Uint8Array, at: i32, length: i32, out: Uint8Array, outAt: i32): void {
    const p: i32 = this.hashBlocks(data, at, at + length)
    this.hashLast(data, p, at + length - p)
    this.write(out, outAt)
  }

  /** `update` and `digestTwice` in one. */
  hashTwice(data: Uint8Array, at: i32, length: i32, out: Uint8Array, outAt: i32): void {
    const p: i32 = this.hashBlocks(data, at, at + length)
    this.hashLast(data, p, at + length - p)
    sha256Again(this.state, this.w)
    this.write(out, outAt)
  }

  /** Copies the 8 words after the whole blocks hashed so far; bytes of a started block are not in it. */
  saveMidstate(state: Int32Array): void {
    for (let i: i32 = 0; i < 8; i++) state[i] = this.state[i]
  }

  /** Goes on from a midstate after `bytesHashed` bytes, a multiple of 64. */
  loadMidstate(state: Int32Array, bytesHashed: i32): void {
    for (let i: i32 = 0; i < 8; i++) this.state[i] = state[i]
    this.filled = 0
    this.hashed = bytesHashed
  }

  /** Hashes the whole blocks before `end`; gives the place behind them. */
  private hashBlocks(data: Uint8Array, at: i32, end: i32): i32 {
    const w = this.w
    let p: i32 = at
    while (((p + 64) | 0) <= end) {
      for (let t: i32 = 0; t < 16; t++) {
        w[t] = readU32BigEndian(data, p)
        p = (p + 4) | 0
      }
      sha256Block(this.state, w)
      this.hashed = (this.hashed + 64) | 0
    }
    return p
  }

  /** Hashes the last bytes, fewer than 64: a 1 bit, zeros, and the length in bits behind them (5.1.1). */
  private hashLast(data: Uint8Array, at: i32, length: i32): void {
    const w = this.w
    const bytes: i32 = (this.hashed + length) | 0
    let p: i32 = at
    let t: i32 = 0
    for (; t < length >> 2; t++) {
      w[t] = readU32BigEndian(data, p)
      p = (p + 4) | 0
    }
    let word: i32 = 0
    const odd: i32 = length & 3
    for (let i: i32 = 0; i < odd; i++) {
      const byte: i32 = data[p + i]
      word = (word << 8) | byte
    }
    w[t] = ((word << 8) | 0x80) << ((3 - odd) << 3)
    t++
    if (t > 14) {
      while (t < 16) {
        w[t] = 0
        t++
      }
      sha256Block(this.state, w)
      t = 0
    }
    while (t < 14) {
      w[t] = 0
      t++
    }
    w[14] = bytes >>> 29
    w[15] = bytes << 3
    sha256Block(this.state, w)
  }

  private write(out: Uint8Array, outAt: i32): void {
    for (let i: i32 = 0; i < 8; i++) writeU32BigEndian(out, outAt + (i << 2), this.state[i])
    this.reset()
  }
}

const hasher = new Sha256()

/** Writes SHA-256 of `data[at, at + length)` to `out[outAt, outAt + 32)`, which may lie in the data. */
export function sha256(data: Uint8Array, at: i32, length: i32, out: Uint8Array, outAt: i32): void {
  hasher.hash(data, at, length, out, outAt)
}

/** Writes SHA-256 of SHA-256 of the data, in internal byte order (people read it the other way round). */
export function sha256d(data: Uint8Array, at: i32, length: i32, out: Uint8Array, outAt: i32): void {
  hasher.hashTwice(data, at, length, out, outAt)
}
