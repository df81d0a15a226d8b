/**
 * Computes the hash of a submitted share: coinbase, merkle root, header (5.3.11, 5.3.12, 5.3.15).
 *
 * One `ShareCheck` serves any number of channels. Its results are in its own arrays and valid until the next call.
 */
import { HEADER_SIZE, writeHeader } from "./header.ts"
import { merkleFold } from "./merkle.ts"
import { sha256d, Sha256 } from "./sha256.ts"
import { compareU256 } from "./target.ts"

export class ShareCheck {
  /** The merkle root of the last `merkleRoot` call: 32 bytes, internal byte order. */
  readonly root: Uint8Array = new Uint8Array(32)
  /** The header of the last `hash` call: 80 bytes, as it stands in the block. */
  readonly header: Uint8Array = new Uint8Array(HEADER_SIZE)
  /** The header's hash of the last `hash` call: 32 bytes, internal byte order. */
  readonly digest: Uint8Array = new Uint8Array(32)
  private readonly sha: Sha256 = new Sha256()

  /**
   * Hashes the coinbase (its prefix and suffix without the witness, as in NewExtendedMiningJob) and folds the merkle
   * path, `count` nodes of 32 bytes one after the other, into `root`.
   */
  merkleRoot(
    coinbasePrefix: Uint8Array,
    extranoncePrefix: Uint8Array,
    extranonce: Uint8Array,
    coinbaseSuffix: Uint8Array,
    path: Uint8Array,
    count: i32
  ): void {
    const sha = this.sha
    const root = this.root
    sha.reset()
    sha.update(coinbasePrefix, 0, coinbasePrefix.length)
    sha.update(extranoncePrefix, 0, extranoncePrefix.length)
    sha.update(extranonce, 0, extranonce.length)
    sha.update(coinbaseSuffix, 0, coinbaseSuffix.length)
    sha.digestTwice(root, 0)
    merkleFold(root, 0, path, 0, count)
  }

  /** Assembles the header and hashes it into `header` and `digest`. `root` may be this object's own. */
  hash(version: i32, prevHash: Uint8Array, root: Uint8Array, ntime: i32, nBits: i32, nonce: i32): void {
    writeHeader(this.header, 0, version, prevHash, 0, root, 0, ntime, nBits, nonce)
    sha256d(this.header, 0, HEADER_SIZE, this.digest, 0)
  }

  /** Whether the last hash meets the target. */
  meets(target: Uint8Array, at: i32): bool {
    return compareU256(this.digest, 0, target, at) <= 0
  }
}
