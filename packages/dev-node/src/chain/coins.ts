/**
 * The coins of a development chain that every node can check without having seen them: those of an imaginary faucet, whose txid
 * states value and script, and what their owners do with them. The nodes have no script engine: two scripts that anyone can spend
 * are all that they check, one with a witness and one without.
 */
import { OP } from "@scure/btc-signer"
import { Sha256 } from "@sluice/core"
import type { Output, Transaction } from "@sluice/bitcoin"

/** The script behind `OPEN_WITH_WITNESS`: drops one item and succeeds. */
export const REDEEM_SCRIPT = new Uint8Array([OP.DROP, OP.OP_1])

/** A scriptPubKey that anyone can spend with a witness of any item and `REDEEM_SCRIPT` (P2WSH). */
export const OPEN_WITH_WITNESS = ((): Uint8Array => {
  const script = new Uint8Array(34)
  script.set([OP.OP_0, 32])
  Sha256.sha256(REDEEM_SCRIPT, 0, REDEEM_SCRIPT.length, script, 2)
  return script
})()

/** A scriptPubKey that anyone can spend with nothing at all: OP_TRUE. */
export const OPEN_WITHOUT_WITNESS = new Uint8Array([OP.OP_1])

/**
 * The txid (display order) of a faucet coin: a mark, the script's kind, the value, then 12 bytes that make the coin unique. Its
 * only output is 0.
 */
export const faucetTxid = (coin: { value: bigint; witness: boolean; serial: Uint8Array }): Uint8Array => {
  const txid = new Uint8Array(32)
  txid.set(MARK)
  txid[MARK.length] = coin.witness ? 1 : 0
  Buffer.from(txid.buffer).writeUIntBE(Number(coin.value), VALUE_AT, 6)
  txid.set(coin.serial.subarray(0, 12), 20)
  return txid
}

/** The faucet's output at this outpoint (txid in display order, as hex); `undefined` if it is not the faucet's. */
export const faucetCoin = (txid: string, index: number): Output | undefined => {
  if (index !== 0 || !txid.startsWith(MARK_HEX)) return undefined
  const bytes = Buffer.from(txid, "hex")
  const value = BigInt(bytes.readUIntBE(VALUE_AT, 6))
  return { value, script: bytes[MARK.length] === 0 ? OPEN_WITHOUT_WITNESS : OPEN_WITH_WITNESS }
}

/** Rules about the outputs that a transaction spends. */
export type SpendingVerdict =
  | "bad-txns-inputs-missingorspent"
  | "bad-txns-in-belowout"
  | "mandatory-script-verify-flag-failed"

/** The fee that a transaction pays if it spends these outputs, one for each input, or the rule that it breaks. */
export const feeOf = (transaction: Transaction, spent: ReadonlyArray<Output>): bigint | SpendingVerdict => {
  const fee = total(spent) - total(transaction.outputs)
  if (fee < 0n) return "bad-txns-in-belowout"
  const opens = transaction.inputs.every(({ script }, index) => {
    const witness = transaction.witnesses[index] ?? []
    if (script.length > 0) return false
    if (equal(spent[index]!.script, OPEN_WITHOUT_WITNESS)) return witness.length === 0
    return equal(spent[index]!.script, OPEN_WITH_WITNESS) && witness.length === 2 && equal(witness[1]!, REDEEM_SCRIPT)
  })
  return opens ? fee : "mandatory-script-verify-flag-failed"
}

const total = (outputs: ReadonlyArray<Output>): bigint => outputs.reduce((sum, { value }) => sum + value, 0n)

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const MARK = new TextEncoder().encode("Sluice faucet")
const MARK_HEX = Buffer.from(MARK).toString("hex")
const VALUE_AT = MARK.length + 1
