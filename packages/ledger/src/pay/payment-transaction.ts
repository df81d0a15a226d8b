/** Holds the transaction of a payment against what the payment must do, before it is written, and before it is sent. */
import { hashToDisplay, type Output, parseTransaction, type Transaction } from "@sluice/bitcoin"
import { minerScript } from "@sluice/mining-server"
import { Transaction as PsbtTransaction } from "@scure/btc-signer"
import { Effect } from "effect"
import { LedgerError } from "../ledger-error.ts"
import { sum } from "../scheme/divide.ts"
import type { PaymentOutput } from "../store/payments.ts"
import type { Outpoint } from "./wallet.ts"

export interface PaymentTransaction {
  /** In display order. A signature does not change it. */
  readonly txid: string
  readonly inputs: ReadonlyArray<Outpoint>
  readonly outputCount: number
  /** Satoshis. */
  readonly fee: bigint
}

/** The largest fee, as a part of what is paid. */
const FEE_PART = 10n

const fault = (message: string) => new LedgerError({ message: `the transaction of the payment ${message}` })

/** Reads a PSBT. Fails if a signature could change its transaction id, which only those of witness programs do not. */
export const readPsbt = (psbt: string): Effect.Effect<PaymentTransaction, LedgerError> =>
  Effect.flatMap(openPsbt(psbt), ({ inputs, inputSum, transaction }) => {
    const paid = sum(transaction.outputs.map(({ value }) => value))
    const legacy = inputs.find(({ script }) => !isWitnessProgram(script))
    if (legacy !== undefined) {
      return Effect.fail(
        fault(
          `spends ${legacy.txid}:${legacy.index}, whose signature would change the transaction's id: move this coin to an address of segwit (bech32) of the wallet first`
        )
      )
    }
    return Effect.succeed({
      txid: hashToDisplay(transaction.txid),
      inputs: inputs.map(({ index, txid }) => ({ index, txid })),
      outputCount: transaction.outputs.length,
      fee: inputSum - paid
    })
  })

/** Fails unless the PSBT pays these outputs, and at most one other, the change, for a fee that is not out of proportion. */
export const checkPsbt = (
  psbt: string,
  outputs: ReadonlyArray<PaymentOutput>
): Effect.Effect<PaymentTransaction, LedgerError> =>
  Effect.gen(function* () {
    const read = yield* readPsbt(psbt)
    const { transaction } = yield* openPsbt(psbt)
    const lacking = unpaidOf(transaction.outputs, outputs)
    if (lacking !== undefined) return yield* fault(`does not pay ${lacking.amount} satoshis to ${lacking.address}`)
    const expected = byAddress(outputs).length
    if (transaction.outputs.length > expected + 1) {
      return yield* fault(`has ${transaction.outputs.length} outputs; expected ${expected} and one for the change`)
    }
    const paid = sum(outputs.map(({ amount }) => amount))
    if (read.fee < 0n || read.fee * FEE_PART > paid) {
      return yield* fault(
        `costs a fee of ${read.fee} satoshis for ${paid} paid, more than a tenth: wait for lower fees, or raise the minimum`
      )
    }
    return read
  })

/** The first output that is not among those made; undefined if all are. */
export const unpaidOf = (
  made: ReadonlyArray<Output>,
  outputs: ReadonlyArray<PaymentOutput>
): PaymentOutput | undefined => {
  const left = new Map<string, bigint>()
  for (const { script, value } of made) {
    const key = Buffer.from(script).toString("hex")
    left.set(key, (left.get(key) ?? 0n) + value)
  }
  return outputs.find(({ address, amount }) => {
    const key = scriptKey(address)
    const rest = (left.get(key) ?? 0n) - amount
    left.set(key, rest)
    return rest < 0n
  })
}

/** Users with one address get one output, also if they spell it differently: nodes refuse two outputs to one address. */
export const byAddress = (
  outputs: ReadonlyArray<PaymentOutput>
): ReadonlyArray<{ readonly address: string; readonly amount: bigint }> => {
  const merged = new Map<string, { readonly address: string; readonly amount: bigint }>()
  for (const { address, amount } of outputs) {
    const key = scriptKey(address)
    const { address: first, amount: before } = merged.get(key) ?? { address, amount: 0n }
    merged.set(key, { address: first, amount: before + amount })
  }
  return [...merged.values()]
}

/** The script of an address in hex. */
const scriptKey = (address: string): string => Buffer.from(minerScript(address) ?? []).toString("hex")

/** The outputs of a PSBT, and its transaction id. */
export const transactionOfPsbt = (psbt: string): Effect.Effect<Transaction, LedgerError> =>
  Effect.map(openPsbt(psbt), ({ transaction }) => transaction)

/** Whether a transaction pays any of these addresses. */
export const paysAny = (outputs: ReadonlyArray<Output>, payments: ReadonlyArray<PaymentOutput>): boolean => {
  const scripts = new Set(payments.map(({ address }) => scriptKey(address)))
  return outputs.some(({ script }) => scripts.has(Buffer.from(script).toString("hex")))
}

/** Reads a signed transaction, in hex or as a PSBT with all signatures in base64. */
export const readSigned = (
  text: string
): Effect.Effect<{ readonly txid: string; readonly bytes: Uint8Array }, LedgerError> =>
  Effect.flatMap(
    Effect.try({
      try: () => {
        if (/^[0-9a-f]+$/i.test(text)) return Buffer.from(text, "hex")
        const psbt = PsbtTransaction.fromPSBT(Buffer.from(text, "base64"), { allowUnknown: true })
        if (!psbt.isFinal) psbt.finalize()
        return psbt.extract()
      },
      catch: (error) => fault(`is not signed: ${error instanceof Error ? error.message : String(error)}`)
    }),
    (bytes) => Effect.map(parsed(bytes), ({ txid }) => ({ bytes, txid: hashToDisplay(txid) }))
  )

const parsed = (bytes: Uint8Array): Effect.Effect<Transaction, LedgerError> =>
  Effect.try({ try: () => parseTransaction(bytes), catch: (error) => fault(`cannot be read: ${String(error)}`) })

const openPsbt = (psbt: string) =>
  Effect.try({
    try: () => {
      const opened = PsbtTransaction.fromPSBT(Buffer.from(psbt, "base64"), { allowUnknown: true })
      let inputSum = 0n
      const inputs = Array.from({ length: opened.inputsLength }, (_, at) => {
        const { index, nonWitnessUtxo, txid, witnessUtxo } = opened.getInput(at)
        const spent = witnessUtxo ?? nonWitnessUtxo?.outputs[index!]
        if (spent === undefined) throw new Error(`input ${at} does not say what it spends`)
        inputSum += spent.amount
        return { txid: Buffer.from(txid!).toString("hex"), index: index!, script: spent.script }
      })
      return { inputs, inputSum, transaction: parseTransaction(opened.unsignedTx) }
    },
    catch: (error) => fault(`cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  })

/** The output of a key or script of segwit (BIP141): a version and 2 to 40 bytes. */
const isWitnessProgram = (script: Uint8Array): boolean => {
  const [version = 0xff, length = 0] = script
  return (version === 0 || (version >= 0x51 && version <= 0x60)) && length >= 2 && script.length === length + 2
}
