/**
 * Tokens for mining jobs (specification, sections 6.4.3 and 6.4.5). A token carries what it says, then a MAC over it: the server of
 * Job Declaration and the pool need no common memory, only one key (docs/decisions/0015-tokens-need-no-common-memory.md).
 *
 * Layout, numbers little-endian: kind U8, mode U8, expiry U32, serial 16 bytes, user 32 bytes; in a declared token then version U32,
 * previous hash U256, coinbase version U32, script 32 bytes, sequence U32, outputs 32 bytes, lock time U32, merkle path 32 bytes;
 * then HMAC-SHA256 of all of it. Users, scripts, outputs and paths are SHA-256 digests.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import { Redacted, Result } from "effect"
import { parseUserIdentity } from "@sluice/channels"

/** Bytes of the key that the pool and its declarator share. */
export const TOKEN_KEY_SIZE = 32
/** Bytes of a serial. */
export const TOKEN_SERIAL_SIZE = 16

/** The key that the pool and its declarator share: 32 bytes. */
export type TokenKey = Redacted.Redacted<Uint8Array>

/** Throws a `RangeError` for another number of bytes than 32. */
export const TokenKey = (bytes: Uint8Array): TokenKey => {
  if (bytes.length === TOKEN_KEY_SIZE) return Redacted.make(bytes.slice(), { label: "token key" })
  throw new RangeError(`a token key has ${TOKEN_KEY_SIZE} bytes; got ${bytes.length}`)
}

/** Whether the client reveals its transactions (6.3). */
export type TokenMode = "full-template" | "coinbase-only"

/** What a token says. */
export interface Token {
  readonly mode: TokenMode
  /** Seconds since 1970. From then on the token is worth nothing. */
  readonly expiresAt: number
  /** 16 random bytes. The declarator and the pool each use a serial once. A declared token has that of its allocated token. */
  readonly serial: Uint8Array
  /** The account that the token is for: `tokenUser` of `user_identifier` in AllocateMiningJobToken. */
  readonly user: Uint8Array
  /** The job that was declared; `undefined` in an allocated token. */
  readonly declared: DeclaredDigest | undefined
}

/** A job as DeclareMiningJob and SetCustomMiningJob both give it. Hashes in internal byte order. */
export interface DeclaredJob {
  readonly version: number
  readonly prevHash: Uint8Array
  readonly coinbaseTxVersion: number
  /** The scriptSig before the extranonce: `coinbase_prefix` of SetCustomMiningJob. */
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseTxInputNSequence: number
  /** Serialized outputs behind their count (CompactSize). */
  readonly coinbaseTxOutputs: Uint8Array
  readonly coinbaseTxLocktime: number
  readonly merklePath: ReadonlyArray<Uint8Array>
}

/** The same with SHA-256 digests of the parts that have no fixed size. */
export interface DeclaredDigest {
  readonly version: number
  readonly prevHash: Uint8Array
  readonly coinbaseTxVersion: number
  readonly coinbasePrefix: Uint8Array
  readonly coinbaseTxInputNSequence: number
  readonly coinbaseTxOutputs: Uint8Array
  readonly coinbaseTxLocktime: number
  readonly merklePath: Uint8Array
}

/** Why bytes are no valid token: nobody with the key wrote them, or their time is over. */
export type TokenFault = "forged" | "expired"

export class Tokens {
  readonly #key: TokenKey

  constructor(key: TokenKey) {
    this.#key = key
  }

  /** Makes the token of AllocateMiningJobToken.Success. */
  allocate(token: Omit<Token, "declared">): Uint8Array {
    return this.#seal({ ...token, declared: undefined })
  }

  /** Makes the token of DeclareMiningJob.Success: the allocated token with the job that was declared. */
  declare(token: Token, job: DeclaredJob): Uint8Array {
    return this.#seal({ ...token, declared: digestOfJob(job) })
  }

  /** Reads a token that a peer sent. Compares its MAC in constant time. */
  read(bytes: Uint8Array, nowSeconds: number): Result.Result<Token, TokenFault> {
    const size = bytes.length - MAC_SIZE
    if (size !== ALLOCATED_SIZE && size !== DECLARED_SIZE) return FORGED
    const said = bytes.subarray(0, size)
    if (!timingSafeEqual(this.#mac(said), bytes.subarray(size))) return FORGED
    if (said[KIND_AT] !== (size === ALLOCATED_SIZE ? KIND_ALLOCATED : KIND_DECLARED)) return FORGED
    const token = parse(said)
    return nowSeconds < token.expiresAt ? Result.succeed(token) : EXPIRED
  }

  #seal(token: Token): Uint8Array {
    const said = serialize(token)
    const bytes = new Uint8Array(said.length + MAC_SIZE)
    bytes.set(said)
    bytes.set(this.#mac(said), said.length)
    return bytes
  }

  #mac(said: Uint8Array): Uint8Array {
    return createHmac("sha256", Redacted.value(this.#key)).update(said).digest()
  }
}

/** The user of a token for this identity: the digest of its account, which is the part before the first dot. */
export const tokenUser = (userIdentity: string): Uint8Array => sha256(Buffer.from(parseUserIdentity(userIdentity).user))

export const digestOfJob = (job: DeclaredJob): DeclaredDigest => ({
  version: job.version,
  prevHash: job.prevHash,
  coinbaseTxVersion: job.coinbaseTxVersion,
  coinbasePrefix: sha256(job.coinbasePrefix),
  coinbaseTxInputNSequence: job.coinbaseTxInputNSequence,
  coinbaseTxOutputs: sha256(job.coinbaseTxOutputs),
  coinbaseTxLocktime: job.coinbaseTxLocktime,
  merklePath: sha256(...job.merklePath)
})

const serialize = ({ declared, expiresAt, mode, serial, user }: Token): Uint8Array => {
  const bytes = new Uint8Array(declared === undefined ? ALLOCATED_SIZE : DECLARED_SIZE)
  const writer = new Fields(bytes)
  bytes[KIND_AT] = declared === undefined ? KIND_ALLOCATED : KIND_DECLARED
  bytes[MODE_AT] = mode === "full-template" ? MODE_FULL_TEMPLATE : MODE_COINBASE_ONLY
  writer.setU32(expiresAt)
  writer.set(serial, TOKEN_SERIAL_SIZE)
  writer.set(user, DIGEST_SIZE)
  if (declared === undefined) return bytes
  writer.setU32(declared.version)
  writer.set(declared.prevHash, DIGEST_SIZE)
  writer.setU32(declared.coinbaseTxVersion)
  writer.set(declared.coinbasePrefix, DIGEST_SIZE)
  writer.setU32(declared.coinbaseTxInputNSequence)
  writer.set(declared.coinbaseTxOutputs, DIGEST_SIZE)
  writer.setU32(declared.coinbaseTxLocktime)
  writer.set(declared.merklePath, DIGEST_SIZE)
  return bytes
}

const parse = (bytes: Uint8Array): Token => {
  const reader = new Fields(bytes)
  const head = {
    mode: bytes[MODE_AT] === MODE_FULL_TEMPLATE ? ("full-template" as const) : ("coinbase-only" as const),
    expiresAt: reader.u32(),
    serial: reader.take(TOKEN_SERIAL_SIZE),
    user: reader.take(DIGEST_SIZE)
  }
  if (bytes.length === ALLOCATED_SIZE) return { ...head, declared: undefined }
  const declared = {
    version: reader.u32(),
    prevHash: reader.take(DIGEST_SIZE),
    coinbaseTxVersion: reader.u32(),
    coinbasePrefix: reader.take(DIGEST_SIZE),
    coinbaseTxInputNSequence: reader.u32(),
    coinbaseTxOutputs: reader.take(DIGEST_SIZE),
    coinbaseTxLocktime: reader.u32(),
    merklePath: reader.take(DIGEST_SIZE)
  }
  return { ...head, declared }
}

/** Writes or reads fields one after the other, behind kind and mode. */
class Fields {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = FIELDS_AT

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  setU32(value: number): void {
    this.#view.setUint32(this.#skip(4), value, true)
  }

  /** Throws a `RangeError` for another size, because the token would say something else. */
  set(field: Uint8Array, size: number): void {
    if (field.length !== size) throw new RangeError(`this field of a token has ${size} bytes; got ${field.length}`)
    this.#bytes.set(field, this.#skip(size))
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true)
  }

  /** A copy: the bytes of a message are a view on a read buffer. */
  take(size: number): Uint8Array {
    const at = this.#skip(size)
    return this.#bytes.slice(at, at + size)
  }

  #skip(size: number): number {
    const at = this.#at
    this.#at = at + size
    return at
  }
}

const sha256 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

const KIND_AT = 0
const MODE_AT = 1
const FIELDS_AT = 2
const KIND_ALLOCATED = 1
const KIND_DECLARED = 2
const MODE_FULL_TEMPLATE = 1
const MODE_COINBASE_ONLY = 2
const DIGEST_SIZE = 32
const MAC_SIZE = 32
const ALLOCATED_SIZE = FIELDS_AT + 4 + TOKEN_SERIAL_SIZE + DIGEST_SIZE
/** 230 bytes with the MAC; a token has at most 255. */
const DECLARED_SIZE = ALLOCATED_SIZE + 4 * 4 + 4 * DIGEST_SIZE

const FORGED = Result.fail("forged" as const)
const EXPIRED = Result.fail("expired" as const)
