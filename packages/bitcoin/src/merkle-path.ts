/**
 * The merkle tree of a block's transactions (each level pairs its hashes, an odd one is paired with itself), and the
 * path beside the coinbase, from which a miner gets the root without the other transactions (specification, section 7.2:
 * `merkle_path`, deepest first). Hashes are 32 bytes in internal order.
 */
import { merkleFold, sha256d } from "@sluice/core"
import { writeHashFromDisplay } from "./hash.ts"

/** The root over all hashes, the coinbase's first. Throws a `RangeError` without any. */
export const merkleRoot = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  const first = hashes[0]
  if (first === undefined) throw new RangeError("a merkle tree has at least one hash")
  return merkleRootFromPath(first, coinbaseMerklePath(hashes.slice(1)))
}

/** The hashes to fold into the coinbase's txid, deepest first. `txids` are those of all other transactions, in order. */
export const coinbaseMerklePath = (txids: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => {
  const level = new Uint8Array((txids.length + 1) * 32)
  txids.forEach((txid, index) => level.set(txid, index * 32))
  return pathOf(level, txids.length)
}

/** The same from txids in display order, for thousands of them. Throws a `TypeError` for one that is no hash. */
export const coinbaseMerklePathFromDisplay = (txids: ReadonlyArray<string>): ReadonlyArray<Uint8Array> => {
  const level = new Uint8Array((txids.length + 1) * 32)
  let at = 0
  for (const txid of txids) {
    if (!writeHashFromDisplay(txid, level, at)) {
      throw new TypeError(`a txid has 64 hex digits; got ${txid.length} characters: ${txid.slice(0, 80)}`)
    }
    at += 32
  }
  return pathOf(level, txids.length)
}

/**
 * `level` holds one level of the tree without the coinbase's own branch, hash i of it at (i - 1) * 32, and room for one
 * more; it is overwritten.
 */
const pathOf = (level: Uint8Array, leaves: number): ReadonlyArray<Uint8Array> => {
  const path: Array<Uint8Array> = []
  let count = leaves
  while (count > 0) {
    path.push(level.slice(0, 32))
    if (count % 2 === 0) {
      level.copyWithin(count * 32, (count - 1) * 32, count * 32)
      count += 1
    }
    const parents = (count - 1) / 2
    for (let parent = 0; parent < parents; parent++) sha256d(level, parent * 64 + 32, 64, level, parent * 32)
    count = parents
  }
  return path
}

/** The root of the block that has this coinbase, from its txid and the path beside it. */
export const merkleRootFromPath = (coinbaseTxid: Uint8Array, path: ReadonlyArray<Uint8Array>): Uint8Array => {
  const root = Uint8Array.from(coinbaseTxid)
  const nodes = new Uint8Array(path.length * 32)
  path.forEach((node, index) => nodes.set(node, index * 32))
  merkleFold(root, 0, nodes, 0, path.length)
  return root
}
