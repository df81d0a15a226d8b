/**
 * SHA-256 (FIPS 180-4), and twice SHA-256 as Bitcoin uses it.
 *
 * `Sha256` hashes a message in pieces and can export its state between two blocks (a midstate), so that a common beginning of
 * messages is hashed only once. No function here allocates.
 */
import { readU32BigEndian, writeU32BigEndian } from "./bytes.ts"
import { sha256Again, sha256Block, sha256Start } from "./sha256-block.ts"

export const SHA256_SIZE: i32 = 32
export const SHA256_BLOCK_SIZE: i32 = 64

/** SHA-256 of a message in pieces. Messages shorter than 2 GB: the length in bytes is an i32. */
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

  /** Starts over and clears all data of the last message. */
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

  /** `update` and `digest` in one step, without copying the last bytes. Call it on an empty message only. */
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

  /** Copies the bytes of the started block, which are not in the midstate; gives how many, 0 to 63. */
  saveStarted(out: Uint8Array, outAt: i32): i32 {
    for (let i: i32 = 0; i < this.filled; i++) out[outAt + i] = this.block[i]
    return this.filled
  }

  /** Continues from a midstate after `bytesHashed` bytes, a multiple of 64. */
  loadMidstate(state: Int32Array, bytesHashed: i32): void {
    for (let i: i32 = 0; i < 8; i++) this.state[i] = state[i]
    this.filled = 0
    this.hashed = bytesHashed
  }

  /** Hashes the whole blocks before `end` and returns the offset behind them. */
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

/** Writes SHA-256 of SHA-256 of the data, in internal byte order (display order is reversed). */
export function sha256d(data: Uint8Array, at: i32, length: i32, out: Uint8Array, outAt: i32): void {
  hasher.hashTwice(data, at, length, out, outAt)
}
