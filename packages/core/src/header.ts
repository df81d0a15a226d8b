/**
 * The 80-byte block header, and hashing it for many nonces.
 *
 * | at | size | field                                    |
 * | -- | ---- | ---------------------------------------- |
 * | 0  | 4    | version                                  |
 * | 4  | 32   | hash of the previous block               |
 * | 36 | 32   | merkle root                              |
 * | 68 | 4    | ntime                                    |
 * | 72 | 4    | nBits                                    |
 * | 76 | 4    | nonce                                    |
 */
import { copyBytes, readU32, readU32BigEndian, writeU32, writeU32BigEndian } from "./bytes.ts"
import { sha256Again, sha256Block, sha256Rounds, sha256Schedule, sha256Start } from "./sha256-block.ts"
import { compareU256 } from "./target.ts"

export const HEADER_SIZE: i32 = 80
const NONCE_AT: i32 = 76

export function writeHeader(
  out: Uint8Array,
  at: i32,
  version: i32,
  prevHash: Uint8Array,
  prevHashAt: i32,
  merkleRoot: Uint8Array,
  merkleRootAt: i32,
  ntime: i32,
  nBits: i32,
  nonce: i32
): void {
  writeU32(out, at, version)
  copyBytes(prevHash, prevHashAt, out, at + 4, 32)
  copyBytes(merkleRoot, merkleRootAt, out, at + 36, 32)
  writeU32(out, at + 68, ntime)
  writeU32(out, at + 72, nBits)
  writeU32(out, at + NONCE_AT, nonce)
}

/**
 * Hashes one header with many nonces. Computes the parts that do not depend on the nonce once: the first 64 bytes, and of the
 * last 16 bytes the first three rounds and two words of the message schedule, since the nonce is the fourth word.
 */
export class HeaderHasher {
  /** SHA-256's state after the first 64 bytes. */
  private readonly midstate: Int32Array = new Int32Array(8)
  /** The working variables after three rounds of the second block. */
  private readonly started: Int32Array = new Int32Array(8)
  /** The second block and its message schedule. */
  private readonly w: Int32Array = new Int32Array(64)
  /** The block of the second SHA-256 and its message schedule. */
  private readonly again: Int32Array = new Int32Array(64)
  private readonly state: Int32Array = new Int32Array(8)
  private readonly found: Uint8Array = new Uint8Array(32)

  /** Loads the header (80 bytes). Ignores its nonce. */
  load(header: Uint8Array, at: i32): void {
    const w = this.w
    for (let i: i32 = 0; i < 16; i++) w[i] = readU32BigEndian(header, at + (i << 2))
    sha256Start(this.midstate)
    sha256Block(this.midstate, w)
    for (let i: i32 = 0; i < 3; i++) w[i] = readU32BigEndian(header, at + 64 + (i << 2))
    w[3] = 0
    w[4] = 0x80000000
    for (let i: i32 = 5; i < 15; i++) w[i] = 0
    w[15] = HEADER_SIZE << 3
    sha256Schedule(w, 16)
    this.started.fill(0)
    sha256Rounds(this.started, this.midstate, w, 0, 3)
  }

  /** Copies SHA-256's state after the header's first 64 bytes, 8 words. */
  saveMidstate(state: Int32Array): void {
    for (let i: i32 = 0; i < 8; i++) state[i] = this.midstate[i]
  }

  /** Writes the header's hash with this nonce: 32 bytes, internal byte order. */
  hash(nonce: i32, out: Uint8Array, outAt: i32): void {
    this.run(nonce)
    for (let i: i32 = 0; i < 8; i++) writeU32BigEndian(out, outAt + (i << 2), this.state[i])
  }

  /**
   * Tries `count` nonces from `firstNonce` on, wrapping after 2^32 - 1. Returns the offset from `firstNonce` of the first nonce
   * whose hash meets the target, -1 if none does.
   */
  search(firstNonce: i32, count: i32, target: Uint8Array, targetAt: i32): i32 {
    // Flipping the top bit orders unsigned numbers as signed ones.
    const limit: i32 = readU32(target, targetAt + 28) ^ 0x80000000
    for (let i: i32 = 0; i < count; i++) {
      const nonce: i32 = (firstNonce + i) | 0
      this.run(nonce)
      const top: i32 = reverseBytes(this.state[7]) ^ 0x80000000
      if (top <= limit) {
        this.hash(nonce, this.found, 0)
        if (compareU256(this.found, 0, target, targetAt) <= 0) return i
      }
    }
    return -1
  }

  private run(nonce: i32): void {
    const state = this.state
    const w = this.w
    w[3] = reverseBytes(nonce)
    sha256Schedule(w, 18)
    for (let i: i32 = 0; i < 8; i++) state[i] = this.midstate[i]
    sha256Rounds(state, this.started, w, 3, 64)
    sha256Again(state, this.again)
  }
}

function reverseBytes(x: i32): i32 {
  return (x << 24) | ((x << 8) & 0xff0000) | ((x >>> 8) & 0xff00) | (x >>> 24)
}
