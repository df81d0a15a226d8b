/** Transactions that differ by a number. */
import { compactSize, parseTransaction, type Transaction } from "@sluice/bitcoin"

/** A transaction with a witness of this size, at least 8 bytes. It spends the output `index` of an unknown transaction. */
export const randomTransaction = (index: number, witnessSize = 8): Transaction => {
  const previous = new Uint8Array(32).fill(1 + (index & 0x7f))
  new DataView(previous.buffer).setUint32(0, index, true)
  const witness = new Uint8Array(witnessSize)
  new DataView(witness.buffer).setUint32(0, index, true)
  return parseTransaction(
    new Uint8Array(
      Buffer.concat([
        new Uint8Array([2, 0, 0, 0, 0, 1, 1]),
        previous,
        new Uint8Array([0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        new Uint8Array([1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x51]),
        new Uint8Array([1]),
        compactSize(witnessSize),
        witness,
        new Uint8Array(4)
      ])
    )
  )
}
