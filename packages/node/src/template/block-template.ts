/**
 * The answer to `getblocktemplate` (BIP22, BIP23, BIP145) in Bitcoin Core's form. The Schema checks the form and converts nothing:
 * hashes stay hex in display order and transactions hex, because only a part of a template's thousands of transactions is ever read.
 */
import { Predicate, Schema } from "effect"
import { MAX_MONEY } from "@sluice/bitcoin"

const whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
/** A cost, which is not negative. */
const Count = whole(0, Number.MAX_SAFE_INTEGER)
/** Seconds since 1970 in 32 bits, as in a block's header. */
const Time = whole(0, 0xffffffff)
/** Lock times from this number on are times, not heights. */
const LOCK_TIME_THRESHOLD = 500_000_000

/** 32 bytes in hex. */
const Hash = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
/** The same for thousands of transactions: functions that read the digits, such as `merklePath`, check them. */
const UnreadHash = Schema.String.check(Schema.isBetweenLength(64, 64))

/** One transaction of a template; the coinbase is not among them. */
export const TemplateTransaction = Schema.Struct({
  /** The transaction with its witness, in hex. */
  data: Schema.String,
  /** Display order. */
  txid: UnreadHash,
  /** The wtxid, display order. */
  hash: UnreadHash,
  /** One-based positions in this list of the transactions that it spends from. */
  depends: Schema.Array(Schema.Int),
  /** Satoshis. */
  fee: Count,
  /** Signature operations as consensus counts them for a segwit block (legacy ones count four times). */
  sigops: Count,
  /** Weight units. */
  weight: Count
})
export type TemplateTransaction = typeof TemplateTransaction.Type

export const BlockTemplate = Schema.Struct({
  /** Signed in Bitcoin Core. */
  version: whole(-0x80000000, 0xffffffff),
  /** Bitcoin Core answers these three (BIP9); btcd does not. */
  rules: Schema.optionalKey(Schema.Array(Schema.String)),
  vbavailable: Schema.optionalKey(Schema.Record(Schema.String, Schema.Int)),
  vbrequired: Schema.optionalKey(Schema.Int),
  /** Display order. */
  previousblockhash: Hash,
  transactions: Schema.Array(TemplateTransaction),
  coinbaseaux: Schema.Record(Schema.String, Schema.String),
  /** Subsidy and fees, in satoshis. */
  coinbasevalue: whole(0, Number(MAX_MONEY)),
  longpollid: Schema.optionalKey(Schema.String),
  /** 256 bits, big-endian hex. */
  target: Hash,
  /** The least header time allowed: median time past plus one, in seconds. */
  mintime: Time,
  mutable: Schema.Array(Schema.String),
  noncerange: Schema.String,
  sigoplimit: Count,
  sizelimit: Count,
  weightlimit: Schema.optionalKey(Count),
  /** The node's clock, at least `mintime`, in seconds. */
  curtime: Time,
  /** Compact target, big-endian hex. */
  bits: Schema.String.check(Schema.isPattern(/^[0-9a-f]{8}$/)),
  height: whole(1, LOCK_TIME_THRESHOLD - 1),
  signet_challenge: Schema.optionalKey(Schema.String),
  /** The scriptPubKey of the witness commitment output for exactly these transactions, hex. */
  default_witness_commitment: Schema.optionalKey(Schema.String)
})
export type BlockTemplate = typeof BlockTemplate.Type

/**
 * Does the same as `decodeUnknownSync(BlockTemplate)`, in a fraction of the time for a template with thousands of transactions: the
 * Schema checks all but the transactions, and code checks those. If one is wrong, the Schema makes the error. Throws a
 * `SchemaError`.
 */
export const decodeBlockTemplate = (answer: unknown): BlockTemplate => {
  const transactions: unknown = Predicate.hasProperty(answer, "transactions") ? answer.transactions : undefined
  if (!Array.isArray(transactions) || !transactions.every(isTransaction)) return decodeWhole(answer)
  return { ...decodeWhole({ ...(answer as object), transactions: [] }), transactions }
}

const decodeWhole = Schema.decodeUnknownSync(BlockTemplate)

const isTransaction = (value: unknown): value is TemplateTransaction => {
  if (!hasCosts(value)) return false
  const { data, hash, txid } = value as Readonly<Record<string, unknown>>
  return (
    typeof data === "string" &&
    typeof txid === "string" &&
    txid.length === 64 &&
    typeof hash === "string" &&
    hash.length === 64
  )
}

/** The costs of a transaction in a block, its fee and its dependencies. */
export type TransactionCosts = Pick<TemplateTransaction, "depends" | "fee" | "sigops" | "weight">

/** Whether all these fields are valid. */
export const hasCosts = (value: unknown): value is TransactionCosts => {
  if (typeof value !== "object" || value === null) return false
  const { depends, fee, sigops, weight } = value as Readonly<Record<string, unknown>>
  return (
    Array.isArray(depends) && depends.every(Number.isSafeInteger) && isCount(fee) && isCount(sigops) && isCount(weight)
  )
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
