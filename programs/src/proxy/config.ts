/** The configuration of `sluice proxy`. */
import { defaultUpstreamOptions, type ProxyOptions, sharedIdentity } from "@sluice/proxy"
import { Duration, Schema, Struct } from "effect"
import { distinctAddresses } from "../config/addresses.ts"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { miningServerUrls, payoutAddress, v1PasswordKey } from "../config/stratum.ts"
import { trustKeys } from "../config/trust.ts"
import { choice, decimal, hostPort, string, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"
import { metricsKeys } from "../server/metrics.ts"
import { monitorKeys, tokenForOthers } from "../server/monitor.ts"
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
  ...metricsKeys(", and the address of statistics with the names of users, at /stats and /users"),
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
    hasIdentity,
    hasPayout,
    sharesFit,
    wholeTls,
    tokenForOthers,
    distinctAddresses(...listenKeys)
  )
}
