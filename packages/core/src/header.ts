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
import { copyBytes, writeU32 } from "./bytes.ts"
import { sha256, Sha256 } from "./sha256.ts"
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

/** Hashes one header with many nonces: the first 64 bytes, which the nonce is not in, are hashed once. */
export class HeaderHasher {
  private readonly midstate: Int32Array = new Int32Array(8)
  private readonly tail: Uint8Array = new Uint8Array(16)
  private readonly sha: Sha256 = new Sha256()
  private readonly found: Uint8Array = new Uint8Array(32)

  /** Takes the header (80 bytes; its nonce does not matter). */
  load(header: Uint8Array, at: i32): void {
    this.sha.reset()
    this.sha.update(header, at, 64)
    this.sha.saveMidstate(this.midstate)
    this.sha.reset()
    copyBytes(header, at + 64, this.tail, 0, 16)
  }

  /** Writes the header's hash with this nonce: 32 bytes, internal byte order. */
  hash(nonce: i32, out: Uint8Array, outAt: i32): void {
    writeU32(this.tail, 12, nonce)
    this.sha.loadMidstate(this.midstate, 64)
    this.sha.update(this.tail, 0, 16)
    this.sha.digest(out, outAt)
    sha256(out, outAt, 32, out, outAt)
  }

  /**
   * Tries `count` nonces from `firstNonce` on, wrapping after 2^32 - 1. Gives how many nonces after the first the first
   * one lies whose hash meets the target, -1 where none does.
   */
  search(firstNonce: i32, count: i32, target: Uint8Array, targetAt: i32): i32 {
    for (let i: i32 = 0; i < count; i++) {
      this.hash((firstNonce + i) | 0, this.found, 0)
      if (compareU256(this.found, 0, target, targetAt) <= 0) return i
    }
    return -1
  }
}
