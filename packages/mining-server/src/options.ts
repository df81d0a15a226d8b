/** The options of a server of miners, and the rules that follow from them. */
import { type ChannelPolicy, defaultChannelPolicy, type ExtranonceSpace } from "@sluice/channels"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import type { ServerSetup } from "@sluice/transport"
import { Duration, Effect } from "effect"
import type { AcknowledgementRules } from "./connections/acknowledgements.ts"
import { LimitedSpace } from "./connections/limited-space.ts"
import type { CustomWork } from "./custom-work.ts"
import { defaultTrafficLimits, type TrafficLimits } from "./connections/traffic.ts"
import { OptionError } from "./option-error.ts"
import type { ShareSink } from "./shares/share-sink.ts"
import type { ValidateUser } from "./user.ts"

export interface MiningServerOptions {
  /** Sinks that record accepted shares, in this order, before the server acknowledges them. Default none. */
  readonly shareSinks?: ReadonlyArray<ShareSink>
  /** Rules for channels and shares, where they differ from `defaultChannelPolicy` of @sluice/channels. */
  readonly policy?: Partial<ChannelPolicy>
  /** Admits or refuses users, in addition to `policy.refuseUser`: for checks that take time. By default everyone is admitted. */
  readonly validateUser?: ValidateUser
  /**
   * How long the acknowledgement of a share may wait for others while shares keep coming on its connection, so that one write
   * acknowledges up to `policy.shareBatchSize` of them. A share that is a block, or that comes alone, does not wait. 0 acknowledges the
   * shares of each read at once. Default 1 second.
   */
  readonly acknowledgeWithin?: Duration.Input
  /** How long a connection may stay without a channel before the server ends it (5.3.2). Default 1 minute. */
  readonly channelTimeout?: Duration.Input
  /** Bytes of announcements that may wait for a peer to read; the server ends a connection with more. Default 1 MiB. */
  readonly maxPendingBytes?: number
  /** Limits on the messages of one connection, where they differ from `defaultTrafficLimits`. */
  readonly traffic?: Partial<TrafficLimits>
  /**
   * How long miners may go on with the last job while the source of work is away. Then the server ends their connections and
   * refuses new ones until the source is back; "Infinity" keeps them. Default 10 minutes.
   */
  readonly upstreamTimeout?: Duration.Input
  /**
   * The server that miners get in a Reconnect message when this one stops; an empty host and port 0 mean this server. It must
   * have the same authority key (3.6.5). By default the server sends no Reconnect.
   */
  readonly reconnectTo?: { readonly host: string; readonly port: number }
  /** Channels that may be open at once on all connections together; each takes some kilobytes. Default 200,000. */
  readonly maxChannelsInAll?: number
  /**
   * Channels that may be open at once from one address (IPv6: from one /64); addresses of this machine have no such limit.
   * Default half of `maxChannelsInAll`, and at least as many as one connection may have.
   */
  readonly maxChannelsPerAddress?: number
  /** Takes the jobs that clients set themselves (5.3.18). By default such clients get the server's jobs. */
  readonly customWork?: CustomWork
  /** Users without a channel that statistics remember, the latest ones. Default 10,000. */
  readonly maxIdleUsers?: number
  /** The id of the first connection. Servers whose statistics are put together need different ids. Default 1. */
  readonly firstConnectionId?: number
}

/** The options after `rulesOf` has checked them and filled in defaults. */
export interface MiningServerRules {
  readonly shareSinks: ReadonlyArray<ShareSink>
  readonly policy: ChannelPolicy
  readonly validateUser: ValidateUser | undefined
  readonly customWork: CustomWork | undefined
  readonly traffic: TrafficLimits
  readonly acknowledgements: AcknowledgementRules
  readonly space: LimitedSpace
  readonly maxChannelsInAll: number
  readonly maxChannelsPerAddress: number
  readonly maxPendingBytes: number
  readonly maxIdleUsers: number
  readonly firstConnectionId: number
  readonly channelTimeoutMs: number
  readonly upstreamTimeoutMs: number
  readonly reconnectTo: MiningServerOptions["reconnectTo"]
}

/** The defaults of options. */
export const defaultMiningServerOptions = {
  acknowledgeWithin: Duration.seconds(1),
  channelTimeout: "1 minute",
  maxPendingBytes: 1024 * 1024,
  upstreamTimeout: Duration.minutes(10),
  maxChannelsInAll: 200_000,
  maxIdleUsers: 10_000,
  firstConnectionId: 1
} as const

/** Checks the options at the start, so that a bad one does not fail with the first job or the first miner. */
export const rulesOf = (
  options: MiningServerOptions,
  space: ExtranonceSpace | undefined
): Effect.Effect<MiningServerRules, OptionError> =>
  Effect.gen(function* () {
    const given = { ...defaultMiningServerOptions, ...options }
    const policy = { ...defaultChannelPolicy, ...shareRate(options.policy), ...options.policy }
    yield* checkPolicy(policy)
    const traffic = { ...defaultTrafficLimits, ...options.traffic }
    yield* checkTraffic(traffic)
    const { firstConnectionId, maxChannelsInAll, maxIdleUsers, maxPendingBytes, reconnectTo } = given
    const { customWork, shareSinks = [], validateUser } = given
    const { maxChannelsPerAddress = Math.max(Math.ceil(maxChannelsInAll / 2), policy.maxChannels) } = options
    return {
      shareSinks,
      policy,
      validateUser,
      customWork,
      traffic,
      acknowledgements: { after: policy.shareBatchSize, withinMs: Duration.toMillis(given.acknowledgeWithin) },
      space: new LimitedSpace(space, { max: maxChannelsInAll, maxPerAddress: maxChannelsPerAddress }),
      maxChannelsInAll,
      maxChannelsPerAddress,
      maxPendingBytes,
      maxIdleUsers,
      firstConnectionId,
      channelTimeoutMs: Duration.toMillis(given.channelTimeout),
      upstreamTimeoutMs: Duration.toMillis(given.upstreamTimeout),
      reconnectTo
    }
  })

/** The setup flags that the server can meet with this work (5.3.1), and the extensions that it speaks. */
export const setupOf = (versionRollingAllowed: boolean): ServerSetup =>
  versionRollingAllowed
    ? {
        supportedFlags:
          Mining.REQUIRES_STANDARD_JOBS | Mining.REQUIRES_WORK_SELECTION | Mining.REQUIRES_VERSION_ROLLING,
        extensions
      }
    : {
        supportedFlags: Mining.REQUIRES_STANDARD_JOBS | Mining.REQUIRES_WORK_SELECTION,
        flags: Mining.REQUIRES_FIXED_VERSION,
        extensions
      }

/** Lets shares of an extended channel name the worker that found them. */
const extensions = [WorkerIdentity.extension]

/**
 * The lowest valid `maxSharesPerSecond`. Vardiff asks for sixteen times the shares while it measures; a quarter more allows for
 * luck.
 */
export const leastSharesPerSecond = (sharesPerMinute: number): number => (sharesPerMinute / 60) * 20

/** The default limit on accepted shares: higher if the policy asks for more than six shares a minute. */
const shareRate = (policy: MiningServerOptions["policy"] = {}): Pick<ChannelPolicy, "maxSharesPerSecond"> => {
  const { maxSharesPerSecond, sharesPerMinute } = defaultChannelPolicy
  const least = leastSharesPerSecond(policy.sharesPerMinute ?? sharesPerMinute)
  return { maxSharesPerSecond: Math.max(maxSharesPerSecond, least) }
}

/** Policy fields that are counts. */
const COUNTS = [
  "shareBatchSize",
  "maxChannels",
  "maxSharesPerPrevHash",
  "maxLateShares",
  "maxUserIdentityBytes"
] as const

const checkPolicy = (policy: ChannelPolicy): Effect.Effect<void, OptionError> => {
  const { maxSharesPerSecond, minHashRate, ntimeDriftSeconds, sharesPerMinute } = policy
  if (!(sharesPerMinute > 0 && sharesPerMinute <= 6000)) {
    return refuse("sharesPerMinute", "a number above 0, at most 6000", sharesPerMinute)
  }
  if (!(minHashRate >= 0 && Number.isFinite(minHashRate))) {
    return refuse("minHashRate", "a number of hashes a second from 0 on", minHashRate)
  }
  const leastShares = leastSharesPerSecond(sharesPerMinute)
  if (!(maxSharesPerSecond >= leastShares)) {
    const expected = `a number from ${leastShares} on, for ${sharesPerMinute} shares a minute`
    return refuse("maxSharesPerSecond", expected, maxSharesPerSecond)
  }
  for (const option of COUNTS) {
    if (!(Number.isInteger(policy[option]) && policy[option] >= 1)) {
      return refuse(option, "a whole number from 1 on", policy[option])
    }
  }
  return ntimeDriftSeconds >= 0
    ? Effect.void
    : refuse("ntimeDriftSeconds", "a number of seconds from 0 on", ntimeDriftSeconds)
}

const checkTraffic = (traffic: TrafficLimits): Effect.Effect<void, OptionError> => {
  for (const option of ["maxMessagesPerSecond", "maxErrorsPerSecond"] as const) {
    if (!(traffic[option] > 0)) return refuse(option, "a number above 0", traffic[option])
  }
  return Effect.void
}

const refuse = (option: string, expected: string, value: number) =>
  Effect.fail(new OptionError({ option, message: `${option} is ${expected}; got ${value}` }))
