/**
 * Parses transactions: where one ends inside a block, its ids and its sizes (BIP141, BIP144). The reader copies nothing. It exists
 * because the coder of `@scure/btc-signer` takes a whole buffer and cannot say where a transaction of a block ends; the tests
 * compare the reader with that coder.
 */
import { compactSizeLength, Reader } from "./byte-reader.ts"
import type { Output } from "./coinbase.ts"
import { doubleSha256 } from "../hashing/hash.ts"

/** The most satoshis that can ever exist. */
export const MAX_MONEY = 2_100_000_000_000_000n

/** An input; the hash is in internal order. */
export interface TransactionInput {
  readonly previousTxid: Uint8Array
  readonly previousIndex: number
  /** The scriptSig. */
  readonly script: Uint8Array
  readonly sequence: number
}

/** A parsed transaction. Byte fields are views on the bytes that were parsed. */
export interface Transaction {
  /** Signed 32 bits. */
  readonly version: number
  readonly inputs: ReadonlyArray<TransactionInput>
  readonly outputs: ReadonlyArray<Output>
  /** One stack for each input; empty for a transaction without witness. */
  readonly witnesses: ReadonlyArray<ReadonlyArray<Uint8Array>>
  readonly lockTime: number
  /** The serialization, with marker, flag and witness if there are any. */
  readonly bytes: Uint8Array
  /** Internal order. */
  readonly txid: Uint8Array
  /** Internal order; the same bytes as `txid` without witness. */
  readonly wtxid: Uint8Array
  /** Bytes without marker, flag and witness. */
  readonly strippedSize: number
  /** Weight units: three times the stripped size and once the size (BIP141). */
  readonly weight: number
}

/** Parses a transaction that takes all of `bytes`. Throws `BlockDecodeError` and nothing else. */
export const parseTransaction = (bytes: Uint8Array): Transaction => {
  const reader = new Reader(bytes)
  const transaction = readTransaction(reader)
  reader.end("the transaction")
  return transaction
}

/** Reads one transaction and moves the reader past it. */
export const readTransaction = (reader: Reader): Transaction => {
  const start = reader.at
  const version = reader.u32("the transaction version") | 0
  let inputCount = reader.compactSize("the input count")
  // A transaction has an input, so a count of zero is BIP144's marker and a flag comes next.
  const hasWitness = inputCount === 0
  if (hasWitness) {
    const flag = reader.u8("the segwit flag")
    if (flag !== 1) reader.fail(`a transaction has inputs, or BIP144's flag 01 behind the marker; got ${flag}`, -1)
    inputCount = reader.compactSize("the input count")
    if (inputCount === 0) reader.fail("a transaction with a witness has inputs", -1)
  }
  const bodyAt = reader.at - compactSizeLength(inputCount)
  const inputs: Array<TransactionInput> = []
  for (let i = 0; i < inputCount; i++) inputs.push(readInput(reader))
  const outputCount = reader.compactSize("the output count")
  const outputs: Array<Output> = []
  for (let i = 0; i < outputCount; i++) outputs.push(readOutput(reader))
  const witnessAt = reader.at
  const witnesses: Array<ReadonlyArray<Uint8Array>> = []
  if (hasWitness) {
    for (let i = 0; i < inputCount; i++) witnesses.push(readWitness(reader))
    if (witnesses.every((stack) => stack.length === 0)) {
      reader.fail("a transaction whose witnesses are all empty is written without marker and flag (BIP144)", 0)
    }
  }
  const lockTimeAt = reader.at
  const lockTime = reader.u32("the lock time")
  const bytes = reader.bytes.subarray(start, reader.at)
  const wtxid = doubleSha256(bytes)
  const strippedSize = 4 + (witnessAt - bodyAt) + 4
  let txid = wtxid
  if (hasWitness) {
    const stripped = new Uint8Array(strippedSize)
    stripped.set(reader.bytes.subarray(start, start + 4))
    stripped.set(reader.bytes.subarray(bodyAt, witnessAt), 4)
    stripped.set(reader.bytes.subarray(lockTimeAt, lockTimeAt + 4), strippedSize - 4)
    txid = doubleSha256(stripped)
  }
  const weight = strippedSize * 3 + bytes.length
  return { version, inputs, outputs, witnesses, lockTime, bytes, txid, wtxid, strippedSize, weight }
}

/** Whether this is a coinbase: one input that spends the null output. */
export const isCoinbase = (transaction: Transaction): boolean => {
  const [input] = transaction.inputs
  return transaction.inputs.length === 1 && input !== undefined && spendsNull(input)
}

/** Whether an input names the null output, as only a coinbase may. */
export const spendsNull = (input: TransactionInput): boolean =>
  input.previousIndex === 0xffffffff && input.previousTxid.every((byte) => byte === 0)

const readInput = (reader: Reader): TransactionInput => {
  const previousTxid = reader.take(32, "the txid that an input spends")
  const previousIndex = reader.u32("the output index that an input spends")
  const script = reader.take(reader.compactSize("a scriptSig's length"), "a scriptSig")
  return { previousTxid, previousIndex, script, sequence: reader.u32("an input's sequence") }
}

const readOutput = (reader: Reader): Output => {
  const value = reader.u64("an output's value")
  return { value, script: reader.take(reader.compactSize("a scriptPubKey's length"), "a scriptPubKey") }
}

const readWitness = (reader: Reader): ReadonlyArray<Uint8Array> => {
  const stack: Array<Uint8Array> = []
  const count = reader.compactSize("a witness's item count")
  for (let i = 0; i < count; i++) {
    stack.push(reader.take(reader.compactSize("a witness item's length"), "a witness item"))
  }
  return stack
}
