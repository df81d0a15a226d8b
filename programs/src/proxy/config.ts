/** The configuration of `sluice proxy`. */
import {
  type DeclaringProxyOptions,
  defaultDeclaredOptions,
  defaultUpstreamOptions,
  type ProxyOptions,
  sharedIdentity
} from "@sluice/proxy"
import { coinbaseTags } from "@sluice/bitcoin"
import { checkCoinbaseRoom } from "@sluice/channels"
import { Mining } from "@sluice/protocol"
import { formatServerAddress } from "@sluice/transport"
import { Duration, Result, Schema, Struct } from "effect"
import { distinctAddresses } from "../config/addresses.ts"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { miningServerUrls, payoutAddress, payoutShares, serverUrls, v1PasswordKey } from "../config/stratum.ts"
import { trustKeys } from "../config/trust.ts"
import { choice, decimal, hostPort, string, toggle, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"
import { metricsKeys } from "../server/metrics.ts"
import { monitorKeys, tokenForOthers, wholeHttps } from "../server/monitor.ts"
import { miningServerKeys, serverOptionsOf, sharesFit } from "../server/mining-server.ts"
import { listenKeys, v1Keys, wholeTls } from "../server/v1.ts"

/** The extranonce2 of most Stratum V1 pools. */
const V1_EXTRANONCE_SIZE = 8

const fields = Schema.Struct({
  listen: defaulted(hostPort, { description: "The address for miners and proxies.", default: "127.0.0.1:3335" }),
  ...v1Keys,
  upstream: required(miningServerUrls, {
    description: "The pools that give work, the preferred one first.",
    example: ["stratum2+tcp://127.0.0.1:3333/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"]
  }),
  jobDeclarator: optional(serverUrls, {
    description:
      "The job declarators of the pools, in the order of upstream: miners mine jobs with the transactions of template-provider, which the proxy declares to them. Of pools behind the last declarator, miners mine the pools' own jobs, as a reserve.",
    example: ["stratum2+tcp://127.0.0.1:3334/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"],
    option: "declarator"
  }),
  templateProvider: optional(serverUrls, {
    description: "The template providers of the jobs that are declared, the preferred one first.",
    example: ["stratum2+tcp://127.0.0.1:18447/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"]
  }),
  soloAddress: optional(payoutAddress, {
    description: "The address that blocks pay while no pool can be used. By default miners wait for a pool then.",
    example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
  }),
  declareTransactions: defaulted(toggle, {
    description:
      "Whether job declarators learn the transactions of the jobs, so that they check them and send blocks to the network too (full-template mode); without, they learn the coinbase only.",
    default: defaultDeclaredOptions.declareTransactions
  }),
  ownOutputs: optional(payoutShares, {
    description:
      "Outputs of your own in declared jobs, with percentages of the reward; the pool gets the rest. Pools refuse jobs that leave them less than they demand.",
    example: ["1.5 bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]
  }),
  minFeeDelta: defaulted(whole("SATOSHIS", 0, 2_100_000_000), {
    description: "The least by which the fees of another template for the same block must be higher to be declared.",
    default: Number(defaultDeclaredOptions.minFeeDelta)
  }),
  coinbaseTag: defaulted(string({ metavar: "TEXT", expected: "a short text" }), {
    description: "The miner's name in the blocks of declared jobs.",
    option: "tag",
    default: defaultDeclaredOptions.tag
  }),
  mode: defaulted(choice(["aggregated", "per-miner"]), {
    description:
      "Whether all miners share one channel at a pool, or each miner has a channel of its own there, with the pool's target and verdicts.",
    default: "aggregated"
  }),
  userIdentity: optional(string({ metavar: "NAME", expected: "a name of at most 255 bytes" }, 255), {
    description:
      "The name of a channel at the pools. {user} and {worker} stand for the parts of a miner's name; the channel that all miners share has the name without them. Default: sluice for that channel, and the miner's own name for a channel of its own.",
    example: "account.{worker}"
  }),
  ...v1PasswordKey,
  extranonceSize: optional(whole("BYTES", 3, 32), {
    description: `The bytes of extranonce that each pool must leave to the proxy: 1 that differs from job to job, 3 for its channels (2 of 6 to 8 bytes, 1 of fewer), the others for a miner to roll. Default: ${defaultUpstreamOptions.extranonceSize}, or ${V1_EXTRANONCE_SIZE} if one of the pools speaks Stratum V1.`,
    example: V1_EXTRANONCE_SIZE
  }),
  verifyPayout: optional(payoutAddress, {
    description: "The address that the coinbase of each job must pay. The proxy leaves a pool whose job does not.",
    example: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
  }),
  minPayoutPercent: optional(decimal("PERCENT", 0, 100), {
    description: "The least part of the reward that verify-payout must get. Default: any amount.",
    example: 98
  }),
  silence: defaulted(whole("SECONDS", 1, 86_400), {
    description: "How long a pool may send no job after another pool has announced a new block.",
    default: Duration.toSeconds(defaultUpstreamOptions.silence)
  }),
  returnAfter: defaulted(whole("SECONDS", 0, 86_400), {
    description: "How long a preferred pool that had failed must have work before it is used again.",
    default: Duration.toSeconds(defaultUpstreamOptions.returnAfter)
  }),
  ...miningServerKeys({ name: "proxy", source: "a pool" }),
  ...metricsKeys,
  ...monitorKeys,
  ...securityKeys,
  ...trustKeys,
  ...loggingKeys
})

/** The options of the proxy that the configuration sets. */
export const optionsOf = (config: typeof fields.Type): ProxyOptions => {
  const [first, ...others] = config.upstream
  const hasV1 = config.upstream.some(({ security }) => security._tag === "v1")
  return {
    ...serverOptionsOf(config),
    ...(hasV1 ? { extranonceSize: V1_EXTRANONCE_SIZE } : {}),
    ...Struct.pick(config, ["mode", "userIdentity", "extranonceSize", "verifyPayout", "minPayoutPercent"]),
    upstreams: [{ server: first }, ...others.map((server) => ({ server }))],
    silence: Duration.seconds(config.silence),
    returnAfter: Duration.seconds(config.returnAfter)
  }
}

/** The options of a proxy that declares jobs; `undefined` for one that mines the pools' jobs alone. */
export const declaringOptionsOf = (config: typeof fields.Type): DeclaringProxyOptions | undefined => {
  const { jobDeclarator: declarators = [], minFeeDelta, templateProvider } = config
  if (templateProvider === undefined) return undefined
  const { upstreams, ...options } = optionsOf(config)
  const [first, ...others] = upstreams.map((upstream, index) => {
    const declarator = declarators[index]
    return declarator === undefined ? upstream : { ...upstream, declarator }
  })
  return {
    ...options,
    ...Struct.pick(config, ["soloAddress", "declareTransactions", "ownOutputs"]),
    upstreams: [first!, ...others],
    minFeeDelta: BigInt(minFeeDelta),
    tag: config.coinbaseTag
  }
}

/** A check: templates, declarators and pools fit together. */
const canDeclare = Schema.makeFilter((config: typeof fields.Type) => {
  const { jobDeclarator, mode, soloAddress, templateProvider, upstream } = config
  const needs = [jobDeclarator && "job-declarator", soloAddress && "solo-address"].filter((key) => key !== undefined)
  if (needs.length > 0 && templateProvider === undefined) {
    return `template-provider: ${needs.join(" and ")} needs templates; give a template provider too`
  }
  if (templateProvider === undefined) return undefined
  if (jobDeclarator === undefined) {
    return "template-provider: only declared jobs are made of templates; give job-declarator too"
  }
  if (mode === "per-miner") return "mode: declared jobs are mined on one channel that all miners share (aggregated)"
  if (jobDeclarator.length > upstream.length) {
    return `job-declarator: there are ${jobDeclarator.length} declarators for ${upstream.length} pools (upstream)`
  }
  const v1 = upstream.findIndex(({ security }, index) => security._tag === "v1" && index < jobDeclarator.length)
  if (v1 >= 0) {
    return `job-declarator: the pool ${formatServerAddress(upstream[v1]!)} speaks Stratum V1, which has no declared jobs; put it behind the others`
  }
  const room = checkCoinbaseRoom({
    tags: coinbaseTags("", config.coinbaseTag),
    extranonceSize: Mining.MAX_EXTRANONCE_SIZE
  })
  return Result.isSuccess(room) ? undefined : `coinbase-tag: ${room.failure.message}`
})

/** A check: the channel that all miners share has a name. */
const hasIdentity = Schema.makeFilter(
  ({ mode, userIdentity = defaultUpstreamOptions.userIdentity }: typeof fields.Type) =>
    mode === "aggregated" && sharedIdentity(userIdentity) === ""
      ? `user-identity: all miners share one channel at the pool, so "${userIdentity}" needs a fixed part, such as account.{worker}`
      : undefined
)

/** A check: there is something to compare the percentage with. */
const hasPayout = Schema.makeFilter(({ minPayoutPercent, verifyPayout }: typeof fields.Type) =>
  minPayoutPercent !== undefined && verifyPayout === undefined
    ? "min-payout-percent: give verify-payout too, the address that must be paid"
    : undefined
)

export const ProxyConfig = {
  program: "proxy",
  schema: fields.check(
    oneSecurity,
    canDeclare,
    hasIdentity,
    hasPayout,
    sharesFit,
    wholeTls,
    tokenForOthers,
    wholeHttps,
    distinctAddresses(...listenKeys)
  )
}
