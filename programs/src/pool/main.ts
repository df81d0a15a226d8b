/** `sluice pool`: a mining pool, client of a template provider and server of miners and proxies. */
import type { ChannelRefused } from "@sluice/channels"
import { DeclarationServer, TOKEN_KEY_SIZE, TokenKey, Tokens } from "@sluice/job-declaration"
import { Pool, type PoolOptions } from "@sluice/pool"
import { JobIds, minerPayout, MiningServerStats, openShareLog } from "@sluice/mining-server"
import { TemplateClient } from "@sluice/template-provider"
import { type Endpoint, MiningListener, Security, Setup, Tcp, TemplateDialer } from "@sluice/transport"
import { Effect, Layer, Result, Struct } from "effect"
import { randomBytes } from "node:crypto"
import { defaultHandshakeThreads, layerCurveNamed } from "../server/curve.ts"
import { logEvents } from "../server/log-events.ts"
import { layerDeclarationServer, MAX_DECLARATION_CONNECTIONS, payoutRulesOf } from "../server/job-declaration.ts"
import { layerMetrics, type MetricsConfig } from "../server/metrics.ts"
import { statisticsPages } from "../server/statistics.ts"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { secured } from "../server/secured.ts"
import { warnOfCoinbase, withV1 } from "../server/v1.ts"
import { coinbaseSizeOf, optionsOf, PoolConfig } from "./config.ts"
import { layerWithLedger, policyOf } from "./ledger.ts"

export const pool = program({
  ...PoolConfig,
  description: summaries.pool,
  run: Effect.fnUntraced(function* (config) {
    const shareSinks = config.shareLog === undefined ? [] : [yield* openShareLog(config.shareLog)]
    yield* warnOfCoinbase(config, coinbaseSizeOf(config))
    const options: PoolOptions = { ...optionsOf(config), shareSinks }
    if (config.ledger === undefined) yield* Effect.logInfo(promiseOf(config.shareLog))
    const withShares = config.logLevel === "debug" || config.logLevel === "trace"
    return yield* Layer.merge(layerLog(withShares, options, policyOf(config) !== undefined), layerPages(config)).pipe(
      Layer.provide(
        config.ledger === undefined
          ? layerPool(config, options)
          : layerWithLedger({ ...config, ledger: config.ledger }, options, (options) => layerPool(config, options))
      ),
      Layer.provide([
        withV1(
          "pool",
          config,
          Setup.server(MiningListener).pipe(
            Layer.provide(secured("pool", { handshakeThreads: defaultHandshakeThreads, ...config }))
          )
        ),
        TemplateClient.layer({ servers: config.templateProvider }).pipe(
          Layer.provide(Setup.client(TemplateDialer)),
          Layer.provide(Security.dialer()),
          Layer.provide(layerCurveNamed(config.curve)),
          Layer.provide(Tcp.dialer)
        ),
        config.stateFile === undefined ? Layer.empty : JobIds.layerFile(config.stateFile)
      ]),
      Layer.launch
    )
  }, Effect.scoped)
})

/**
 * The pool, with its server of Job Declaration if it has one: that submits the blocks of declared jobs that the pool finds. With
 * only the key of tokens, a declarator is beside the pool.
 */
const layerPool = (config: typeof PoolConfig.schema.Type, options: PoolOptions) => {
  const { jobDeclarationListen: listen, jobDeclarationTokenKey, minPayoutPercent } = config
  if (listen === undefined && jobDeclarationTokenKey === undefined) return Pool.layer(options)
  const tokenKey = jobDeclarationTokenKey ?? TokenKey(randomBytes(TOKEN_KEY_SIZE))
  const customJobs = { tokens: new Tokens(tokenKey), minPayoutPercent }
  if (listen === undefined) return Pool.layer({ ...options, customJobs })
  return Layer.unwrap(
    Effect.map(DeclarationServer, ({ submitFound: submitBlock }) =>
      Pool.layer({ ...options, customJobs: { ...customJobs, submitBlock } })
    )
  ).pipe(Layer.provide(layerDeclarations(config, options, listen, tokenKey)))
}

const layerDeclarations = (
  config: typeof PoolConfig.schema.Type,
  options: PoolOptions,
  listen: Endpoint,
  tokenKey: TokenKey
) => {
  const { minPayoutPercent, reconnectTo } = config
  const rules = payoutRulesOf(options, minPayoutPercent)
  // A miner's and a declarator's addresses differ, so `reconnect-to` holds for here alone.
  const here = reconnectTo?.host === "" ? { reconnectTo } : {}
  return layerDeclarationServer(
    {
      ...Struct.pick(config, ["authoritySecretKey", "curve", "maxHandshakesPerSecond", "proxyProtocol"]),
      ...Struct.pick(config, ["nodeRpcUrl", "nodeRpcUser", "nodeRpcPassword", "nodeRpcCookie", "nodeZmq"]),
      ...Struct.pick(config, ["minPayoutPercent", "requireFullTemplate"]),
      listen,
      maxConnections: MAX_DECLARATION_CONNECTIONS
    },
    { tokenKey, payout: () => rules, ...here }
  )
}

/** What an acknowledgement promises without a ledger. */
const promiseOf = (shareLog: string | undefined): string =>
  shareLog === undefined
    ? "Shares are acknowledged when they are counted: they are not kept (ledger keeps them)"
    : "Shares are acknowledged when the operating system has them in the share log: a power cut may lose the last ones"

/** For a refused channel of a pool that pays its users: why the user identity cannot be paid, if that is the reason. */
const unpaid = ({ errorCode, userIdentity }: ChannelRefused, { chain }: PoolOptions, paysUsers: boolean): string => {
  if (!paysUsers || errorCode !== "invalid-user-identity") return ""
  const script = minerPayout(userIdentity, chain)
  return Result.isFailure(script) ? `: ${script.failure}` : ""
}

const layerPages = (config: MetricsConfig) =>
  Layer.unwrap(Effect.map(Pool, (pool) => layerMetrics(config, statisticsPages(pool, pool.stats, MiningServerStats))))

const layerLog = (withShares: boolean, options: PoolOptions, paysUsers: boolean) =>
  Layer.effectDiscard(
    Effect.flatMap(Pool, ({ events }) => logEvents(events, withShares, (event) => unpaid(event, options, paysUsers)))
  )
