/**
 * Makes up transactions, so that the templates of a development node are not empty: well-formed transactions that spend outputs of
 * each other that anyone can spend, or an imaginary faucet's. They have no signatures.
 */
import { OP, RawTx } from "@scure/btc-signer"
import { RawOldTx } from "@scure/btc-signer/script.js"
import { parseTransaction, type Transaction } from "@sluice/bitcoin"
import { faucetTxid, OPEN_WITH_WITNESS, REDEEM_SCRIPT } from "./coins.ts"
import type { Mempool } from "./mempool.ts"

/** Gives random numbers from 0 to 1, 1 excluded. */
export type Draw = () => number

/** A transaction and the fee it pays, in satoshis. */
export interface TestTransaction {
  readonly transaction: Transaction
  readonly fee: bigint
}

/**
 * Makes a transaction for this mempool. One in three spends the first output of a waiting transaction with fewer than three
 * ancestors, if there is one; the others spend a faucet coin, and so do all without a witness. `coin` must be unique on its node;
 * the draws make it unique among nodes. The fee is 1 to 50 satoshis a virtual byte.
 */
export const makeTestTransaction = (mempool: Mempool, coin: number, draw: Draw, witness = true): TestTransaction => {
  const parent = witness && draw() < 1 / 3 ? pickParent(mempool, draw) : undefined
  const spent = parent ?? faucetCoin(coin, draw, witness)
  const note = randomBytes(8 + Math.floor(draw() * 200), draw)
  const payee = randomBytes(20, draw)
  const write = (fee: bigint): Transaction => {
    const paid = (spent.value - fee) / 3n
    const parts = {
      version: 2,
      inputs: [{ txid: spent.txid, index: spent.index, finalScriptSig: new Uint8Array(0), sequence: 0xffffffff }],
      outputs: [
        { amount: spent.value - fee - paid, script: OPEN_WITH_WITNESS },
        { amount: paid, script: payToPublicKeyHash(payee) }
      ],
      lockTime: 0
    }
    return parseTransaction(
      witness
        ? RawTx.encode({ ...parts, segwitFlag: true, witnesses: [[note, REDEEM_SCRIPT]] })
        : RawOldTx.encode(parts)
    )
  }
  // Values have a fixed size, so the weight does not depend on the fee.
  const fee = (BigInt(write(0n).weight) * BigInt(1 + Math.floor(draw() * 50))) / 4n
  return { transaction: write(fee), fee }
}

interface Coin {
  /** Display order, as the encoder requires. */
  readonly txid: Uint8Array
  readonly index: number
  readonly value: bigint
}

const pickParent = (mempool: Mempool, draw: Draw): Coin | undefined => {
  const entries = [...mempool.entries()]
  const first = Math.floor(draw() * entries.length)
  // Takes the first suitable one from a random index on, which is nearly always close; faster than filtering all.
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[(first + i) % entries.length]!
    if (mempool.spender(entry.txid, 0) !== undefined || !isSpendable(entry.transaction)) continue
    if (mempool.ancestors(entry).length >= 3) return undefined
    const [output] = entry.transaction.outputs
    return { txid: entry.transaction.txid.toReversed(), index: 0, value: output!.value }
  }
  return undefined
}

/** Whether the output is ours and has enough value for another fee. */
const isSpendable = ({ outputs }: Transaction): boolean => {
  const [output] = outputs
  return output !== undefined && output.value > 100_000n && Buffer.compare(output.script, OPEN_WITH_WITNESS) === 0
}

const faucetCoin = (coin: number, draw: Draw, witness: boolean): Coin => {
  const serial = randomBytes(12, draw)
  new DataView(serial.buffer).setUint32(0, coin)
  const value = 1_000_000n + BigInt(Math.floor(draw() * 1e8))
  return { txid: faucetTxid({ value, witness, serial }), index: 0, value }
}

const randomBytes = (count: number, draw: Draw): Uint8Array => new Uint8Array(count).map(() => Math.floor(draw() * 256))

const payToPublicKeyHash = (hash: Uint8Array): Uint8Array =>
  new Uint8Array([OP.DUP, OP.HASH160, 20, ...hash, OP.EQUALVERIFY, OP.CHECKSIG])
