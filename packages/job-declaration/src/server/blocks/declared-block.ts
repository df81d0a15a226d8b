/** A block that was declared and accepted, which a solution completes (specification, section 6.4.9). */
import {
  addWitness,
  compactSize,
  doubleSha256,
  hashToDisplay,
  isWitnessCommitment,
  merkleRootFromPath
} from "@sluice/bitcoin"
import { Header, Target } from "@sluice/core"
import type { TransactionStore } from "../mempool/transaction-store.ts"
import type { BlockContent, ChainTip } from "./block-check.ts"

export interface DeclaredBlock extends BlockContent {
  readonly tip: ChainTip
  /** Of the header, as it was declared. */
  readonly version: number
  readonly merklePath: ReadonlyArray<Uint8Array>
}

/** The fields of a solution. The version may differ in the bits that miners roll (BIP323). */
export interface BlockSolution {
  readonly version: number
  /** The full extranonce. */
  readonly extranonce: Uint8Array
  readonly ntime: number
  readonly nonce: number
}

/** A solved block, before its bytes are put together. */
export interface SolvedBlock {
  /** Display order. */
  readonly hash: string
  readonly height: number
  readonly header: Uint8Array
  readonly coinbase: Uint8Array
  readonly block: DeclaredBlock
}

/** The block of this solution; undefined if the extranonce has another size or the hash does not meet the target. */
export const solve = (block: DeclaredBlock, solution: BlockSolution): SolvedBlock | undefined => {
  const { coinbase, tip } = block
  if (solution.extranonce.length !== coinbase.extranonceSize) return undefined
  const { header, stripped } = headerOf(block, solution)
  const hash = doubleSha256(header)
  if (Target.compareU256(hash, 0, tip.target, 0) > 0) return undefined
  return { hash: hashToDisplay(hash), height: tip.height, header, coinbase: wholeCoinbase(block, stripped), block }
}

/** The block with zeros for the extranonce and the nonce, for the node to judge. */
export const proposal = (block: DeclaredBlock, store: TransactionStore): Uint8Array => {
  const extranonce = new Uint8Array(block.coinbase.extranonceSize)
  const { minTime, time } = block.tip
  const { header, stripped } = headerOf(block, {
    version: block.version,
    extranonce,
    ntime: Math.max(minTime, time),
    nonce: 0
  })
  return assemble(header, wholeCoinbase(block, stripped), block, store)
}

/** The bytes of a block. */
export const assemble = (
  header: Uint8Array,
  coinbase: Uint8Array,
  { slots }: BlockContent,
  store: TransactionStore
): Uint8Array => {
  const count = compactSize(slots.length + 1)
  let size = header.length + count.length + coinbase.length
  for (const slot of slots) size += store.lengthOf(slot)
  const bytes = new Uint8Array(size)
  bytes.set(header)
  bytes.set(count, header.length)
  let at = header.length + count.length
  bytes.set(coinbase, at)
  at += coinbase.length
  for (const slot of slots) {
    const transaction = store.bytesOf(slot)
    bytes.set(transaction, at)
    at += transaction.length
  }
  return bytes
}

const headerOf = ({ coinbase, merklePath, tip }: DeclaredBlock, solution: BlockSolution) => {
  const { extranonce, nonce, ntime, version } = solution
  const { prefix, suffix } = coinbase.stripped
  const stripped = new Uint8Array(Buffer.concat([prefix, extranonce, suffix]))
  const root = merkleRootFromPath(doubleSha256(stripped), merklePath)
  const header = new Uint8Array(Header.HEADER_SIZE)
  Header.writeHeader(header, 0, version, tip.prevHash, 0, root, 0, ntime, tip.bits, nonce)
  return { header, stripped }
}

/** With the reserved value that was declared, which is zeros nearly always. */
const wholeCoinbase = ({ coinbase }: DeclaredBlock, stripped: Uint8Array): Uint8Array => {
  const { outputs, witnesses } = coinbase.transaction
  const reserved = witnesses[0]?.[0]
  if (reserved === undefined && !outputs.some(({ script }) => isWitnessCommitment(script))) return stripped
  const whole = addWitness(stripped)
  if (reserved !== undefined) whole.set(reserved, whole.length - 4 - 32)
  return whole
}
