/** A transaction as in Bitcoin Core's `getblock` with verbosity 2, without the parts that need a script interpreter. */
import { hashToDisplay, isCoinbase, type Transaction } from "@sluice/bitcoin"

/** `fee` in satoshis, if known. */
export const transactionReport = (transaction: Transaction, fee: bigint | undefined) => ({
  txid: hashToDisplay(transaction.txid),
  hash: hashToDisplay(transaction.wtxid),
  version: transaction.version >>> 0,
  size: transaction.bytes.length,
  vsize: Math.ceil(transaction.weight / 4),
  weight: transaction.weight,
  locktime: transaction.lockTime,
  vin: transaction.inputs.map(({ previousIndex, previousTxid, script, sequence }, index) => {
    const stack = transaction.witnesses[index] ?? []
    const witness = stack.length === 0 ? {} : { txinwitness: stack.map(hex) }
    return isCoinbase(transaction)
      ? { coinbase: hex(script), ...witness, sequence }
      : {
          txid: hashToDisplay(previousTxid),
          vout: previousIndex,
          scriptSig: { hex: hex(script) },
          ...witness,
          sequence
        }
  }),
  vout: transaction.outputs.map(({ script, value }, n) => ({
    value: coinCount(value),
    n,
    scriptPubKey: { hex: hex(script) }
  })),
  ...(fee === undefined ? {} : { fee: coinCount(fee) }),
  hex: hex(transaction.bytes)
})

/** Satoshis to coins, as Core's JSON shows amounts outside of templates. */
export const coinCount = (satoshis: bigint): number => Number(satoshis) / 1e8

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
