/**
 * Computes a block's merkle root from its coinbase. The coinbase is the leftmost leaf, so one hash for each level of the tree,
 * always on the right, gives the root (5.3.15, 7.2).
 */
import { copyBytes } from "./bytes.ts"
import { sha256d } from "./sha256.ts"

const pair = new Uint8Array(64)

/**
 * Folds `count` nodes of 32 bytes, one after the other in `path`, into `root`, which holds the coinbase's txid at first
 * and the merkle root afterwards. Hashes are in internal byte order.
 */
export function merkleFold(root: Uint8Array, rootAt: i32, path: Uint8Array, pathAt: i32, count: i32): void {
  for (let i: i32 = 0; i < count; i++) {
    copyBytes(root, rootAt, pair, 0, 32)
    copyBytes(path, pathAt + (i << 5), pair, 32, 32)
    sha256d(pair, 0, 64, root, rootAt)
  }
}
