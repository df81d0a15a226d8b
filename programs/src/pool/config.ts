/** What `sluice pool` can be told. */
import { coinbaseTags } from "@sluice/bitcoin"
import { checkCoinbaseRoom, defaultExtranonceLayout, defaultChannelPolicy } from "@sluice/channels"
import {
  defaultMiningServerOptions,
  defaultTrafficLimits,
  leastSharesPerSecond,
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
import { payee, payees, reconnectTarget, serverUrls } from "../config/stratum.ts"
import { choice, decimal, hostPort, string, whole } from "../config/value.ts"
import { handshakeKeys } from "../server/curve.ts"
import { loggingKeys } from "../output/logging.ts"
import { metricsKeys } from "../server/metrics.ts"

const fields = Schema.Struct({
  listen: defaulted(hostPort, { description: "Where miners and proxies connect.", default: "127.0.0.1:3333" }),
  templateProvider: required(serverUrls, {
    description: "Where templates come from, the preferred one first.",
    example: ["stratum2+tcp://127.0.0.1:18447/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"]
  }),
  coinbaseAddress: optional(payee, {
    description: "Who is paid for a block; or give coinbase-outputs.",
    example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    usual: true
  }),
  coinbaseOutputs: optional(payees, {
    description:
      "Several who are paid for a block. Percentages have at most four decimals and sum to 100; the first gets what rounding leaves.",
    example: ["97.5 bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "2.5 addr(mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn)"]
  }),
  soloFee: optional(decimal("PERCENT", 0, 100), {
    description:
      "Makes it a solo pool: the address in a miner's user identity (ADDRESS or ADDRESS.WORKER) gets the reward of a block that it finds, less this fee.",
    option: "solo",
    example: 1.5
  }),
  chain: optional(choice(["main", "test", "testnet4", "signet", "regtest"]), {
    description: "Refuses addresses of other chains; any will do unless told.",
    example: "main"
  }),
  coinbaseTag: defaulted(string({ metavar: "TEXT", expected: "a short text" }), {
    description: "The pool's name in the blocks it finds.",
    option: "tag",
    default: Templates.DEFAULT_TAG
  }),
  sharesPerMinute: defaulted(decimal("N", 0.01, 6000), {
    description: "How many shares a minute each channel's difficulty aims at.",
    default: defaultChannelPolicy.sharesPerMinute
  }),
  minHashRate: defaulted(decimal("N", 0, 1e18), {
    description:
      "Hashes a second that a channel is taken to have at least, whatever it says: it bounds the easiest target.",
    default: defaultChannelPolicy.minHashRate
  }),
  shareBatch: defaulted(whole("N", 1, 10_000), {
    description: "How many accepted shares one acknowledgement covers at most.",
    option: "shareBatchSize",
    default: defaultChannelPolicy.shareBatchSize
  }),
  shareLog: optional(fileToWrite("a file to be appended to"), {
    description: "Each accepted share as a line of JSON, written before it is acknowledged.",
    example: "shares.ndjson"
  }),
  stateFile: optional(fileToWrite("a file that the pool may write"), {
    description:
      "Remembers how far job ids have gone, so that none repeats after a restart even if the clock was set back.",
    example: "pool.state"
  }),
  upstreamTimeout: defaulted(whole("SECONDS", 0, 604_800), {
    description:
      "How long miners go on with the last job without a template provider before they are sent away; 0 for ever.",
    default: Duration.toSeconds(defaultMiningServerOptions.upstreamTimeout)
  }),
  reconnectTo: optional(reconnectTarget, {
    description:
      "Where miners are told to connect to when the pool stops: another pool with the same authority key, or here for this one again.",
    example: "pool2.example:3333"
  }),
  maxConnections: defaulted(whole("N", 1, 1_000_000), {
    description: "Connections open at once.",
    default: defaultMaxConnections
  }),
  maxConnectionsPerAddress: optional(whole("N", 1, 1_000_000), {
    description:
      "Those of one address; half of max-connections unless told. IPv6 counts by its first 64 bits; this machine's own addresses have no such limit.",
    example: 4_096
  }),
  ...handshakeKeys,
  maxChannels: defaulted(whole("N", 1, 65_536), {
    description: "Channels open at once on one connection.",
    default: defaultChannelPolicy.maxChannels
  }),
  maxChannelsInAll: defaulted(whole("N", 1, 16_000_000), {
    description: "Channels open at once on all connections together; each takes some kilobytes.",
    default: defaultMiningServerOptions.maxChannelsInAll
  }),
  maxChannelsPerAddress: optional(whole("N", 1, 16_000_000), {
    description:
      "Those of one address; half of max-channels-in-all unless told. IPv6 counts by its first 64 bits; this machine's own addresses have no such limit.",
    example: 50_000
  }),
  maxSharesPerSecond: optional(decimal("N", 0.01, 1_000_000), {
    description:
      "Good shares a second of one connection, for each of its channels, above which they are refused unless they are blocks; 10, or a third of shares-per-minute if that is more, unless told.",
    example: 10
  }),
  maxMessagesPerSecond: defaulted(whole("N", 1, 1_000_000), {
    description: "Messages a second of one connection, above which it is read from more slowly.",
    default: defaultTrafficLimits.maxMessagesPerSecond
  }),
  maxErrorsPerSecond: defaulted(whole("N", 1, 1_000_000), {
    description:
      "Errors a second that one connection may cause before it is ended; stale shares and those above max-shares-per-second do not count.",
    default: defaultTrafficLimits.maxErrorsPerSecond
  }),
  ...metricsKeys(", and people the statistics of users by name, at /stats and /users"),
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

/** Whoever is to be paid can be. */
const canPay = Schema.makeFilter((config: typeof fields.Type) =>
  Result.match(payoutOf(optionsOf(config)), {
    onFailure: ({ message }) => `coinbase-address, coinbase-outputs, solo-fee: ${message.replace(/^\w+: /, "")}`,
    onSuccess: () => undefined
  })
)

/** The difficulty can follow a miner. */
const sharesFit = Schema.makeFilter(({ maxSharesPerSecond, sharesPerMinute }: typeof fields.Type) => {
  const least = leastSharesPerSecond(sharesPerMinute)
  return maxSharesPerSecond === undefined || maxSharesPerSecond >= least
    ? undefined
    : `max-shares-per-second: ${maxSharesPerSecond} is too few for ${sharesPerMinute} shares a minute (shares-per-minute), of ` +
        `which twenty times as many come while a difficulty is looked for; give ${least} or more`
})

/** The tag has room in the coinbase beside the longest height that a template may begin with and the pool's extranonce. */
const tagFits = Schema.makeFilter(({ coinbaseTag }: typeof fields.Type) => {
  const extranonceSize = defaultExtranonceLayout.fullSize + RUN_BYTES
  const room = checkCoinbaseRoom({ tags: coinbaseTags(coinbaseTag, ""), extranonceSize })
  return Result.isSuccess(room) ? undefined : `coinbase-tag: ${room.failure.message}`
})

/** Of the extranonce, what a pool puts before the channels' part, another at each start. */
const RUN_BYTES = 4

export const PoolConfig = {
  program: "pool",
  schema: fields.check(oneSecurity, canPay, sharesFit, tagFits, distinctAddresses("listen", "metricsListen"))
}
