/** The keys of programs that serve miners, and the options that they set. */
import { defaultChannelPolicy } from "@sluice/channels"
import {
  defaultMiningServerOptions,
  defaultTrafficLimits,
  leastSharesPerSecond,
  type MiningServerOptions
} from "@sluice/mining-server"
import { defaultMaxConnections } from "@sluice/transport"
import { Duration, Schema, Struct } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { fileToWrite } from "../config/path.ts"
import { networks, reconnectTarget } from "../config/stratum.ts"
import { decimal, whole } from "../config/value.ts"
import { MAX_WORKERS } from "../workers/messages.ts"
import { handshakeKeys } from "./curve.ts"

/** `name` is the role, such as "pool", and `source` where its work comes from, such as "a template provider". */
export const miningServerKeys = ({ name, source }: { readonly name: string; readonly source: string }) => ({
  workers: defaulted(whole("N", 1, MAX_WORKERS), {
    description: `The processes that serve miners. With more than one, the ${name} shares the connections among them: give one for each processor that it may use.`,
    default: 1
  }),
  sharesPerMinute: defaulted(decimal("N", 0.01, 6000), {
    description: "Shares a minute that the difficulty of each channel aims at.",
    default: defaultChannelPolicy.sharesPerMinute
  }),
  minHashRate: defaulted(decimal("N", 0, 1e18), {
    description: `The least hash rate that the ${name} assumes for a channel, in hashes a second. It limits how easy a target can get.`,
    default: defaultChannelPolicy.minHashRate
  }),
  acknowledgeAfter: defaulted(whole("N", 1, 10_000), {
    description:
      "The most accepted shares for one acknowledgement. So many shares of a connection are acknowledged at once.",
    option: "shareBatchSize",
    default: defaultChannelPolicy.shareBatchSize
  }),
  acknowledgeWithin: defaulted(decimal("SECONDS", 0, 60), {
    description:
      "How long the acknowledgement of a share may wait for others while shares keep coming on its connection. A block, and a share that comes alone, do not wait. 0 acknowledges each share at once.",
    default: Duration.toSeconds(defaultMiningServerOptions.acknowledgeWithin)
  }),
  shareLog: optional(fileToWrite("a file to append to"), {
    description: "The file to which each accepted share is appended as a line of JSON, before it is acknowledged.",
    example: "shares.ndjson"
  }),
  stateFile: optional(fileToWrite(`a file that the ${name} may write`), {
    description:
      "The file that keeps the last job id, so that no id repeats after a restart, even if the clock was set back.",
    example: `${name}.state`
  }),
  upstreamTimeout: defaulted(whole("SECONDS", 0, 604_800), {
    description: `The time without ${source} after which miners are sent away. Until then they mine the last job. 0 means never.`,
    default: Duration.toSeconds(defaultMiningServerOptions.upstreamTimeout)
  }),
  reconnectTo: optional(reconnectTarget, {
    description: `The ${name} that miners are sent to when this one stops: one with the same authority key, or here for this one again.`,
    example: `${name}2.example:3333`
  }),
  maxConnections: defaulted(whole("N", 1, 1_000_000), {
    description: "The most open connections.",
    default: defaultMaxConnections
  }),
  maxConnectionsPerAddress: optional(whole("N", 1, 1_000_000), {
    description:
      "The most open connections of one address. IPv6 addresses count by their first 64 bits; addresses of this machine have no limit. Default: half of max-connections.",
    example: 4_096
  }),
  proxyProtocol: optional(networks, {
    description:
      "The addresses or networks of load balancers that send headers of the PROXY protocol, version 1 or 2. Limits and logs then have the addresses of their clients. It holds for all addresses that miners connect to.",
    example: ["10.0.0.0/28", "fd00::7"]
  }),
  ...handshakeKeys,
  maxChannels: defaulted(whole("N", 1, 65_536), {
    description: "The most open channels of one connection.",
    default: defaultChannelPolicy.maxChannels
  }),
  maxChannelsInAll: defaulted(whole("N", 1, 16_000_000), {
    description: "The most open channels of all connections together. A channel takes some kilobytes of memory.",
    default: defaultMiningServerOptions.maxChannelsInAll
  }),
  maxChannelsPerAddress: optional(whole("N", 1, 16_000_000), {
    description:
      "The most open channels of one address. IPv6 addresses count by their first 64 bits; addresses of this machine have no limit. Default: half of max-channels-in-all.",
    example: 50_000
  }),
  maxSharesPerSecond: optional(decimal("N", 0.01, 1_000_000), {
    description:
      "Good shares a second of one connection, for each of its channels. Shares above it are refused unless they are blocks. Default: 10, or a third of shares-per-minute if that is more.",
    example: 10
  }),
  maxMessagesPerSecond: defaulted(whole("N", 1, 1_000_000), {
    description: `Messages a second of one connection. Above it the ${name} reads from the connection more slowly.`,
    default: defaultTrafficLimits.maxMessagesPerSecond
  }),
  maxErrorsPerSecond: defaulted(whole("N", 1, 1_000_000), {
    description: `Errors a second that one connection may cause before the ${name} ends it. Stale shares and shares above max-shares-per-second do not count.`,
    default: defaultTrafficLimits.maxErrorsPerSecond
  })
})

/** The decoded values of `miningServerKeys`. */
export type MiningServerConfig = Schema.Struct.Type<ReturnType<typeof miningServerKeys>>

/** The options of the server of miners that the configuration sets. */
export const serverOptionsOf = (config: MiningServerConfig): MiningServerOptions => {
  const { acknowledgeAfter, acknowledgeWithin, upstreamTimeout } = config
  return {
    ...Struct.pick(config, ["reconnectTo", "maxChannelsInAll", "maxChannelsPerAddress"]),
    policy: {
      ...Struct.pick(config, ["sharesPerMinute", "minHashRate", "maxChannels", "maxSharesPerSecond"]),
      shareBatchSize: acknowledgeAfter
    },
    traffic: Struct.pick(config, ["maxMessagesPerSecond", "maxErrorsPerSecond"]),
    acknowledgeWithin: Duration.seconds(acknowledgeWithin),
    upstreamTimeout: upstreamTimeout === 0 ? Duration.infinity : Duration.seconds(upstreamTimeout)
  }
}

/** A check: the limit on shares leaves room for the difficulty to follow a miner. */
export const sharesFit = Schema.makeFilter(
  ({ maxSharesPerSecond, sharesPerMinute }: Pick<MiningServerConfig, "maxSharesPerSecond" | "sharesPerMinute">) => {
    const least = leastSharesPerSecond(sharesPerMinute)
    return maxSharesPerSecond === undefined || maxSharesPerSecond >= least
      ? undefined
      : `max-shares-per-second: ${maxSharesPerSecond} is too few for ${sharesPerMinute} shares a minute (shares-per-minute): ` +
          `up to twenty times as many come while the server looks for a difficulty; give ${least} or more`
  }
)
