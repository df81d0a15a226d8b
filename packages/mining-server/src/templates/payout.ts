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
  MAX_PAYOUTS_SIZE,
  type Output,
  scriptForAddress,
  scriptForDescriptor,
  scriptSigopsCost,
  unpayableReason
} from "@sluice/bitcoin"
import type { CoinbaseConstraints } from "@sluice/template-provider"
import { Result, Schema } from "effect"
import { OptionError } from "../option-error.ts"
import { parseUserIdentity } from "../user.ts"

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

/** An address or a descriptor whose output anyone could spend, or nobody. */
export class UnpayableError extends Schema.TaggedError<UnpayableError>("sluice/mining-server/UnpayableError")(
  "UnpayableError",
  {
    to: Schema.String,
    message: Schema.String
  }
) {}

/** Reads the options, or says what is wrong with one of them. */
export const payoutOf = (options: PayoutOptions): Result.Result<Payout, OptionError> =>
  Result.gen(function* () {
    const { chain, coinbaseAddress, coinbaseOutputs, solo } = options
    if (coinbaseAddress !== undefined && coinbaseOutputs !== undefined) {
      return yield* refused("coinbaseOutputs", "give one address, or outputs with percentages, not both")
    }
    const soloFee = solo === undefined ? undefined : yield* partOf(solo.feePercent, "the fee", 0n)
    const shares = coinbaseOutputs ?? (coinbaseAddress === undefined ? [] : [{ to: coinbaseAddress, percent: 100 }])
    if (shares.length === 0 && soloFee === 0n) return { outputs: [], soloFee }
    if (shares.length === 0) {
      return yield* refused("coinbaseOutputs", "there is nobody to be paid: give an address or a descriptor")
    }
    const outputs: Array<{ readonly script: Uint8Array; readonly part: bigint }> = []
    for (const { percent, to } of shares) {
      const script = yield* Result.mapError(payoutScript(to, chain), ({ message }) =>
        OptionError.of("coinbaseAddress", message)
      )
      outputs.push({ script, part: yield* partOf(percent, to, 1n) })
    }
    const sum = outputs.reduce((sum, { part }) => sum + part, 0n)
    if (sum !== WHOLE) {
      const percent = Number(sum) / 10 ** DECIMALS
      return yield* refused("coinbaseOutputs", `the percentages of all outputs sum to 100; these sum to ${percent}`)
    }
    const payout = { outputs, soloFee }
    yield* checkRoom(payout)
    return payout
  })

const refused = (option: string, message: string): Result.Result<never, OptionError> =>
  Result.fail(OptionError.of(option, message))

/** Refuses outputs that fit no coinbase, and says how many of them do. */
const checkRoom = (payout: Payout): Result.Result<void, OptionError> => {
  const costs = costsOf(payout)
  for (const { cost, limit, what } of LIMITS) {
    const all = costs.reduce((sum, one) => sum + one[cost], 0)
    if (all <= limit) continue
    let left = limit
    const fitting = costs.findIndex((one) => (left -= one[cost]) < 0)
    const others = costs.length - payout.outputs.length
    return refused(
      "coinbaseOutputs",
      `${payout.outputs.length} outputs take ${all} ${what} of a coinbase${others > 0 ? ", with the miner's" : ""}, ` +
        `where there is room for ${limit}: the first ${Math.max(0, fitting - others)} of them fit`
    )
  }
  return Result.void
}

/** A block's weight of 4,000,000 units has room for four times the bytes, and its 80,000 signature operations for more. */
const LIMITS = [
  { cost: "size", limit: MAX_PAYOUTS_SIZE, what: "bytes" },
  /** U16 in CoinbaseOutputConstraints (section 7.1). */
  { cost: "sigops", limit: 0xffff, what: "signature operations" }
] as const

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

/** Why there is no script that could be paid. */
export type PayoutScriptError = AddressError | DescriptorError | UnpayableError

/**
 * The scriptPubKey for an address or a descriptor of `chain`, or, without it, of any network: the text itself says which.
 * Only one that its owner can spend and nobody else.
 */
export const payoutScript = (to: string, chain?: Chain): Result.Result<Uint8Array, PayoutScriptError> =>
  Result.flatMap(scriptOf(to, chain), (script) => {
    const reason = unpayableReason(script)
    if (reason === undefined) return Result.succeed(script)
    return Result.fail(
      new UnpayableError({ to, message: `${to.length > 100 ? `${to.slice(0, 100)}...` : to} ${reason}` })
    )
  })

const scriptOf = (to: string, chain?: Chain): Result.Result<Uint8Array, AddressError | DescriptorError> => {
  const scriptFor = isDescriptor(to) ? scriptForDescriptor : scriptForAddress
  const [first = "main", ...others] = chain === undefined ? CHAINS : [chain]
  const attempt = (chain: Chain) =>
    Result.try({ try: () => scriptFor(to, chain), catch: (error) => error as AddressError | DescriptorError })
  let result = attempt(first)
  for (const other of others) if (Result.isFailure(result)) result = attempt(other)
  return result
}

/** The script of the address in a user identity, or `undefined` where there is none: who is paid in a solo pool. */
export const minerScript = (identity: string, chain?: Chain): Uint8Array | undefined =>
  Result.getOrUndefined(minerPayout(identity, chain))

/** The same, or a sentence that says why a solo pool does not pay this user. */
export const minerPayout = (identity: string, chain?: Chain): Result.Result<Uint8Array, string> => {
  const { user } = parseUserIdentity(identity)
  if (!LIKE_ADDRESS.test(user))
    return Result.fail("a user of a solo pool is an address, or an address, a dot and a name")
  // Disables stack traces: a name is an error for each chain, and the traces would dominate the cost.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return Result.mapError(payoutScript(user, chain), ({ message }) => message)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** What all addresses look like: base58 or bech32 of at most 90 characters (BIP173). */
const LIKE_ADDRESS = /^[0-9A-Za-z]{1,90}$/

/** Test networks first, so that what is said of an address that is none names mainnet's form. */
const CHAINS: ReadonlyArray<Chain> = ["regtest", "test", "main"]

/** What a coinbase with these outputs takes of a block at most (specification, section 7.1). */
export const outputConstraints = (payout: Payout): CoinbaseConstraints => {
  const costs = costsOf(payout)
  return {
    coinbaseOutputMaxAdditionalSize: costs.reduce((sum, { size }) => sum + size, 0),
    coinbaseOutputMaxAdditionalSigops: costs.reduce((sum, { sigops }) => sum + sigops, 0)
  }
}

/** By output, in a solo pool the miner's first. */
const costsOf = ({ outputs, soloFee }: Payout) => {
  const own =
    soloFee === 0n ? [] : outputs.map(({ script }) => ({ size: sizeOf(script), sigops: scriptSigopsCost(script) }))
  return soloFee === undefined ? own : [LARGEST_ADDRESS, ...own]
}

const sizeOf = (script: Uint8Array): number => 8 + compactSize(script.length).length + script.length

/** Of all that addresses stand for: a witness program of 32 bytes, and the one CHECKSIG of a pay-to-public-key-hash. */
const LARGEST_ADDRESS = { size: 8 + 1 + 34, sigops: 4 }

const partOf = (percent: number, what: string, least: bigint): Result.Result<bigint, OptionError> => {
  const part = percent * 10 ** DECIMALS
  const whole = Math.round(part)
  if (!(percent <= 100) || whole < least || Math.abs(part - whole) > 1e-6) {
    const from = least === 0n ? "from 0" : "above 0"
    const expected = `a percentage ${from} to 100 with at most ${DECIMALS} decimals`
    return refused("coinbaseOutputs", `${what}: expected ${expected}; got ${percent}`)
  }
  return Result.succeed(BigInt(whole))
}
