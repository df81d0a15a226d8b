/**
 * The transactions that a development node makes up so that its templates have something in them: well-formed segwit
 * transactions that spend outputs anyone may spend (P2WSH of OP_DROP OP_TRUE), each other's or made-up coins that stand
 * for a faucet. No key signs them and no script engine runs them.
 */
import { OP, RawTx } from "@scure/btc-signer"
import { Sha256 } from "@sluice/core"
import { doubleSha256, parseTransaction, type Transaction } from "@sluice/bitcoin"
import type { Mempool } from "./mempool.ts"

/** A number from 0 up to but not including 1, as the Random service draws it. */
export type Draw = () => number

/** A transaction and the fee it pays, in satoshis. */
export interface TestTransaction {
  readonly transaction: Transaction
  readonly fee: bigint
}

/**
 * A transaction that fits this mempool: one in three spends the first output of one that waits, where there is one with
 * fewer than three ancestors, the others spend a faucet coin. `coin` has to be another number each time. It pays 1 to 50
 * satoshis for each virtual byte.
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
  /** Display order, as the coder wants it. */
  readonly txid: Uint8Array
  readonly index: number
  readonly value: bigint
}

const pickParent = (mempool: Mempool, draw: Draw): Coin | undefined => {
  const entries = [...mempool.entries()]
  const first = Math.floor(draw() * entries.length)
  // The first one that will do from a random place on, instead of a random one of all that do: nearly always it is near.
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[(first + i) % entries.length]!
    if (mempool.spender(entry.txid, 0) !== undefined || !isSpendable(entry.transaction)) continue
    if (mempool.ancestors(entry).length >= 3) return undefined
    const [output] = entry.transaction.outputs
    return { txid: entry.transaction.txid.toReversed(), index: 0, value: output!.value }
  }
  return undefined
}

/** Ours, and with enough left to pay the fee of another. */
const isSpendable = ({ outputs }: Transaction): boolean => {
  const [output] = outputs
  return output !== undefined && output.value > 100_000n && Buffer.compare(output.script, ANYONE_CAN_SPEND) === 0
}

const faucetCoin = (coin: number, draw: Draw): Coin => ({
  txid: doubleSha256(new TextEncoder().encode(`Sluice development chain, faucet coin ${coin}`)),
  index: 0,
  value: 1_000_000n + BigInt(Math.floor(draw() * 1e8))
})

/** Takes one item off the stack and succeeds. */
const REDEEM_SCRIPT = new Uint8Array([OP.DROP, OP.OP_1])

const ANYONE_CAN_SPEND = ((): Uint8Array => {
  const script = new Uint8Array(34)
  script.set([OP.OP_0, 32])
  Sha256.sha256(REDEEM_SCRIPT, 0, REDEEM_SCRIPT.length, script, 2)
  return script
})()

const payToPublicKeyHash = (hash: Uint8Array): Uint8Array =>
  new Uint8Array([OP.DUP, OP.HASH160, 20, ...hash, OP.EQUALVERIFY, OP.CHECKSIG])
