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

/** The message schedule of the block in work, FIPS 180-4, 6.2.2 step 1. */
const w = new Int32Array(64)

/** The first hash value, FIPS 180-4, 5.3.3. */
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

/** Hashes one 64-byte block into `state`, FIPS 180-4, 6.2.2. */
export function sha256Block(state: Int32Array, data: Uint8Array, at: i32): void {
  for (let t: i32 = 0; t < 16; t++) w[t] = readU32BigEndian(data, at + (t << 2))
  for (let t: i32 = 16; t < 64; t++) {
    const x: i32 = w[t - 15]
    const y: i32 = w[t - 2]
    const s0: i32 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
    const s1: i32 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
    w[t] = (s1 + w[t - 7] + s0 + w[t - 16]) | 0
  }
  let a: i32 = state[0]
  let b: i32 = state[1]
  let c: i32 = state[2]
  let d: i32 = state[3]
  let e: i32 = state[4]
  let f: i32 = state[5]
  let g: i32 = state[6]
  let h: i32 = state[7]
  for (let t: i32 = 0; t < 64; t++) {
    const s1: i32 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1: i32 = (h + s1 + (g ^ (e & (f ^ g))) + K[t] + w[t]) | 0
    const s0: i32 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2: i32 = (s0 + ((a & b) | (c & (a | b)))) | 0
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

/** SHA-256 of a message in pieces. Messages shorter than 256 MB: the length in bits is kept in 32 bits. */
export class Sha256 {
  private readonly state: Int32Array = new Int32Array(8)
  private readonly block: Uint8Array = new Uint8Array(64)
  private filled: i32 = 0
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
    w.fill(0)
    this.reset()
  }

  update(data: Uint8Array, at: i32, length: i32): void {
    const block = this.block
    const end: i32 = (at + length) | 0
    let i: i32 = at
    let filled: i32 = this.filled
    if (filled > 0) {
      while (filled < 64 && i < end) {
        block[filled] = data[i]
        filled++
        i++
      }
      if (filled < 64) {
        this.filled = filled
        return
      }
      sha256Block(this.state, block, 0)
      this.hashed = (this.hashed + 64) | 0
    }
    while (((i + 64) | 0) <= end) {
      sha256Block(this.state, data, i)
      this.hashed = (this.hashed + 64) | 0
      i = (i + 64) | 0
    }
    filled = 0
    while (i < end) {
      block[filled] = data[i]
      filled++
      i++
    }
    this.filled = filled
  }

  /** Writes the 32-byte hash and starts over. */
  digest(out: Uint8Array, outAt: i32): void {
    const block = this.block
    const state = this.state
    const filled: i32 = this.filled
    const bytes: i32 = (this.hashed + filled) | 0
    block[filled] = 0x80
    block.fill(0, filled + 1, 64)
    if (filled >= 56) {
      sha256Block(state, block, 0)
      block.fill(0, 0, 56)
    }
    writeU32BigEndian(block, 56, bytes >>> 29)
    writeU32BigEndian(block, 60, bytes << 3)
    sha256Block(state, block, 0)
    for (let i: i32 = 0; i < 8; i++) writeU32BigEndian(out, outAt + (i << 2), state[i])
    this.reset()
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
}

const hasher = new Sha256()

/** Writes SHA-256 of `data[at, at + length)` to `out[outAt, outAt + 32)`, which may lie in the data. */
export function sha256(data: Uint8Array, at: i32, length: i32, out: Uint8Array, outAt: i32): void {
  hasher.update(data, at, length)
  hasher.digest(out, outAt)
}

/** Writes SHA-256 of SHA-256 of the data, in internal byte order (people read it the other way round). */
export function sha256d(data: Uint8Array, at: i32, length: i32, out: Uint8Array, outAt: i32): void {
  hasher.update(data, at, length)
  hasher.digest(out, outAt)
  hasher.update(out, outAt, 32)
  hasher.digest(out, outAt)
}
