/**
 * Checks a SetCustomMiningJob (specification, section 5.3.18) against its token, the chain and the pool's payout, and makes a job of
 * it. Knows nothing about who sent it and whether its token was used before. Each difference has its own error code.
 */
import {
  checkJobCoinbase,
  heightPush,
  isWitnessCommitment,
  MAX_COINBASE_SCRIPT_SIZE,
  MAX_COINBASE_SIZE,
  MAX_MERKLE_PATH_LENGTH,
  type Output,
  parseCountedOutputs,
  type SplitCoinbase,
  WITNESS_SIZE
} from "@sluice/bitcoin"
import type { CustomJob, CustomJobRefusal, CustomJobRequest } from "@sluice/channels"
import { Version } from "@sluice/core"
import { ErrorCode, type Mining } from "@sluice/protocol"
import { Result } from "effect"
import { digestOfJob, type Token } from "../token/tokens.ts"
import { CustomJobTicket } from "./custom-block.ts"
import { type PayoutRules, whyUnpaid } from "./payout-rules.ts"

const codes = ErrorCode.setCustomMiningJob

export type CustomJobParts = Pick<CustomJobRequest, "message" | "extranonceSize" | "tip" | "versionRollingAllowed">

/** Returns the job, or the first rule that the message breaks. */
export const checkCustomJob = (
  request: CustomJobParts,
  token: Token,
  payout: PayoutRules
): Result.Result<CustomJob, CustomJobRefusal> => {
  const { extranonceSize, message, tip, versionRollingAllowed } = request
  if (token.mode === "full-template" && token.declared === undefined) {
    return refused(
      codes.jobNotYetValidated,
      "the token of a client that declares its transactions is that of DeclareMiningJob.Success; this one was only allocated"
    )
  }
  const broken =
    brokenByChain(message, tip) ??
    brokenByDeclaration(message, token) ??
    brokenByConsensus(message, extranonceSize, tip.height)
  if (broken !== undefined) return Result.fail(broken)
  const parsed = parseCountedOutputs(message.coinbaseTxOutputs)
  if (Result.isFailure(parsed)) return refused(codes.invalidCoinbaseTxOutputs, parsed.failure.message)
  const outputs = parsed.success
  const unpaid = whyUnpaid(outputs, payout)
  if (unpaid !== undefined) return refused(codes.invalidCoinbaseTxOutputs, unpaid)
  const coinbase = customCoinbase(message, extranonceSize)
  const fault = faultOf(coinbase, extranonceSize)
  if (fault !== undefined) return refused(codes.invalidCoinbaseTx, fault)
  const merklePathBytes = new Uint8Array(Buffer.concat(message.merklePath))
  return Result.succeed({
    job: {
      height: tip.height,
      version: message.version,
      versionRollingAllowed,
      coinbasePrefix: coinbase.prefix,
      coinbaseSuffix: coinbase.suffix,
      merklePath: message.merklePath.map((_, index) => merklePathBytes.subarray(index * 32, index * 32 + 32)),
      merklePathBytes
    },
    minNtime: message.minNtime,
    accepted: new CustomJobTicket(token, hasCommitment(outputs))
  })
}

/** The parts of a coinbase in SetCustomMiningJob. */
export type CustomCoinbaseFields = Pick<
  Mining.SetCustomMiningJob,
  "coinbaseTxVersion" | "coinbasePrefix" | "coinbaseTxInputNSequence" | "coinbaseTxOutputs" | "coinbaseTxLocktime"
>

/**
 * The coinbase that a SetCustomMiningJob describes, without witness, cut around the extranonce: the extranonce ends the scriptSig. The
 * script must have at most 252 bytes.
 */
export const customCoinbase = (fields: CustomCoinbaseFields, extranonceSize: number): SplitCoinbase => {
  const { coinbasePrefix, coinbaseTxInputNSequence, coinbaseTxLocktime, coinbaseTxOutputs, coinbaseTxVersion } = fields
  const prefix = new Uint8Array(SCRIPT_AT + coinbasePrefix.length)
  const prefixView = new DataView(prefix.buffer)
  prefixView.setUint32(0, coinbaseTxVersion, true)
  prefix[INPUT_COUNT_AT] = 1
  prefixView.setUint32(INDEX_AT, 0xffffffff, true)
  prefix[SCRIPT_AT - 1] = coinbasePrefix.length + extranonceSize
  prefix.set(coinbasePrefix, SCRIPT_AT)
  const suffix = new Uint8Array(4 + coinbaseTxOutputs.length + 4)
  const suffixView = new DataView(suffix.buffer)
  suffixView.setUint32(0, coinbaseTxInputNSequence, true)
  suffix.set(coinbaseTxOutputs, 4)
  suffixView.setUint32(suffix.length - 4, coinbaseTxLocktime, true)
  return { prefix, suffix }
}

const brokenByChain = (
  { minNtime, nbits, prevHash }: Mining.SetCustomMiningJob,
  { latestNtime, leastNtime, prevHash: tip }: CustomJobRequest["tip"]
): CustomJobRefusal | undefined => {
  if (!isEqual(prevHash, tip.hash)) {
    return {
      errorCode: codes.staleChainTip,
      reason: `prev_hash is the pool's, ${display(tip.hash)}; it is ${display(prevHash)}`
    }
  }
  if (nbits !== tip.nbits) {
    return { errorCode: codes.invalidNbits, reason: `nbits is ${bits(tip.nbits)}; it is ${bits(nbits)}` }
  }
  if (minNtime >= leastNtime && minNtime <= latestNtime) return undefined
  const reason = `min_ntime is from ${leastNtime} to ${latestNtime}; it is ${minNtime}: check the clocks`
  return { errorCode: codes.invalidMinNtime, reason }
}

/** The codes for fields that differ from those of DeclareMiningJob, in the order in which they are compared. */
const DECLARED = [
  ["coinbaseTxVersion", codes.invalidCoinbaseTxVersion],
  ["coinbasePrefix", codes.invalidCoinbasePrefix],
  ["coinbaseTxInputNSequence", codes.invalidCoinbaseTxInputNSequence],
  ["coinbaseTxOutputs", codes.invalidCoinbaseTxOutputs],
  ["coinbaseTxLocktime", codes.invalidCoinbaseTxLocktime],
  ["merklePath", codes.invalidMerklePath]
] as const

const brokenByDeclaration = (message: Mining.SetCustomMiningJob, { declared }: Token): CustomJobRefusal | undefined => {
  if (declared === undefined) return undefined
  if (!isEqual(message.prevHash, declared.prevHash)) {
    const reason = `the job was declared on ${display(declared.prevHash)}; prev_hash is ${display(message.prevHash)}`
    return { errorCode: codes.staleChainTip, reason }
  }
  if (!Version.isVersionRolledWithin(declared.version, message.version, Version.VERSION_MASK)) {
    const reason = `the job was declared with the version ${bits(declared.version)}; it is ${bits(message.version)}`
    return { errorCode: codes.invalidVersion, reason }
  }
  const given = digestOfJob(message)
  for (const [field, errorCode] of DECLARED) {
    const [is, was] = [given[field], declared[field]]
    if (typeof is === "number" || typeof was === "number" ? is === was : isEqual(is, was)) continue
    const reason =
      typeof is === "number" && typeof was === "number"
        ? `the job was declared with ${field} ${was}; it is ${is}`
        : `${field} is another one than that of the declared job`
    return { errorCode, reason }
  }
  return undefined
}

/** The rules of consensus that need no transactions. A lock time by the clock is compared with min_ntime: the pool knows no median time. */
const brokenByConsensus = (
  message: Mining.SetCustomMiningJob,
  extranonceSize: number,
  height: number
): CustomJobRefusal | undefined => {
  const { coinbasePrefix, coinbaseTxInputNSequence, coinbaseTxLocktime, merklePath, minNtime, version } = message
  if ((version | 0) < LEAST_VERSION) {
    const reason = `a block's version is a positive number from ${LEAST_VERSION} on (BIP34, BIP65, BIP66); it is ${bits(version)}`
    return { errorCode: codes.invalidVersion, reason }
  }
  const push = heightPush(height)
  if (!isEqual(coinbasePrefix.subarray(0, push.length), push)) {
    const reason = `coinbase_prefix begins with the push of the height ${height}, ${hex(push)} (BIP34); it is ${hex(coinbasePrefix)}`
    return { errorCode: codes.invalidCoinbasePrefix, reason }
  }
  const scriptSize = coinbasePrefix.length + extranonceSize
  if (scriptSize > MAX_COINBASE_SCRIPT_SIZE) {
    const reason =
      `the scriptSig of a coinbase has at most ${MAX_COINBASE_SCRIPT_SIZE} bytes; coinbase_prefix has ` +
      `${coinbasePrefix.length}, and the channel's extranonce ${extranonceSize}`
    return { errorCode: codes.invalidCoinbasePrefix, reason }
  }
  const isFinal =
    coinbaseTxInputNSequence === FINAL_SEQUENCE ||
    coinbaseTxLocktime < (coinbaseTxLocktime < FIRST_LOCK_TIME_BY_CLOCK ? height : minNtime)
  if (!isFinal) {
    const reason =
      `the coinbase is final at height ${height} and time ${minNtime}, or its sequence is ffffffff; ` +
      `its lock time is ${coinbaseTxLocktime}`
    return { errorCode: codes.invalidCoinbaseTxLocktime, reason }
  }
  if (merklePath.length <= MAX_MERKLE_PATH_LENGTH) return undefined
  const reason = `merkle_path has at most ${MAX_MERKLE_PATH_LENGTH} hashes, as that of the fullest block; it has ${merklePath.length}`
  return { errorCode: codes.invalidMerklePath, reason }
}

const faultOf = ({ prefix, suffix }: SplitCoinbase, extranonceSize: number): string | undefined => {
  const size = prefix.length + extranonceSize + suffix.length + WITNESS_SIZE
  if (size > MAX_COINBASE_SIZE) return `a coinbase has at most ${MAX_COINBASE_SIZE} bytes (section 7.7); it has ${size}`
  return checkJobCoinbase({ prefix, suffix, extranonceSize })?.message
}

const hasCommitment = (outputs: ReadonlyArray<Output>): boolean =>
  outputs.some(({ script }) => isWitnessCommitment(script))

const refused = (errorCode: string, reason: string): Result.Result<never, CustomJobRefusal> =>
  Result.fail({ errorCode, reason })

/** Where the fields of a coinbase begin: version, input count, null outpoint with its index, and the scriptSig behind its length. */
const INPUT_COUNT_AT = 4
const INDEX_AT = 37
const SCRIPT_AT = 42
/** Blocks with a lower version break BIP34, BIP66 or BIP65. */
const LEAST_VERSION = 4
const FINAL_SEQUENCE = 0xffffffff
/** Lock times from here on are seconds since 1970. */
const FIRST_LOCK_TIME_BY_CLOCK = 500_000_000

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex") || "empty"
const display = (hash: Uint8Array): string => hex(hash.toReversed())
const bits = (value: number): string => value.toString(16).padStart(8, "0")
