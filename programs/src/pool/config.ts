/** The configuration of `sluice pool`. */
import { coinbaseTags } from "@sluice/bitcoin"
import { checkCoinbaseRoom, defaultExtranonceLayout } from "@sluice/channels"
import { outputConstraints, payoutOf, Templates } from "@sluice/mining-server"
import { isBlockPolicy } from "@sluice/ledger"
import type { PoolOptions } from "@sluice/pool"
import { Result, Schema, Struct } from "effect"
import { distinctAddresses } from "../config/addresses.ts"
import { defaulted, optional, required } from "../config/key.ts"
import { oneSecurity, securityKeys } from "../config/security.ts"
import { serverUrls } from "../config/stratum.ts"
import { decimal, hostPort, string } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"
import { metricsKeys } from "../server/metrics.ts"
import { canDeclare, nodeHasUse, poolDeclarationKeys } from "../server/job-declaration.ts"
import { nodeUrlKey, wholeNode } from "../server/node.ts"
import { monitorKeys, tokenForOthers, wholeHttps } from "../server/monitor.ts"
import { miningServerKeys, serverOptionsOf, sharesFit } from "../server/mining-server.ts"
import { chainKey, payoutKeys } from "../server/payout.ts"
import { listenKeys, v1Keys, wholeTls } from "../server/v1.ts"
import { ledgerChecks, ledgerKeys, policyOf } from "./ledger.ts"

const fields = Schema.Struct({
  listen: defaulted(hostPort, { description: "The address for miners and proxies.", default: "127.0.0.1:3333" }),
  ...v1Keys,
  templateProvider: required(serverUrls, {
    description: "The template providers, the preferred one first.",
    example: ["stratum2+tcp://127.0.0.1:18447/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"]
  }),
  ...payoutKeys,
  soloFee: optional(decimal("PERCENT", 0, 100), {
    description:
      "Makes the pool a solo pool: a block pays the address in the user identity of the miner that found it (ADDRESS or ADDRESS.WORKER), less this fee.",
    option: "solo",
    example: 1.5
  }),
  ...ledgerKeys,
  ...chainKey,
  coinbaseTag: defaulted(string({ metavar: "TEXT", expected: "a short text" }), {
    description: "The pool's name in the blocks that it finds.",
    option: "tag",
    default: Templates.DEFAULT_TAG
  }),
  ...poolDeclarationKeys,
  nodeRpcUrl: nodeUrlKey(
    "The URL of the JSON-RPC of the node that checks declared blocks, and shows which blocks of the ledger stay in the chain. Without it clients do not declare transactions (coinbase-only mode)."
  ),
  ...miningServerKeys({ name: "pool", source: "a template provider" }),
  ...metricsKeys,
  ...monitorKeys,
  ...securityKeys,
  ...loggingKeys
})

/** The options of the pool that the configuration sets. */
export const optionsOf = (config: typeof fields.Type): PoolOptions => {
  const { chain, coinbaseTag } = config
  const policy = policyOf(config)
  return {
    ...serverOptionsOf(config),
    ...Struct.pick(config, ["coinbaseAddress", "coinbaseOutputs"]),
    ...(policy?.scheme === "solo" ? { solo: { feePercent: policy.fee / 10_000 } } : {}),
    ...(chain === undefined ? {} : { chain: chain === "testnet4" ? "test" : chain }),
    tag: coinbaseTag
  }
}

/** A check: all outputs can be paid. */
const canPay = Schema.makeFilter((config: typeof fields.Type) =>
  Result.match(payoutOf(optionsOf(config)), {
    onFailure: ({ message }) => `coinbase-address, coinbase-outputs, solo-fee: ${message.replace(/^\w+: /, "")}`,
    onSuccess: () => undefined
  })
)

/** A check: declared jobs have an output to pay the pool with, and users who are paid by its coinbases have none. */
const paysDeclaredJobs = Schema.makeFilter((config: typeof fields.Type) => {
  const policy = policyOf(config)
  if (policy === undefined || (config.jobDeclarationListen ?? config.jobDeclarationTokenKey) === undefined)
    return undefined
  if (isBlockPolicy(policy)) {
    return (
      `job-declaration-listen, job-declaration-token-key, ${config.soloFee === undefined ? "payout-scheme" : "solo-fee"}: ` +
      "declared jobs pay the pool's outputs; in this pool miners are paid by their own jobs"
    )
  }
  return config.minPayoutPercent === 100
    ? undefined
    : `min-payout-percent, payout-scheme ${policy.scheme}: the pool pays for shares of declared jobs, so their blocks pay it 100 percent`
})

/** A check: the tag fits into the coinbase beside the longest height of a template and the pool's extranonce. */
const tagFits = Schema.makeFilter(({ coinbaseTag }: typeof fields.Type) => {
  const extranonceSize = defaultExtranonceLayout.fullSize + RUN_BYTES
  const room = checkCoinbaseRoom({ tags: coinbaseTags(coinbaseTag, ""), extranonceSize })
  return Result.isSuccess(room) ? undefined : `coinbase-tag: ${room.failure.message}`
})

/** Bytes of the extranonce before the channels' part. They differ at each start of the pool. */
const RUN_BYTES = 4

/**
 * The largest coinbase that the payouts can lead to, in bytes and without the witness: the outputs, the commitment to the
 * witnesses, and at most 161 bytes around them with the longest input.
 */
export const coinbaseSizeOf = (config: typeof fields.Type): number => {
  const policy = policyOf(config)
  if (policy !== undefined && policy.scheme !== "solo" && isBlockPolicy(policy)) return config.maxCoinbaseBytes
  return Result.match(payoutOf(optionsOf(config)), {
    onFailure: () => 0,
    onSuccess: (payout) => outputConstraints(payout).coinbaseOutputMaxAdditionalSize + 47 + 161
  })
}

export const PoolConfig = {
  program: "pool",
  schema: fields.check(
    oneSecurity,
    canPay,
    sharesFit,
    tagFits,
    wholeTls,
    wholeNode,
    canDeclare,
    nodeHasUse,
    paysDeclaredJobs,
    tokenForOthers,
    wholeHttps,
    distinctAddresses(...listenKeys, "jobDeclarationListen"),
    ...ledgerChecks
  )
}
