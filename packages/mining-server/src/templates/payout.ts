/**
 * The outputs that a pool adds to the coinbase. One address or descriptor gets the whole reward, or several get percentages. In a
 * solo pool the miner that finds the block gets the reward less the pool's fee.
 *
 * Amounts are whole satoshis, rounded down for each output; the first output gets the rest.
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
import { parseUserIdentity } from "@sluice/channels"
import type { CoinbaseConstraints } from "@sluice/template-provider"
import { Result, Schema } from "effect"
import { OptionError } from "../option-error.ts"

/** One of several outputs that share a reward. */
export interface PayoutShare {
  /** An address or a descriptor. */
  readonly to: string
  /** More than 0, with at most four decimals; the percentages of all outputs sum to 100. */
  readonly percent: number
}

/** A solo pool pays the address in the miner's user identity, `ADDRESS` or `ADDRESS.WORKER`. */
export interface SoloOptions {
  /** The percentage of the reward for the pool's own outputs: 0 to 100, with at most four decimals. */
  readonly feePercent: number
}

export interface PayoutOptions {
  /** The output that is paid: an address or a descriptor without a range. */
  readonly coinbaseAddress?: string
  /** Several outputs with percentages, instead of `coinbaseAddress`. */
  readonly coinbaseOutputs?: ReadonlyArray<PayoutShare>
  /** Refuses addresses of other networks. By default accepts addresses of all networks. */
  readonly chain?: Chain
  /** Pays the miner that finds a block. Without a fee the pool needs no output of its own. */
  readonly solo?: SoloOptions
}

/** Outputs, with the part of `WHOLE` that each gets. */
export interface Payout {
  readonly outputs: ReadonlyArray<{ readonly script: Uint8Array; readonly part: bigint }>
  /** The part of `WHOLE` that a solo pool keeps; undefined for a pool that is paid itself. */
  readonly soloFee: bigint | undefined
}

/** Percentages have four decimals. */
const WHOLE = 1_000_000n
const DECIMALS = 4

/** An output of this address or descriptor could be spent by anyone, or by nobody. */
export class UnpayableError extends Schema.TaggedError<UnpayableError>("sluice/mining-server/UnpayableError")(
  "UnpayableError",
  {
    to: Schema.String,
    message: Schema.String
  }
) {}

/** Reads the options. Fails with the option that is wrong. */
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
      return yield* refused("coinbaseOutputs", "the coinbase pays nobody: give an address or a descriptor")
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

/** Refuses outputs that do not fit a coinbase, and says how many of them fit. */
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
      `${payout.outputs.length} outputs take ${all} ${what} of a coinbase${others > 0 ? ", with the miner's" : ""}; ` +
        `there is room for ${limit}: the first ${Math.max(0, fitting - others)} of them fit`
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

/** Splits `reward` over the pool's own outputs. */
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

/** Why an address or descriptor gives no script that can be paid. */
export type PayoutScriptError = AddressError | DescriptorError | UnpayableError

/**
 * Returns the scriptPubKey for an address or a descriptor of `chain`; without `chain`, of any network. Fails unless its owner, and
 * nobody else, can spend the output.
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

/** The script that a solo pool pays for this user identity; undefined if the identity has no address. */
export const minerScript = (identity: string, chain?: Chain): Uint8Array | undefined =>
  Result.getOrUndefined(minerPayout(identity, chain))

/** The same; fails with a message that says why a solo pool does not pay this user. */
export const minerPayout = (identity: string, chain?: Chain): Result.Result<Uint8Array, string> => {
  const { user } = parseUserIdentity(identity)
  if (!LIKE_ADDRESS.test(user))
    return Result.fail("a user of a solo pool is an address, or an address, a dot and a name")
  // Disables stack traces: a name fails once for each chain, and the traces would dominate the cost.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return Result.mapError(payoutScript(user, chain), ({ message }) => message)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** The form of all addresses: base58 or bech32 of at most 90 characters (BIP173). */
const LIKE_ADDRESS = /^[0-9A-Za-z]{1,90}$/

/** Mainnet is last, so that the error for a text that is no address shows mainnet's form. */
const CHAINS: ReadonlyArray<Chain> = ["regtest", "test", "main"]

/** The most room that these outputs take in a coinbase (specification, section 7.1). */
export const outputConstraints = (payout: Payout): CoinbaseConstraints => {
  const costs = costsOf(payout)
  return {
    coinbaseOutputMaxAdditionalSize: costs.reduce((sum, { size }) => sum + size, 0),
    coinbaseOutputMaxAdditionalSigops: costs.reduce((sum, { sigops }) => sum + sigops, 0)
  }
}

/** The size and signature operations of each output; in a solo pool the miner's output comes first. */
const costsOf = ({ outputs, soloFee }: Payout) => {
  const own =
    soloFee === 0n ? [] : outputs.map(({ script }) => ({ size: sizeOf(script), sigops: scriptSigopsCost(script) }))
  return soloFee === undefined ? own : [LARGEST_ADDRESS, ...own]
}

const sizeOf = (script: Uint8Array): number => 8 + compactSize(script.length).length + script.length

/** The most that the output of any address takes: the size of a 32-byte witness program, and the CHECKSIG of a P2PKH. */
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
