/**
 * The coinbase transaction: its script (BIP34 height, tags, extranonce), its outputs, and its two serializations. Jobs
 * carry it stripped of the BIP141 marker, flag and witness and cut in two around the extranonce (specification, section
 * 5.3.16); a block carries it whole (section 7.7).
 */
import { CompactSize, ScriptNum } from "@scure/btc-signer"
import { Result, Schema } from "effect"
import { doubleSha256 } from "../hashing/hash.ts"

/** The longest scriptSig of a coinbase that consensus allows, in bytes (the shortest has 2). */
export const MAX_COINBASE_SCRIPT_SIZE = 100
/** The longest coinbase, with its witness, that SubmitSolution carries: B0_64K (section 7.7). */
export const MAX_COINBASE_SIZE = 0xffff
/** The bytes that `addWitness` adds: marker, flag, and a witness of one reserved value (BIP141). */
export const WITNESS_SIZE = 2 + 34
/**
 * Bytes of serialized outputs that fit such a coinbase beside its other fields, the longest scriptSig, and the witness
 * commitment as the template's one output.
 */
export const MAX_PAYOUTS_SIZE =
  MAX_COINBASE_SIZE - WITNESS_SIZE - (4 + 1 + 36 + 1 + MAX_COINBASE_SCRIPT_SIZE + 4 + 3 + (8 + 1 + 38) + 4)
/** The longest full extranonce, in bytes (specification, section 5.1): `Mining.MAX_EXTRANONCE_SIZE` of @sluice/protocol. */
const MAX_EXTRANONCE_SIZE = 32

/** A coinbase cannot be made, or bytes are no coinbase. The message says which limit or form is broken, and by what. */
export class CoinbaseError extends Schema.TaggedError<CoinbaseError>("sluice/bitcoin/CoinbaseError")("CoinbaseError", {
  message: Schema.String
}) {}

/** A transaction output. */
export interface Output {
  /** Satoshis. */
  readonly value: bigint
  /** The scriptPubKey. */
  readonly script: Uint8Array
}

/** The parts of a coinbase, without the extranonce. */
export interface CoinbaseParts {
  /** Transaction version, `coinbase_tx_version`. */
  readonly version: number
  /** First bytes of the scriptSig, from the template: the BIP34 height. */
  readonly prefix: Uint8Array
  /** The text that the pool writes after the height (`coinbaseTags`). If it is empty, there is no push either. */
  readonly tags: Uint8Array
  /** Bytes of the full extranonce: every prefix and what the miner rolls. */
  readonly extranonceSize: number
  /** `coinbase_tx_input_sequence`. */
  readonly sequence: number
  /** The pool's own outputs: they come first. */
  readonly outputs: ReadonlyArray<Output>
  /** Serialized outputs of the template without a count (the witness commitment): they come last. */
  readonly templateOutputs: Uint8Array
  readonly templateOutputsCount: number
  /** `coinbase_tx_locktime`. */
  readonly lockTime: number
}

/** A coinbase without witness, cut around its extranonce: `prefix || extranonce || suffix` hashes to its txid. */
export interface SplitCoinbase {
  readonly prefix: Uint8Array
  readonly suffix: Uint8Array
}

/**
 * Makes a coinbase, cut around the extranonce and stripped of BIP141 fields. The scriptSig is template prefix, push of the tags,
 * push of the extranonce. Fails with `CoinbaseError` if the script would exceed 100 bytes or the extranonce 32.
 */
export const splitCoinbase = (parts: CoinbaseParts): Result.Result<SplitCoinbase, CoinbaseError> => {
  const { extranonceSize, prefix, tags } = parts
  if (!Number.isInteger(extranonceSize) || extranonceSize < 0 || extranonceSize > MAX_EXTRANONCE_SIZE) {
    return refuse(`the full extranonce has at most ${MAX_EXTRANONCE_SIZE} bytes (section 5.1); got ${extranonceSize}`)
  }
  const tagPush = tags.length === 0 ? tags : concat(pushOpcode(tags.length), tags)
  const extranoncePush = extranonceSize === 0 ? new Uint8Array(0) : pushOpcode(extranonceSize)
  const scriptSize = prefix.length + tagPush.length + extranoncePush.length + extranonceSize
  if (scriptSize < 2 || scriptSize > MAX_COINBASE_SCRIPT_SIZE) {
    return refuse(
      `the scriptSig of a coinbase has 2 to ${MAX_COINBASE_SCRIPT_SIZE} bytes; height ${prefix.length}, ` +
        `tags ${tagPush.length} and extranonce ${extranoncePush.length + extranonceSize} make ${scriptSize}: ` +
        `shorten the pool's or the miner's tag`
    )
  }
  return Result.succeed({
    prefix: concat(u32(parts.version), COINBASE_INPUT, new Uint8Array([scriptSize]), prefix, tagPush, extranoncePush),
    suffix: concat(
      u32(parts.sequence),
      compactSize(parts.outputs.length + parts.templateOutputsCount),
      serializeOutputs(parts.outputs),
      parts.templateOutputs,
      u32(parts.lockTime)
    )
  })
}

/** The tag that pools write after the height: `Sv2/pool/miner/`, in UTF-8; other software looks for this form. */
export const coinbaseTags = (pool: string, miner: string): Uint8Array =>
  new TextEncoder().encode(`Sv2/${pool}/${miner}/`)

/**
 * The first bytes of the scriptSig for a block of this height, as Bitcoin Core writes them: OP_1 to OP_16, from 17 on a
 * pushed script number (BIP34), and an OP_0 behind it if the script alone would be shorter than the 2 bytes that
 * consensus requires. Throws a `RangeError` for a height that is not a whole number from 0 to 2^31 - 1.
 */
export const coinbasePrefix = (height: number): Uint8Array => {
  if (!Number.isInteger(height) || height < 0 || height > 0x7fffffff) {
    throw new RangeError(`a block height is a whole number from 0 to 2147483647; got ${height}`)
  }
  const push = heightPush(height)
  return push.length < 2 ? concat(push, new Uint8Array([OP_0])) : push
}

/** BIP34's push of the height alone: the start of a block's coinbase script. */
export const heightPush = (height: number): Uint8Array => {
  if (height === 0) return new Uint8Array([OP_0])
  if (height <= 16) return new Uint8Array([OP_1 + height - 1])
  const number = ScriptNum().encode(BigInt(height))
  return concat(pushOpcode(number.length), number)
}

/** Outputs one after the other, without a count. */
export const serializeOutputs = (outputs: ReadonlyArray<Output>): Uint8Array =>
  concat(
    ...outputs.flatMap(({ script, value }) => {
      const amount = new Uint8Array(8)
      new DataView(amount.buffer).setBigUint64(0, value, true)
      return [amount, compactSize(script.length), script]
    })
  )

/** Outputs one after the other, behind their count (CompactSize). */
export const serializeCountedOutputs = (outputs: ReadonlyArray<Output>): Uint8Array =>
  concat(compactSize(outputs.length), serializeOutputs(outputs))

/** Bitcoin's variable-length count. */
export const compactSize = (count: number): Uint8Array =>
  count < 0xfd ? new Uint8Array([count]) : CompactSize.encode(BigInt(count))

/**
 * Makes the whole coinbase of a block from its stripped form: adds marker, flag and the witness of one reserved value of 32 zero
 * bytes (BIP141). Bytes that have them already are returned unchanged.
 */
export const addWitness = (stripped: Uint8Array): Uint8Array =>
  hasMarker(stripped)
    ? stripped
    : concat(
        stripped.subarray(0, 4),
        MARKER_AND_FLAG,
        stripped.subarray(4, -4),
        RESERVED_VALUE_WITNESS,
        stripped.subarray(-4)
      )

/**
 * Removes the BIP141 fields, which some pools leave in the coinbase halves that they send. Stripped halves come back as they
 * are. Fails with `CoinbaseError` if the prefix has a marker and the suffix does not end in the witness and lock time.
 */
export const stripWitness = (prefix: Uint8Array, suffix: Uint8Array): Result.Result<SplitCoinbase, CoinbaseError> => {
  if (!hasMarker(prefix)) return Result.succeed({ prefix, suffix })
  const witnessAt = suffix.length - 4 - RESERVED_VALUE_WITNESS.length
  const witness = suffix.subarray(Math.max(0, witnessAt), -4)
  if (witnessAt < 0 || witness[0] !== 1 || witness[1] !== 32) {
    return refuse(
      "the coinbase prefix has the segwit marker, so the suffix must end in a witness of one 32-byte item and the " +
        `lock time (BIP141); it has ${suffix.length} bytes and does not`
    )
  }
  return Result.succeed({
    prefix: concat(prefix.subarray(0, 4), prefix.subarray(6)),
    suffix: concat(suffix.subarray(0, witnessAt), suffix.subarray(-4))
  })
}

/** The txid (internal order) of a coinbase with or without witness. Fails as `stripWitness` does. */
export const coinbaseTxid = (coinbase: Uint8Array): Result.Result<Uint8Array, CoinbaseError> =>
  Result.map(stripWitness(coinbase.subarray(0, 6), coinbase.subarray(6)), ({ prefix, suffix }) =>
    doubleSha256(concat(prefix, suffix))
  )

const OP_0 = 0x00
const OP_1 = 0x51
const OP_PUSHDATA1 = 0x4c
const MARKER_AND_FLAG = new Uint8Array([0x00, 0x01])
/** One stack item of 32 zero bytes. */
const RESERVED_VALUE_WITNESS = new Uint8Array([1, 32, ...new Uint8Array(32)])
/** Input count 1, null previous output. */
const COINBASE_INPUT = new Uint8Array([1, ...new Uint8Array(32), 0xff, 0xff, 0xff, 0xff])

/** No transaction has an input count of zero, so a zero is the marker. */
const hasMarker = (transaction: Uint8Array): boolean => transaction[4] === 0x00 && transaction[5] !== 0x00

const pushOpcode = (length: number): Uint8Array =>
  length < OP_PUSHDATA1 ? new Uint8Array([length]) : new Uint8Array([OP_PUSHDATA1, length])

const refuse = (message: string): Result.Result<never, CoinbaseError> => Result.fail(new CoinbaseError({ message }))

const u32 = (value: number): Uint8Array =>
  new Uint8Array([value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24])

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))
