/**
 * Makes up transactions, so that the templates of a development node are not empty: well-formed segwit transactions that spend
 * anyone-can-spend outputs (P2WSH of OP_DROP OP_TRUE) of each other or of an imaginary faucet. They have no signatures, and no
 * script engine runs them.
 */
import { OP, RawTx } from "@scure/btc-signer"
import { Sha256 } from "@sluice/core"
import { doubleSha256, parseTransaction, type Transaction } from "@sluice/bitcoin"
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
 * ancestors, if there is one; the others spend a faucet coin. `coin` must be unique. The fee is 1 to 50 satoshis a virtual byte.
 */
export const makeTestTransaction = (mempool: Mempool, coin: number, draw: Draw): TestTransaction => {
  const parent = draw() < 1 / 3 ? pickParent(mempool, draw) : undefined
  const spent = parent ?? faucetCoin(coin, draw)
  const note = new Uint8Array(8 + Math.floor(draw() * 200)).map(() => Math.floor(draw() * 256))
  const payee = new Uint8Array(20).map(() => Math.floor(draw() * 256))
  const write = (fee: bigint): Transaction => {
    const paid = (spent.value - fee) / 3n
    return parseTransaction(
      RawTx.encode({
        version: 2,
        segwitFlag: true,
        inputs: [{ txid: spent.txid, index: spent.index, finalScriptSig: new Uint8Array(0), sequence: 0xffffffff }],
        outputs: [
          { amount: spent.value - fee - paid, script: ANYONE_CAN_SPEND },
          { amount: paid, script: payToPublicKeyHash(payee) }
        ],
        witnesses: [[note, REDEEM_SCRIPT]],
        lockTime: 0
      })
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
  return output !== undefined && output.value > 100_000n && Buffer.compare(output.script, ANYONE_CAN_SPEND) === 0
}

const faucetCoin = (coin: number, draw: Draw): Coin => ({
  txid: doubleSha256(new TextEncoder().encode(`Sluice development chain, faucet coin ${coin}`)),
  index: 0,
  value: 1_000_000n + BigInt(Math.floor(draw() * 1e8))
})

/** The script: drops one item and succeeds. */
const REDEEM_SCRIPT = new Uint8Array([OP.DROP, OP.OP_1])

const ANYONE_CAN_SPEND = ((): Uint8Array => {
  const script = new Uint8Array(34)
  script.set([OP.OP_0, 32])
  Sha256.sha256(REDEEM_SCRIPT, 0, REDEEM_SCRIPT.length, script, 2)
  return script
})()

const payToPublicKeyHash = (hash: Uint8Array): Uint8Array =>
  new Uint8Array([OP.DUP, OP.HASH160, 20, ...hash, OP.EQUALVERIFY, OP.CHECKSIG])
