/** Blocks and their headers as bytes. dev-node's `block-rules.ts` decides whether a block is valid. */
import { Header } from "@sluice/core"
import { compactSize } from "./coinbase.ts"
import { doubleSha256 } from "../hashing/hash.ts"
import { Reader } from "./byte-reader.ts"
import { readTransaction, type Transaction } from "./transaction.ts"

/** The 80 bytes of a header by name. Hashes in internal order. */
export interface BlockHeader {
  /** Signed 32 bits. */
  readonly version: number
  readonly previousHash: Uint8Array
  readonly merkleRoot: Uint8Array
  /** Seconds since 1970, unsigned 32 bits. */
  readonly time: number
  /** The compact target, unsigned 32 bits. */
  readonly bits: number
  readonly nonce: number
}

/** A parsed block. Byte fields are views on the bytes that were parsed. */
export interface Block {
  readonly header: BlockHeader
  /** The header's 80 bytes. */
  readonly headerBytes: Uint8Array
  /** The hash of the header, internal order. */
  readonly hash: Uint8Array
  /** The coinbase first. */
  readonly transactions: ReadonlyArray<Transaction>
  readonly bytes: Uint8Array
  /** Bytes without markers, flags and witnesses. */
  readonly strippedSize: number
  /** Weight units (BIP141). */
  readonly weight: number
}

/**
 * Parses a block that takes all of `bytes`, unless bytes may follow it. Throws `BlockDecodeError` and nothing else. Its memory is
 * bounded by the size of `bytes`: it trusts a count only as far as there are bytes for it.
 */
export const parseBlock = (bytes: Uint8Array, options?: { readonly mayGoOn: boolean }): Block => {
  const reader = new Reader(bytes)
  const headerBytes = reader.take(Header.HEADER_SIZE, "the block header")
  const count = reader.compactSize("the transaction count")
  const strippedBefore = reader.at
  const transactions: Array<Transaction> = []
  let strippedSize = strippedBefore
  for (let i = 0; i < count; i++) {
    const transaction = readTransaction(reader)
    strippedSize += transaction.strippedSize
    transactions.push(transaction)
  }
  if (options?.mayGoOn !== true) reader.end("the block")
  return {
    header: parseHeader(headerBytes),
    headerBytes,
    hash: doubleSha256(headerBytes),
    transactions,
    bytes: bytes.subarray(0, reader.at),
    strippedSize,
    weight: strippedSize * 3 + reader.at
  }
}

/** Parses the header at the start of `bytes`. Throws `BlockDecodeError` if there are fewer than 80. */
export const parseHeader = (bytes: Uint8Array): BlockHeader => {
  const reader = new Reader(bytes)
  return {
    version: reader.u32("the block version") | 0,
    previousHash: reader.take(32, "the previous block's hash"),
    merkleRoot: reader.take(32, "the merkle root"),
    time: reader.u32("the block time"),
    bits: reader.u32("the compact target"),
    nonce: reader.u32("the nonce")
  }
}

/** The header's 80 bytes. */
export const serializeHeader = (header: BlockHeader): Uint8Array => {
  const { bits, merkleRoot, nonce, previousHash, time, version } = header
  const bytes = new Uint8Array(Header.HEADER_SIZE)
  Header.writeHeader(bytes, 0, version, previousHash, 0, merkleRoot, 0, time, bits, nonce)
  return bytes
}

/** Serializes a block from its header and its serialized transactions (with witness), the coinbase first. */
export const serializeBlock = (header: Uint8Array, transactions: ReadonlyArray<Uint8Array>): Uint8Array =>
  new Uint8Array(Buffer.concat([header, compactSize(transactions.length), ...transactions]))

/** A compact target as JSON-RPC shows it: eight hex digits, the most significant first. */
export const bitsHex = (bits: number): string => (bits >>> 0).toString(16).padStart(8, "0")
