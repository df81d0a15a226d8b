/** `sluice pool`: a mining pool, client of a template provider and server of miners and proxies. */
import type { ChannelRefused } from "@sluice/channels"
import { Pool, type PoolOptions } from "@sluice/pool"
import { JobIds, minerPayout, MiningServerStats, openShareLog } from "@sluice/mining-server"
import { TemplateClient } from "@sluice/template-provider"
import { MiningListener, Security, Setup, Tcp, TemplateDialer } from "@sluice/transport"
import { Effect, Layer, Result } from "effect"
import { defaultHandshakeThreads, layerCurveNamed } from "../server/curve.ts"
import { logEvents } from "../server/log-events.ts"
import { layerMetrics, type MetricsConfig } from "../server/metrics.ts"
import { makeMonitor } from "../server/monitor.ts"
import { statisticsPages } from "../server/statistics.ts"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { secured } from "../server/secured.ts"
import { warnOfCoinbase, withV1 } from "../server/v1.ts"
import { coinbaseSizeOf, optionsOf, PoolConfig } from "./config.ts"

export const pool = program({
  ...PoolConfig,
  description: summaries.pool,
  run: Effect.fnUntraced(function* (config) {
    const shareSinks = config.shareLog === undefined ? [] : [yield* openShareLog(config.shareLog)]
    yield* warnOfCoinbase(config, coinbaseSizeOf(config))
    const options: PoolOptions = { ...optionsOf(config), shareSinks }
    const withShares = config.logLevel === "debug" || config.logLevel === "trace"
    const monitor = yield* makeMonitor(config)
    const monitored = Effect.map(Pool, (server) => ({ role: "pool" as const, server }))
    return yield* Layer.mergeAll(layerLog(withShares, options), layerPages(config), monitor.layer(monitored)).pipe(
      Layer.provide(Pool.layer(options)),
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
      Layer.launch,
      Effect.provide(monitor.logs)
    )
  }, Effect.scoped)
})

/** For a refused channel of a solo pool: why the user identity cannot be paid, if that is the reason. */
const unpaid = ({ errorCode, userIdentity }: ChannelRefused, { chain, solo }: PoolOptions): string => {
  if (solo === undefined || errorCode !== "invalid-user-identity") return ""
  const script = minerPayout(userIdentity, chain)
  return Result.isFailure(script) ? `: ${script.failure}` : ""
}

const layerPages = (config: MetricsConfig) =>
  Layer.unwrap(Effect.map(Pool, (pool) => layerMetrics(config, statisticsPages(pool, pool.stats, MiningServerStats))))

const layerLog = (withShares: boolean, options: PoolOptions) =>
  Layer.effectDiscard(
    Effect.flatMap(Pool, ({ events }) => logEvents(events, withShares, (event) => unpaid(event, options)))
  )
