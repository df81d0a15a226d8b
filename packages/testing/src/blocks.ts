/**
 * Builds blocks for tests without the code under test: transactions with @scure/btc-signer, hashes with node:crypto, and a second,
 * slow implementation of the merkle tree and the witness commitment.
 */
import { createHash } from "node:crypto"
import { RawTx, ScriptNum } from "@scure/btc-signer"
import { RawOldTx } from "@scure/btc-signer/script.js"

export const EASY_BITS = 0x207fffff
/** The time in these tests, some months after the first block of a development chain. */
export const NOW = 1_710_000_000

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest()
export const sha256d = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes))
export const display = (hash: Uint8Array): string => Buffer.from(hash.toReversed()).toString("hex")

export interface Built {
  readonly bytes: Uint8Array
  /** Internal order. */
  readonly txid: Uint8Array
  readonly wtxid: Uint8Array
  readonly weight: number
}

export interface TransactionParts {
  readonly version?: number
  /** Txid in display order. */
  readonly inputs: ReadonlyArray<{ txid: Uint8Array; index: number; script?: Uint8Array; sequence?: number }>
  readonly outputs: ReadonlyArray<{ value: bigint; script: Uint8Array }>
  readonly witnesses?: ReadonlyArray<ReadonlyArray<Uint8Array>>
  readonly lockTime?: number
}

export const buildTransaction = (parts: TransactionParts): Built => {
  const fields = {
    version: parts.version ?? 2,
    inputs: parts.inputs.map(({ index, script, sequence, txid }) => ({
      txid,
      index,
      finalScriptSig: script ?? new Uint8Array(0),
      sequence: sequence ?? 0xffffffff
    })),
    outputs: parts.outputs.map(({ script, value }) => ({ amount: value, script })),
    lockTime: parts.lockTime ?? 0
  }
  const stripped = RawOldTx.encode(fields)
  const witnesses = (parts.witnesses ?? []).map((stack) => [...stack])
  const bytes = witnesses.length === 0 ? stripped : RawTx.encode({ ...fields, segwitFlag: true, witnesses })
  return { bytes, txid: sha256d(stripped), wtxid: sha256d(bytes), weight: stripped.length * 3 + bytes.length }
}

/** A payment for chains without a script engine: spends a made-up output, pays one output, has a witness. */
export const buildPayment = (options: { seed: number; txid?: Uint8Array; index?: number; value?: bigint }): Built =>
  buildTransaction({
    inputs: [{ txid: options.txid ?? sha256(new Uint8Array([options.seed])), index: options.index ?? 0 }],
    outputs: [{ value: options.value ?? 50_000n, script: new Uint8Array([0x51]) }],
    witnesses: [[new Uint8Array([options.seed, 1, 2, 3])]]
  })

export const merkleRoot = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (hashes.length === 0) return new Uint8Array(32)
  if (hashes.length === 1) return hashes[0]!
  const parents: Array<Uint8Array> = []
  for (let i = 0; i < hashes.length; i += 2) {
    parents.push(sha256d(Buffer.concat([hashes[i]!, hashes[i + 1] ?? hashes[i]!])))
  }
  return merkleRoot(parents)
}

/** The scriptPubKey that commits to the witnesses of a coinbase and these transactions (BIP141). */
export const commitmentScript = (others: ReadonlyArray<Built>, reserved = new Uint8Array(32)): Uint8Array => {
  const root = merkleRoot([new Uint8Array(32), ...others.map(({ wtxid }) => wtxid)])
  return Buffer.concat([Buffer.from("6a24aa21a9ed", "hex"), sha256d(Buffer.concat([root, reserved]))])
}

export interface CoinbaseParts {
  readonly height: number
  readonly value: bigint
  readonly others?: ReadonlyArray<Built>
  readonly script?: Uint8Array
  /** Outputs behind the payment. Default: the witness commitment. */
  readonly outputs?: ReadonlyArray<{ value: bigint; script: Uint8Array }>
  /** The witness stack. Default: one item of 32 zero bytes. */
  readonly witness?: ReadonlyArray<Uint8Array>
  readonly lockTime?: number
  readonly sequence?: number
  /** Makes coinbases differ. */
  readonly note?: number
}

export const buildCoinbase = (parts: CoinbaseParts): Built => {
  const height =
    parts.height <= 16
      ? new Uint8Array([0x50 + parts.height])
      : ((number) => new Uint8Array([number.length, ...number]))(ScriptNum().encode(BigInt(parts.height)))
  const witness = parts.witness ?? [new Uint8Array(32)]
  return buildTransaction({
    inputs: [
      {
        txid: new Uint8Array(32),
        index: 0xffffffff,
        script: parts.script ?? new Uint8Array([...height, 2, (parts.note ?? 0) & 0xff, (parts.note ?? 0) >> 8]),
        sequence: parts.sequence ?? 0xffffffff
      }
    ],
    outputs: [
      { value: parts.value, script: new Uint8Array([0x51]) },
      ...(parts.outputs ?? [{ value: 0n, script: commitmentScript(parts.others ?? []) }])
    ],
    ...(witness.length === 0 ? {} : { witnesses: [witness] }),
    lockTime: parts.lockTime ?? 0
  })
}

export interface BlockParts {
  /** Internal order. */
  readonly previousHash: Uint8Array
  readonly transactions: ReadonlyArray<Built>
  readonly time?: number
  readonly version?: number
  readonly bits?: number
  readonly merkleRoot?: Uint8Array
  /** Whether the hash must meet the easy target (default), or must miss it. */
  readonly meetsTarget?: boolean
}

/** Mines a block for the easy target and serializes it. */
export const buildBlock = (parts: BlockParts): Uint8Array => {
  const header = Buffer.alloc(80)
  header.writeInt32LE(parts.version ?? 0x20000000, 0)
  header.set(parts.previousHash, 4)
  header.set(parts.merkleRoot ?? merkleRoot(parts.transactions.map(({ txid }) => txid)), 36)
  header.writeUInt32LE(parts.time ?? NOW, 68)
  header.writeUInt32LE(parts.bits ?? EASY_BITS, 72)
  for (let nonce = 0; ; nonce++) {
    header.writeUInt32LE(nonce, 76)
    // The target 207fffff requires only that the highest bit is zero.
    const meets = (sha256d(header)[31]! & 0x80) === 0
    if (meets === (parts.meetsTarget ?? true)) break
  }
  return new Uint8Array(
    Buffer.concat([header, compactSize(parts.transactions.length), ...parts.transactions.map(({ bytes }) => bytes)])
  )
}

const compactSize = (count: number): Uint8Array =>
  count < 0xfd ? new Uint8Array([count]) : new Uint8Array([0xfd, count & 0xff, count >> 8])
