/**
 * The merkle tree of a block's transactions (each level pairs its hashes, an odd one is paired with itself), and the
 * path beside the coinbase, from which a miner gets the root without the other transactions (specification, section 7.2:
 * `merkle_path`, deepest first). Hashes are 32 bytes in internal order.
 */
import { Merkle } from "@sluice/core"
import { isDisplayHash } from "../hashing/hash.ts"
import { FIRST_FREE, hashPairs, lanesMemory, readDisplayHashes } from "../hashing/sha256-lanes.ts"

/** The root over all hashes, the coinbase's first. Throws a `RangeError` if there are none. */
export const merkleRoot = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  const first = hashes[0]
  if (first === undefined) throw new RangeError("a merkle tree has at least one hash")
  return merkleRootFromPath(first, coinbaseMerklePath(hashes.slice(1)))
}

/** The hashes to fold into the coinbase's txid, deepest first. `txids` are those of all other transactions, in order. */
export const coinbaseMerklePath = (txids: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => {
  const memory = lanesMemory(textOf(txids.length))
  txids.forEach((txid, index) => memory.set(txid, HASHES + index * 32))
  return pathOf(memory, txids.length)
}

/** The same from hashes that `write` puts into the memory from `at` on, one after the other. Saves objects for thousands of them. */
export const coinbaseMerklePathOf = (
  count: number,
  write: (memory: Uint8Array, at: number) => void
): ReadonlyArray<Uint8Array> => {
  const memory = lanesMemory(textOf(count))
  write(memory, HASHES)
  return pathOf(memory, count)
}

/** The same from txids in display order, fast for thousands of them. Throws a `TypeError` for a text that is no hash. */
export const coinbaseMerklePathFromDisplay = (txids: ReadonlyArray<string>): ReadonlyArray<Uint8Array> => {
  const text = textOf(txids.length)
  const memory = lanesMemory(text + txids.length * DIGITS)
  const digits = txids.join("")
  // Characters outside ASCII take more bytes as UTF-8; written as Latin-1 they could look like digits.
  const isRight =
    Buffer.byteLength(digits, "utf8") === memory.write(digits, text, "latin1") &&
    txids.every(({ length }) => length === DIGITS) &&
    readDisplayHashes(text, HASHES, txids.length)
  if (isRight) return pathOf(memory, txids.length)
  const wrong = txids.find((txid) => !isDisplayHash(txid))!
  throw new TypeError(`a txid has 64 hex digits; got ${wrong.length} characters: ${wrong.slice(0, 80)}`)
}

/** The same from the digits of all txids, as one text in ASCII. */
export const coinbaseMerklePathFromDigits = (digits: Uint8Array): ReadonlyArray<Uint8Array> => {
  const leaves = digits.length / DIGITS
  const text = textOf(leaves)
  const memory = lanesMemory(text + digits.length)
  memory.set(digits, text)
  if (readDisplayHashes(text, HASHES, leaves)) return pathOf(memory, leaves)
  throw new TypeError(`${leaves} txids have ${digits.length} hex digits; there are other characters among them`)
}

/**
 * The memory holds one level of the tree without the coinbase's own branch, its hash i at HASHES + (i - 1) * 32. The next level
 * overwrites it.
 */
const pathOf = (memory: Buffer, leaves: number): ReadonlyArray<Uint8Array> => {
  const path: Array<Uint8Array> = []
  let count = leaves
  while (count > 0) {
    path.push(Uint8Array.from(memory.subarray(HASHES, HASHES + 32)))
    if (count % 2 === 0) {
      const end = HASHES + count * 32
      memory.copyWithin(end, end - 32, end)
      count += 1
    }
    count = (count - 1) / 2
    hashPairs(HASHES + 32, HASHES, count)
  }
  return path
}

/** The offset of the level, and the offset of text after a level of so many leaves, padded to groups of four pairs. */
const HASHES = FIRST_FREE
const textOf = (leaves: number): number => HASHES + (leaves + 1) * 32 + 4 * 64
/** The number of digits of a hash in hex. */
const DIGITS = 64

/** The root of the block with this coinbase: folds the path into its txid. */
export const merkleRootFromPath = (coinbaseTxid: Uint8Array, path: ReadonlyArray<Uint8Array>): Uint8Array => {
  const root = Uint8Array.from(coinbaseTxid)
  const nodes = new Uint8Array(path.length * 32)
  path.forEach((node, index) => nodes.set(node, index * 32))
  Merkle.merkleFold(root, 0, nodes, 0, path.length)
  return root
}
