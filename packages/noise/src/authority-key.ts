/**
 * Keys of the authority that signs servers' certificates, and their base58check text (specification, section 4.7).
 *
 * The public key is `01 00` (a version, U16 little-endian) and the 32-byte x-only key of BIP340; the secret key is its 32
 * bytes alone, without a version.
 *
 * The curve is node:crypto's here: commands that make or read one key start without loading and warming up @noble/curves.
 */
import { createBase58check } from "@scure/base"
import { Effect, Redacted, Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { createECDH, createHash, ECDH } from "node:crypto"
import { entropy } from "./entropy.ts"

/** The text is not a valid authority key. The message never contains the text of a secret key. */
export class AuthorityKeyError extends Schema.TaggedError<AuthorityKeyError>("sluice/noise/AuthorityKeyError")(
  "AuthorityKeyError",
  { message: Schema.String }
) {}

export interface KeyPair {
  readonly secretKey: Redacted.Redacted<Uint8Array>
  /** x-only, 32 bytes. */
  readonly publicKey: Uint8Array
}

/** Makes a new key pair, with randomness from the `WebCrypto` reference. */
export const generate: Effect.Effect<KeyPair> = Effect.map(entropy, (random) => {
  const secretKey = Redacted.make(secretKeyOf(random(SEED_SIZE)), redactedLabel)
  return { secretKey, publicKey: publicKeyOf(secretKey) }
})

/** The x-only public key (32 bytes) of a secret key. */
export const publicKeyOf = (secretKey: Redacted.Redacted<Uint8Array>): Uint8Array => {
  const ecdh = createECDH(CURVE)
  ecdh.setPrivateKey(Redacted.value(secretKey))
  return Uint8Array.from(ecdh.getPublicKey(null, "compressed").subarray(1))
}

/** `9bXiEd8…`: the text of an x-only public key. */
export const formatPublicKey = (publicKey: Uint8Array): string => {
  const bytes = new Uint8Array(VERSION.length + KEY_SIZE)
  bytes.set(VERSION)
  bytes.set(publicKey, VERSION.length)
  return base58check.encode(bytes)
}

/** The text of a secret key. Keep it as secret as the key. */
export const formatSecretKey = (secretKey: Redacted.Redacted<Uint8Array>): string =>
  base58check.encode(Redacted.value(secretKey))

/** Parses the text of a public key. Gives the x-only key, 32 bytes. */
export const parsePublicKey = (text: string): Result.Result<Uint8Array, AuthorityKeyError> => {
  const bytes = decode(text)
  if (bytes === undefined) return refuse(`"${shorten(text)}" is not an authority public key: ${NOT_BASE58CHECK}`)
  if (bytes.length === KEY_SIZE) {
    return refuse(
      `"${shorten(text)}" holds 32 bytes without a version. That is either an old form of authority public key, in use before the ` +
        `version was introduced${isXOnly(bytes) ? ` (today's form of it is ${formatPublicKey(bytes)})` : ""}, or a secret ` +
        `key, which belongs to nobody but its owner. Ask the server's operator for its current public key`
    )
  }
  if (bytes.length !== VERSION.length + KEY_SIZE) {
    return refuse(
      `"${shorten(text)}" holds ${bytes.length} bytes; an authority public key has 34: 01 00 and the 32 of the key`
    )
  }
  if (bytes[0] !== VERSION[0] || bytes[1] !== VERSION[1]) {
    return refuse(
      `"${shorten(text)}" is an authority public key of version ${bytes[0]! | (bytes[1]! << 8)}; expected version 1 (01 00)`
    )
  }
  const key = bytes.slice(VERSION.length)
  if (!isXOnly(key)) return refuse(`"${shorten(text)}" is not a key: its 32 bytes are no x coordinate of secp256k1`)
  return Result.succeed(key)
}

/** Parses the text of a secret key, 32 bytes. */
export const parseSecretKey = (text: string): Result.Result<Redacted.Redacted<Uint8Array>, AuthorityKeyError> => {
  const bytes = decode(text)
  if (bytes === undefined) return refuse(`this is not an authority secret key: ${NOT_BASE58CHECK}`)
  if (bytes.length === VERSION.length + KEY_SIZE) {
    return refuse("this is an authority public key; expected the secret key that belongs to it (`sluice key generate`)")
  }
  if (bytes.length !== KEY_SIZE) {
    return refuse(
      `this holds ${bytes.length} bytes; an authority secret key has 32 (\`sluice key generate\` makes one)`
    )
  }
  const number = numberOf(bytes)
  if (number === 0n || number >= ORDER) {
    return refuse("this is not an authority secret key: its 32 bytes are 0 or not below the order of secp256k1")
  }
  return Result.succeed(Redacted.make(bytes, redactedLabel))
}

/** A Schema between text and x-only key, for configurations and addresses. */
export const PublicKey: Schema.Codec<Uint8Array, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Uint8Array,
    SchemaTransformation.transformEffect({
      decode: (text: string) => orIssue(parsePublicKey(text)),
      encode: (key) => Effect.succeed(formatPublicKey(key))
    })
  )
)

/** A Schema between text and secret key, for configurations. */
export const SecretKey: Schema.Codec<Redacted.Redacted<Uint8Array>, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Redacted(Schema.Uint8Array),
    SchemaTransformation.transformEffect({
      decode: (text: string) => orIssue(parseSecretKey(text)),
      encode: (key) => Effect.succeed(formatSecretKey(key))
    })
  )
)

const KEY_SIZE = 32
const VERSION = Uint8Array.of(1, 0)
const NOT_BASE58CHECK =
  "it is not base58check text; a character is missing, mistyped or too many (0, O, I and l are never part of a key)"
/** The longest text to decode: longer than any key, and short because decoding takes quadratic time. */
const MAX_TEXT = 128

const redactedLabel = { label: "authority secret key" }
const base58check = createBase58check((bytes: Uint8Array) => createHash("sha256").update(bytes).digest())
const CURVE = "secp256k1"
/** The order of secp256k1. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
/** Random bytes for a key: 16 more than a key has, so that the remainder is as good as uniform (FIPS 186-5, A.2.1). */
const SEED_SIZE = 48

/** A secret key of `SEED_SIZE` random bytes: 1 to the order less 1, big-endian. */
const secretKeyOf = (seed: Uint8Array): Uint8Array => {
  const number = (numberOf(seed) % (ORDER - 1n)) + 1n
  return Uint8Array.from(Buffer.from(number.toString(16).padStart(2 * KEY_SIZE, "0"), "hex"))
}

/** The number of these bytes, big-endian. */
const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`)

const decode = (text: string): Uint8Array | undefined => {
  if (text.length > MAX_TEXT) return undefined
  try {
    return base58check.decode(text)
  } catch {
    return undefined
  }
}

const isXOnly = (key: Uint8Array): boolean => {
  try {
    ECDH.convertKey(Uint8Array.of(2, ...key), CURVE)
    return true
  } catch {
    return false
  }
}

const shorten = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text)

const refuse = (message: string): Result.Result<never, AuthorityKeyError> =>
  Result.fail(new AuthorityKeyError({ message }))

const orIssue = <A>(result: Result.Result<A, AuthorityKeyError>): Effect.Effect<A, SchemaIssue.Issue> =>
  Result.isSuccess(result)
    ? Effect.succeed(result.success)
    : Effect.fail(new SchemaIssue.InvalidValue({ message: result.failure.message }))
