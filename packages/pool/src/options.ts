/** How a pool is to work. */
import { coinbaseTags } from "@sluice/bitcoin"
import {
  checkCoinbaseRoom,
  type CoinbaseRules,
  defaultExtranonceLayout,
  type ExtranonceLayout,
  ExtranonceSpace,
  Server
} from "@sluice/channels"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import type { CoinbaseConstraints } from "@sluice/template-provider"
import type { Setup } from "@sluice/transport"
import { Duration, Effect, Schema } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { minerScript, outputConstraints, type Payout, payoutOf, type PayoutOptions, splitReward } from "./payout.ts"
import { LimitedSpace } from "./limited-space.ts"
import { defaultTrafficLimits, type TrafficLimits } from "./traffic.ts"
import type { ValidateUser } from "./user.ts"

export interface PoolOptions extends PayoutOptions {
  /** The pool's name in the coinbase, which then has `Sv2/NAME//`. Default "Sluice". */
  readonly tag?: string
  /** Called for each accepted share, before it is acknowledged. It must not block; if it throws, the connection ends. */
  readonly onShare?: (share: Server.ShareAccepted) => void
  /** The same for all shares that one read of a socket brought: for a log that writes them at once, such as `ShareLog`. */
  readonly onShares?: (shares: NonEmptyReadonlyArray<Server.ShareAccepted>) => void
  /** Rules for channels and shares, where they differ from `Server.defaultChannelPolicy` of @sluice/channels. */
  readonly policy?: Partial<Server.ChannelPolicy>
  /** Lets users in or not, beside `policy.refuseUser`: for what takes time, such as a database. By default anyone is. */
  readonly validateUser?: ValidateUser
  /**
   * How the extranonce is divided, where it differs from `defaultExtranonceLayout`. Four bytes of it are another number at
   * each start of the pool, so that no work is done and counted twice; by default it has four more bytes for them.
   */
  readonly extranonce?: Partial<ExtranonceLayout>
  /** Whether miners may roll the version bits of BIP323. Default true. */
  readonly versionRolling?: boolean
  /** How long a connection may stay without a channel (5.3.2). Default 1 minute. */
  readonly channelTimeout?: Duration.Input
  /** Bytes of jobs that may wait for a peer to read; when more come, it is dropped. Default 1 MiB. */
  readonly maxPendingBytes?: number
  /** What one connection may send, where it differs from `defaultTrafficLimits`. */
  readonly traffic?: Partial<TrafficLimits>
  /**
   * How long miners may go on with the last job while there is no template provider. They are then sent away, and others
   * refused, until one is back; "Infinity" keeps them. Default 10 minutes.
   */
  readonly upstreamTimeout?: Duration.Input
  /**
   * Where miners are told to connect to when the pool stops, with a Reconnect message; an empty host and port 0 are the
   * pool's own. It must have the same authority key (3.6.5). By default nothing is said, and they find out by themselves.
   */
  readonly reconnectTo?: { readonly host: string; readonly port: number }
  /** Channels open at once on all connections together; each takes some kilobytes. Default 200,000. */
  readonly maxChannelsInAll?: number
  /**
   * Those of one address, IPv6 by its first 64 bits; addresses of this machine have no such limit. Default half of
   * `maxChannelsInAll`, and at least as many as one connection may have.
   */
  readonly maxChannelsPerAddress?: number
  /** Users who have left are known up to this number, the last ones; for statistics. Default 10,000. */
  readonly maxIdleUsers?: number
}

/** The defaults of the pool's own options that operators set. */
export const poolDefaults = {
  tag: "Sluice",
  upstreamTimeout: Duration.minutes(10),
  maxChannelsInAll: 200_000
} as const

/** An option that cannot be. */
export class PoolOptionError extends Schema.TaggedError<PoolOptionError>("sluice/pool/PoolOptionError")(
  "PoolOptionError",
  { option: Schema.String, message: Schema.String }
) {}

/** What the options come to. */
export interface PoolRules {
  readonly coinbase: CoinbaseRules
  readonly policy: Server.ChannelPolicy
  readonly space: LimitedSpace
  readonly maxChannelsInAll: number
  readonly maxChannelsPerAddress: number
  readonly traffic: TrafficLimits
  readonly payout: Payout
  /** In a solo pool: whom a user identity pays. */
  readonly minerScript: ((identity: string) => Uint8Array | undefined) | undefined
}

/**
 * Checks everything that would otherwise show with the first template or the first miner. `run` (U32) is another number
 * at each start.
 */
export const rulesOf = (options: PoolOptions, run: number): Effect.Effect<PoolRules, PoolOptionError> =>
  Effect.try({
    try: () => {
      const payout = payoutOf(options)
      const layout = layoutOf(options.extranonce, run)
      const coinbase: CoinbaseRules = {
        tags: coinbaseTags(options.tag ?? poolDefaults.tag, ""),
        extranonceSize: layout.fullSize,
        payout: (reward) => splitReward(payout, reward),
        versionRollingAllowed: options.versionRolling ?? true
      }
      const space = new ExtranonceSpace(layout)
      const policy = checkedPolicy({ ...Server.defaultChannelPolicy, ...shareRate(options.policy), ...options.policy })
      const { maxChannelsInAll = poolDefaults.maxChannelsInAll } = options
      const { maxChannelsPerAddress = Math.max(Math.ceil(maxChannelsInAll / 2), policy.maxChannels) } = options
      checkCoinbaseRoom(coinbase)
      return {
        coinbase,
        policy,
        space: new LimitedSpace(space, { max: maxChannelsInAll, maxPerAddress: maxChannelsPerAddress }),
        maxChannelsInAll,
        maxChannelsPerAddress,
        traffic: checkedTraffic({ ...defaultTrafficLimits, ...options.traffic }),
        payout,
        minerScript: options.solo === undefined ? undefined : (identity) => minerScript(identity, options.chain)
      }
    },
    catch: (error) => (error instanceof PoolOptionError ? error : new PoolOptionError(describe(error)))
  })

/** What `Setup.server(MiningListener, ...)` has to be told for this pool. */
export const setupOf = (options: Pick<PoolOptions, "versionRolling">): Setup.ServerOptions =>
  options.versionRolling === false
    ? {
        supportedFlags: Mining.REQUIRES_STANDARD_JOBS | Mining.REQUIRES_WORK_SELECTION,
        flags: Mining.REQUIRES_FIXED_VERSION,
        extensions
      }
    : {
        supportedFlags:
          Mining.REQUIRES_STANDARD_JOBS | Mining.REQUIRES_WORK_SELECTION | Mining.REQUIRES_VERSION_ROLLING,
        extensions
      }

/** Shares of an extended channel may say which worker found them. */
const extensions = [WorkerIdentity.extension]

/** What the template provider has to be told of this pool's coinbase. Throws where nobody can be paid. */
export const constraintsOf = (options: PayoutOptions): CoinbaseConstraints => outputConstraints(payoutOf(options))

/**
 * Behind a prefix that is given, `run` in 4 bytes. A share's header is then never one that an earlier run of the pool gave
 * out, also for the same template and the same channel index: what is forgotten of shares by a restart does no harm.
 */
const layoutOf = (given: Partial<ExtranonceLayout> = {}, run: number): ExtranonceLayout => {
  const fullSize = given.fullSize ?? defaultExtranonceLayout.fullSize + 4
  const upstreamPrefix = [...(given.upstreamPrefix ?? []), run >>> 24, run >>> 16, run >>> 8, run]
  return { ...defaultExtranonceLayout, ...given, fullSize, upstreamPrefix: Uint8Array.from(upstreamPrefix) }
}

/** Of a policy, what is a number of things. */
const COUNTS = [
  "shareBatchSize",
  "maxChannels",
  "maxSharesPerPrevHash",
  "maxLateShares",
  "maxUserIdentityBytes"
] as const

/**
 * The least that `maxSharesPerSecond` may be: vardiff asks for sixteen times the shares while it measures; as many, and a
 * fourth for luck.
 */
export const leastSharesPerSecond = (sharesPerMinute: number): number => (sharesPerMinute / 60) * 20

/** The limit on accepted shares where none is given: room also where more shares are wanted than six a minute. */
const shareRate = (policy: PoolOptions["policy"] = {}): Pick<Server.ChannelPolicy, "maxSharesPerSecond"> => {
  const { maxSharesPerSecond, sharesPerMinute } = Server.defaultChannelPolicy
  const least = leastSharesPerSecond(policy.sharesPerMinute ?? sharesPerMinute)
  return { maxSharesPerSecond: Math.max(maxSharesPerSecond, least) }
}

const checkedPolicy = (policy: Server.ChannelPolicy): Server.ChannelPolicy => {
  const refuse = (option: string, expected: string, value: number): never => {
    throw new PoolOptionError({ option, message: `the pool's ${option} is ${expected}; got ${value}` })
  }
  if (!(policy.sharesPerMinute > 0 && policy.sharesPerMinute <= 6000)) {
    refuse("sharesPerMinute", "a number above 0, at most 6000", policy.sharesPerMinute)
  }
  if (!(policy.minHashRate >= 0 && Number.isFinite(policy.minHashRate))) {
    refuse("minHashRate", "a number of hashes a second from 0 on", policy.minHashRate)
  }
  const leastShares = leastSharesPerSecond(policy.sharesPerMinute)
  if (!(policy.maxSharesPerSecond >= leastShares)) {
    const expected = `a number from ${leastShares} on, for ${policy.sharesPerMinute} shares a minute`
    refuse("maxSharesPerSecond", expected, policy.maxSharesPerSecond)
  }
  for (const option of COUNTS) {
    if (!(Number.isInteger(policy[option]) && policy[option] >= 1)) {
      refuse(option, "a whole number from 1 on", policy[option])
    }
  }
  if (!(policy.ntimeDriftSeconds >= 0)) {
    refuse("ntimeDriftSeconds", "a number of seconds from 0 on", policy.ntimeDriftSeconds)
  }
  return policy
}

const checkedTraffic = (traffic: TrafficLimits): TrafficLimits => {
  for (const option of ["maxMessagesPerSecond", "maxErrorsPerSecond"] as const) {
    const value = traffic[option]
    if (!(value > 0)) {
      throw new PoolOptionError({ option, message: `the pool's ${option} is a number above 0; got ${value}` })
    }
  }
  return traffic
}

const OPTION_OF_ERROR: Readonly<Record<string, string>> = {
  AddressError: "coinbaseAddress",
  DescriptorError: "coinbaseAddress",
  UnpayableError: "coinbaseAddress",
  PayoutError: "coinbaseOutputs",
  CoinbaseError: "tag",
  ExtranonceLayoutError: "extranonce"
}

const describe = (error: unknown): { readonly option: string; readonly message: string } => {
  const { _tag = "", message } = error as { readonly _tag?: string; readonly message: string }
  const option = OPTION_OF_ERROR[_tag] ?? "options"
  return { option, message: `the pool's ${option}: ${message}` }
}
