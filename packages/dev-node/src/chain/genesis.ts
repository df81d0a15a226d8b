/** The block of height 0 of a development chain. */
import {
  type Block,
  parseBlock,
  serializeBlock,
  serializeHeader,
  coinbasePrefix,
  splitCoinbase,
  doubleSha256
} from "@sluice/bitcoin"
import { Result } from "effect"

/**
 * The block of height 0 for a compact target, which it does not meet, and a time in seconds. It depends on these two only. Its
 * coinbase pays nobody and names the development chain, so it cannot be mistaken for another chain's.
 */
export const genesisBlock = (bits: number, time: number): Block => {
  const { prefix, suffix } = Result.getOrThrow(
    splitCoinbase({
      version: 2,
      prefix: coinbasePrefix(0),
      tags: new TextEncoder().encode("Sluice development chain: worth nothing, for no one"),
      extranonceSize: 0,
      sequence: 0xffffffff,
      outputs: [{ value: 0n, script: new Uint8Array([OP_RETURN]) }],
      templateOutputs: new Uint8Array(0),
      templateOutputsCount: 0,
      lockTime: 0
    })
  )
  const coinbase = new Uint8Array(Buffer.concat([prefix, suffix]))
  const header = serializeHeader({
    version: 0x20000000,
    previousHash: new Uint8Array(32),
    merkleRoot: doubleSha256(coinbase),
    time,
    bits,
    nonce: 0
  })
  return parseBlock(serializeBlock(header, [coinbase]))
}

const OP_RETURN = 0x6a
