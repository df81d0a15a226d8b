/**
 * Who is paid for a block: the outputs that the pool adds to the coinbase. One address or descriptor gets all of it, or
 * several get percentages. In a solo pool the miner who finds the block is paid, less the pool's fee.
 *
 * Amounts are whole satoshis, rounded down for each output; what is left over by rounding goes to the first output.
 */
import {
  AddressError,
  type Chain,
  compactSize,
  DescriptorError,
  isDescriptor,
  type Output,
  scriptForAddress,
  scriptForDescriptor,
  scriptSigopsCost
} from "@sluice/bitcoin"
import type { CoinbaseConstraints } from "@sluice/template-provider"
import { Result, Schema } from "effect"
import { parseUserIdentity } from "./user.ts"

/** One of several who share a reward. */
export interface PayoutShare {
  /** An address or a descriptor. */
  readonly to: string
  /** More than 0, with at most four decimals; those of all outputs sum to 100. */
  readonly percent: number
}

/** In a solo pool each miner's address is in its user identity, `ADDRESS` or `ADDRESS.WORKER`, and gets the reward. */
export interface SoloOptions {
  /** What the pool keeps of it, for its own outputs: 0 to 100, with at most four decimals. */
  readonly feePercent: number
}

export interface PayoutOptions {
  /** Who is paid for a block: an address or a descriptor without a range. */
  readonly coinbaseAddress?: string
  /** Several who are paid, in the place of `coinbaseAddress`. */
  readonly coinbaseOutputs?: ReadonlyArray<PayoutShare>
  /** Refuses addresses of other networks. By default any will do. */
  readonly chain?: Chain
  /** Pays the miners themselves. Without a fee the pool needs no output of its own. */
  readonly solo?: SoloOptions
}

/** Outputs and what each gets of a whole that is `WHOLE`. */
export interface Payout {
  readonly outputs: ReadonlyArray<{ readonly script: Uint8Array; readonly part: bigint }>
  /** What a solo pool keeps, of `WHOLE`; undefined for a pool that is paid itself. */
  readonly soloFee: bigint | undefined
}

/** Percentages have four decimals. */
const WHOLE = 1_000_000n
const DECIMALS = 4

/** A percentage that cannot be. */
export class PayoutError extends Schema.TaggedError<PayoutError>("sluice/pool/PayoutError")("PayoutError", {
  message: Schema.String
}) {}

/** Reads the options. Throws `AddressError`, `DescriptorError`, or `PayoutError`. */
export const payoutOf = (options: PayoutOptions): Payout => {
  const { chain, coinbaseAddress, coinbaseOutputs, solo } = options
  if (coinbaseAddress !== undefined && coinbaseOutputs !== undefined) {
    throw new PayoutError({ message: "give one address, or outputs with percentages, not both" })
  }
  const soloFee = solo === undefined ? undefined : partOf(solo.feePercent, "the fee", 0n)
  const shares = coinbaseOutputs ?? (coinbaseAddress === undefined ? [] : [{ to: coinbaseAddress, percent: 100 }])
  if (shares.length === 0 && soloFee === 0n) return { outputs: [], soloFee }
  if (shares.length === 0)
    throw new PayoutError({ message: "there is nobody to be paid: give an address or a descriptor" })
  const outputs = shares.map(({ percent, to }) => ({
    script: Result.getOrThrow(payoutScript(to, chain)),
    part: partOf(percent, to, 1n)
  }))
  const sum = outputs.reduce((sum, { part }) => sum + part, 0n)
  if (sum !== WHOLE) {
    const message = `the percentages of all outputs sum to 100; these sum to ${Number(sum) / 10 ** DECIMALS}`
    throw new PayoutError({ message })
  }
  return { outputs, soloFee }
}

/** What each output of the pool's own gets of `reward`. */
export const splitReward = ({ outputs }: Payout, reward: bigint): ReadonlyArray<Output> => {
  const split = outputs.map(({ part, script }) => ({ value: (reward * part) / WHOLE, script }))
  const [first, ...others] = split
  if (first === undefined) return []
  const rest = reward - split.reduce((sum, { value }) => sum + value, 0n)
  return [{ ...first, value: first.value + rest }, ...others]
}

/** The miner first, with the reward less the fee; then the pool's own outputs, if it keeps anything. */
export const splitSoloReward = (payout: Payout, miner: Uint8Array, reward: bigint): ReadonlyArray<Output> => {
  const fee = (reward * (payout.soloFee ?? 0n)) / WHOLE
  const own = payout.soloFee === 0n ? [] : splitReward(payout, fee)
  return [{ value: reward - fee, script: miner }, ...own]
}

/**
 * The scriptPubKey for an address or a descriptor of `chain`, or, without it, of any network: the text itself says which.
 * Fails with `AddressError` or `DescriptorError`.
 */
export const payoutScript = (to: string, chain?: Chain): Result.Result<Uint8Array, AddressError | DescriptorError> => {
  const scriptFor = isDescriptor(to) ? scriptForDescriptor : scriptForAddress
  const [first = "main", ...others] = chain === undefined ? CHAINS : [chain]
  const attempt = (chain: Chain) =>
    Result.try({ try: () => scriptFor(to, chain), catch: (error) => error as AddressError | DescriptorError })
  let result = attempt(first)
  for (const other of others) if (Result.isFailure(result)) result = attempt(other)
  return result
}

/** The script of the address in a user identity, or `undefined` where there is none: who is paid in a solo pool. */
export const minerScript = (identity: string, chain?: Chain): Uint8Array | undefined => {
  const { user } = parseUserIdentity(identity)
  if (!LIKE_ADDRESS.test(user)) return undefined
  // A name that is none is an error for each chain, whose stack nobody reads and costs more than all the rest.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return Result.getOrUndefined(payoutScript(user, chain))
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** What all addresses look like: base58 or bech32 of at most 90 characters (BIP173). */
const LIKE_ADDRESS = /^[0-9A-Za-z]{1,90}$/

/** Test networks first, so that what is said of an address that is none names mainnet's form. */
const CHAINS: ReadonlyArray<Chain> = ["regtest", "test", "main"]

/** What a coinbase with these outputs takes of a block at most (specification, section 7.1). */
export const outputConstraints = ({ outputs, soloFee }: Payout): CoinbaseConstraints => {
  const own =
    soloFee === 0n ? [] : outputs.map(({ script }) => ({ size: sizeOf(script), sigops: scriptSigopsCost(script) }))
  const all = soloFee === undefined ? own : [LARGEST_ADDRESS, ...own]
  return {
    coinbaseOutputMaxAdditionalSize: all.reduce((sum, { size }) => sum + size, 0),
    coinbaseOutputMaxAdditionalSigops: all.reduce((sum, { sigops }) => sum + sigops, 0)
  }
}

const sizeOf = (script: Uint8Array): number => 8 + compactSize(script.length).length + script.length

/** Of all that addresses stand for: a witness program of 32 bytes, and the one CHECKSIG of a pay-to-public-key-hash. */
const LARGEST_ADDRESS = { size: 8 + 1 + 34, sigops: 4 }

const partOf = (percent: number, what: string, least: bigint): bigint => {
  const part = percent * 10 ** DECIMALS
  const whole = Math.round(part)
  if (!(percent <= 100) || whole < least || Math.abs(part - whole) > 1e-6) {
    const from = least === 0n ? "from 0" : "above 0"
    throw new PayoutError({
      message: `${what}: expected a percentage ${from} to 100 with at most ${DECIMALS} decimals; got ${percent}`
    })
  }
  return BigInt(whole)
}
