/**
 * Mines a whole block from a template in this process. For tests and for development chains with an easy target; a pool does it
 * with jobs and miners instead.
 */
import { Header } from "@sluice/core"
import {
  serializeBlock,
  serializeHeader,
  addWitness,
  coinbasePrefix,
  coinbaseTxid,
  splitCoinbase,
  hashFromDisplay,
  coinbaseMerklePath,
  merkleRootFromPath
} from "@sluice/bitcoin"
import { type BlockTemplate } from "@sluice/node"
import { Result } from "effect"

export interface SolveOptions {
  /** The scriptPubKey that the coinbase pays. Default OP_TRUE. */
  readonly payTo?: Uint8Array
  /** Eight bytes of the coinbase script, to make otherwise equal blocks differ. */
  readonly extranonce?: bigint
  /** The most hashes to try. Default 2^32, which is too many for a test. */
  readonly maxHashes?: number
}

/** The serialized block, or `undefined` if no tried nonce met the target. */
export const solveTemplate = (template: BlockTemplate, options: SolveOptions = {}): Uint8Array | undefined => {
  const commitment = template.default_witness_commitment
  const extranonce = new Uint8Array(8)
  new DataView(extranonce.buffer).setBigUint64(0, options.extranonce ?? 0n)
  const { prefix, suffix } = Result.getOrThrow(
    splitCoinbase({
      version: 2,
      prefix: coinbasePrefix(template.height),
      tags: new Uint8Array(0),
      extranonceSize: extranonce.length,
      sequence: 0xffffffff,
      outputs: [
        { value: BigInt(template.coinbasevalue), script: options.payTo ?? OP_TRUE },
        ...(commitment === undefined ? [] : [{ value: 0n, script: bytes(commitment) }])
      ],
      templateOutputs: new Uint8Array(0),
      templateOutputsCount: 0,
      lockTime: 0
    })
  )
  const stripped = new Uint8Array(Buffer.concat([prefix, extranonce, suffix]))
  const coinbase = commitment === undefined ? stripped : addWitness(stripped)
  const path = coinbaseMerklePath(template.transactions.map(({ txid }) => hashFromDisplay(txid)))
  const header = serializeHeader({
    version: template.version,
    previousHash: hashFromDisplay(template.previousblockhash),
    merkleRoot: merkleRootFromPath(Result.getOrThrow(coinbaseTxid(stripped)), path),
    time: template.curtime,
    bits: Number.parseInt(template.bits, 16),
    nonce: 0
  })
  const hasher = new Header.HeaderHasher()
  hasher.load(header, 0)
  const nonce = search(hasher, hashFromDisplay(template.target), options.maxHashes ?? 2 ** 32)
  if (nonce === undefined) return undefined
  new DataView(header.buffer).setUint32(76, nonce, true)
  return serializeBlock(header, [coinbase, ...template.transactions.map(({ data }) => bytes(data))])
}

/** In steps, because the hasher counts in signed 32-bit numbers. */
const search = (hasher: Header.HeaderHasher, target: Uint8Array, maxHashes: number): number | undefined => {
  for (let first = 0; first < maxHashes; first += STEP) {
    const found = hasher.search(first | 0, Math.min(STEP, maxHashes - first), target, 0)
    if (found >= 0) return first + found
  }
  return undefined
}

const STEP = 2 ** 20
const OP_TRUE = new Uint8Array([0x51])

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
