/** The configuration of `sluice pool`. */
import { coinbaseTags } from "@sluice/bitcoin"
import { checkCoinbaseRoom, defaultExtranonceLayout, defaultChannelPolicy } from "@sluice/channels"
import {
  defaultMiningServerOptions,
  defaultTrafficLimits,
  leastSharesPerSecond,
  outputConstraints,
  payoutOf,
  Templates
} from "@sluice/mining-server"
import type { PoolOptions } from "@sluice/pool"
import { defaultMaxConnections } from "@sluice/transport"
import { Duration, Result, Schema, Struct } from "effect"
import { distinctAddresses } from "../config/addresses.ts"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { fileToWrite } from "../config/path.ts"
import { payoutAddress, payoutShares, reconnectTarget, serverUrls } from "../config/stratum.ts"
import { choice, decimal, hostPort, string, whole } from "../config/value.ts"
import { handshakeKeys } from "../server/curve.ts"
import { loggingKeys } from "../output/logging.ts"
import { metricsKeys } from "../server/metrics.ts"
import { v1Keys } from "../server/v1.ts"

const fields = Schema.Struct({
  listen: defaulted(hostPort, { description: "The address for miners and proxies.", default: "127.0.0.1:3333" }),
  ...v1Keys,
  templateProvider: required(serverUrls, {
    description: "The template providers, the preferred one first.",
    example: ["stratum2+tcp://127.0.0.1:18447/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"]
  }),
  coinbaseAddress: optional(payoutAddress, {
    description: "The address that a block pays; or give coinbase-outputs.",
    example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    usual: true
  }),
  coinbaseOutputs: optional(payoutShares, {
    description:
      "Several outputs that a block pays. Percentages have at most four decimals and sum to 100. The first output gets the rest of rounding.",
    example: ["97.5 bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "2.5 addr(mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn)"]
  }),
  soloFee: optional(decimal("PERCENT", 0, 100), {
    description:
      "Makes the pool a solo pool: a block pays the address in the user identity of the miner that found it (ADDRESS or ADDRESS.WORKER), less this fee.",
    option: "solo",
    example: 1.5
  }),
  chain: optional(choice(["main", "test", "testnet4", "signet", "regtest"]), {
    description: "The chain of the addresses: others are refused. Default: any.",
    example: "main"
  }),
  coinbaseTag: defaulted(string({ metavar: "TEXT", expected: "a short text" }), {
    description: "The pool's name in the blocks that it finds.",
    option: "tag",
    default: Templates.DEFAULT_TAG
  }),
  sharesPerMinute: defaulted(decimal("N", 0.01, 6000), {
    description: "Shares a minute that the difficulty of each channel aims at.",
    default: defaultChannelPolicy.sharesPerMinute
  }),
  minHashRate: defaulted(decimal("N", 0, 1e18), {
    description:
      "The least hash rate that the pool assumes for a channel, in hashes a second. It limits how easy a target can get.",
    default: defaultChannelPolicy.minHashRate
  }),
  shareBatch: defaulted(whole("N", 1, 10_000), {
    description: "The most accepted shares for one acknowledgement.",
    option: "shareBatchSize",
    default: defaultChannelPolicy.shareBatchSize
  }),
  shareLog: optional(fileToWrite("a file to append to"), {
    description: "The file to which each accepted share is appended as a line of JSON, before it is acknowledged.",
    example: "shares.ndjson"
  }),
  stateFile: optional(fileToWrite("a file that the pool may write"), {
    description:
      "The file that keeps the last job id, so that no id repeats after a restart, even if the clock was set back.",
    example: "pool.state"
  }),
  upstreamTimeout: defaulted(whole("SECONDS", 0, 604_800), {
    description:
      "The time without a template provider after which miners are sent away. Until then they mine the last job. 0 means never.",
    default: Duration.toSeconds(defaultMiningServerOptions.upstreamTimeout)
  }),
  reconnectTo: optional(reconnectTarget, {
    description:
      "The pool that miners are sent to when this one stops: one with the same authority key, or here for this one again.",
    example: "pool2.example:3333"
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
    description: "Messages a second of one connection. Above it the pool reads from the connection more slowly.",
    default: defaultTrafficLimits.maxMessagesPerSecond
  }),
  maxErrorsPerSecond: defaulted(whole("N", 1, 1_000_000), {
    description:
      "Errors a second that one connection may cause before the pool ends it. Stale shares and shares above max-shares-per-second do not count.",
    default: defaultTrafficLimits.maxErrorsPerSecond
  }),
  ...metricsKeys(", and the address of statistics with the names of users, at /stats and /users"),
  ...securityKeys,
  ...loggingKeys
})

/** The options of the pool that the configuration sets. */
export const optionsOf = (config: typeof fields.Type): PoolOptions => {
  const { chain, coinbaseTag, shareBatch, soloFee, upstreamTimeout } = config
  return {
    ...Struct.pick(config, [
      "coinbaseAddress",
      "coinbaseOutputs",
      "reconnectTo",
      "maxChannelsInAll",
      "maxChannelsPerAddress"
    ]),
    ...(soloFee === undefined ? {} : { solo: { feePercent: soloFee } }),
    ...(chain === undefined ? {} : { chain: chain === "testnet4" ? "test" : chain }),
    tag: coinbaseTag,
    policy: {
      ...Struct.pick(config, ["sharesPerMinute", "minHashRate", "maxChannels", "maxSharesPerSecond"]),
      shareBatchSize: shareBatch
    },
    traffic: Struct.pick(config, ["maxMessagesPerSecond", "maxErrorsPerSecond"]),
    upstreamTimeout: upstreamTimeout === 0 ? Duration.infinity : Duration.seconds(upstreamTimeout)
  }
}

/** A check: all outputs can be paid. */
const canPay = Schema.makeFilter((config: typeof fields.Type) =>
  Result.match(payoutOf(optionsOf(config)), {
    onFailure: ({ message }) => `coinbase-address, coinbase-outputs, solo-fee: ${message.replace(/^\w+: /, "")}`,
    onSuccess: () => undefined
  })
)

/** A check: the limit on shares leaves room for the difficulty to follow a miner. */
const sharesFit = Schema.makeFilter(({ maxSharesPerSecond, sharesPerMinute }: typeof fields.Type) => {
  const least = leastSharesPerSecond(sharesPerMinute)
  return maxSharesPerSecond === undefined || maxSharesPerSecond >= least
    ? undefined
    : `max-shares-per-second: ${maxSharesPerSecond} is too few for ${sharesPerMinute} shares a minute (shares-per-minute): ` +
        `up to twenty times as many come while the pool looks for a difficulty; give ${least} or more`
})

/** A check: the tag fits into the coinbase beside the longest height of a template and the pool's extranonce. */
const tagFits = Schema.makeFilter(({ coinbaseTag }: typeof fields.Type) => {
  const extranonceSize = defaultExtranonceLayout.fullSize + RUN_BYTES
  const room = checkCoinbaseRoom({ tags: coinbaseTags(coinbaseTag, ""), extranonceSize })
  return Result.isSuccess(room) ? undefined : `coinbase-tag: ${room.failure.message}`
})

/** Bytes of the extranonce before the channels' part. They differ at each start of the pool. */
const RUN_BYTES = 4

/** Checks: no two listeners have the same address. */
const distinct = [
  distinctAddresses("listen", "metricsListen"),
  distinctAddresses("listen", "v1Listen"),
  distinctAddresses("v1Listen", "metricsListen")
] as const

/**
 * The largest coinbase that the payouts can lead to, in bytes and without the witness: the outputs, the commitment to the
 * witnesses, and at most 161 bytes around them with the longest input.
 */
export const coinbaseSizeOf = (config: typeof fields.Type): number =>
  Result.match(payoutOf(optionsOf(config)), {
    onFailure: () => 0,
    onSuccess: (payout) => outputConstraints(payout).coinbaseOutputMaxAdditionalSize + 47 + 161
  })

export const PoolConfig = {
  program: "pool",
  schema: fields.check(oneSecurity, canPay, sharesFit, tagFits, ...distinct)
}
