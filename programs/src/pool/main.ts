/** `sluice pool`: a mining pool, client of a template provider and server of miners and proxies. */
import type { ChannelRefused } from "@sluice/channels"
import { Pool, type PoolOptions } from "@sluice/pool"
import { minerPayout, MiningServerStats, openShareLog } from "@sluice/mining-server"
import { TemplateClient } from "@sluice/template-provider"
import { MiningListener, Security, Setup, Tcp, TemplateDialer } from "@sluice/transport"
import { Effect, Layer, Result } from "effect"
import { defaultHandshakeThreads, layerCurveNamed } from "../server/curve.ts"
import { logEvents } from "../server/log-events.ts"
import { layerMetrics, type MetricsConfig } from "../server/metrics.ts"
import { statisticsPages } from "../server/statistics.ts"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { secured } from "../server/secured.ts"
import { warnOfCoinbase, withV1 } from "../server/v1.ts"
import { partOf } from "../workers/config.ts"
import { layerJobIds, withWorkers } from "../workers/with-workers.ts"
import { layerTemplates, makeTemplateRelay } from "../workers/templates.ts"
import { layerWorker, serveAsWorker, type Worker } from "../workers/worker.ts"
import { coinbaseSizeOf, optionsOf, PoolConfig } from "./config.ts"

export const pool = program({
  ...PoolConfig,
  description: summaries.pool,
  run: Effect.fnUntraced(function* (config, { given, worker }) {
    const withShares = config.logLevel === "debug" || config.logLevel === "trace"
    if (worker === undefined) yield* warnOfCoinbase(config, coinbaseSizeOf(config))
    if (worker === undefined && config.workers > 1) {
      return yield* withWorkers({
        program: "pool",
        config,
        given,
        schema: MiningServerStats,
        statsOf: (server) => server,
        relay: makeTemplateRelay()
      }).pipe(Effect.provide([layerTemplateClient(config), layerJobIds(config)]))
    }
    const mine = worker === undefined ? config : partOf(config, worker.start)
    const shareSinks = mine.shareLog === undefined ? [] : [yield* openShareLog(mine.shareLog)]
    const options: PoolOptions = { ...optionsOf(mine), ...numbersOf(worker), shareSinks }
    const served = worker === undefined ? layerPages(config) : layerAnswers(worker)
    return yield* Layer.merge(layerLog(withShares, options), served).pipe(
      Layer.provide(Pool.layer(options)),
      Layer.provide([
        withV1(
          "pool",
          mine,
          Setup.server(MiningListener).pipe(
            Layer.provide(secured("pool", { handshakeThreads: defaultHandshakeThreads, ...mine }))
          )
        ),
        worker === undefined ? layerTemplateClient(config) : layerTemplates(worker.link)
      ]),
      Layer.provide(worker === undefined ? layerJobIds(config) : layerWorker(worker)),
      Layer.launch
    )
  }, Effect.scoped)
})

type Config = typeof PoolConfig.schema.Type

const layerTemplateClient = (config: Config) =>
  TemplateClient.layer({ servers: config.templateProvider }).pipe(
    Layer.provide(Setup.client(TemplateDialer)),
    Layer.provide(Security.dialer()),
    Layer.provide(layerCurveNamed(config.curve)),
    Layer.provide(Tcp.dialer)
  )

const layerAnswers = (worker: Worker) =>
  Layer.effectDiscard(Effect.flatMap(Pool, (pool) => serveAsWorker(worker, pool)))

/** The number of a worker is in the extranonce prefixes that it gives, in place of the server's. */
const numbersOf = (worker: Worker | undefined): Pick<PoolOptions, "extranonce" | "firstConnectionId"> =>
  worker === undefined
    ? {}
    : {
        extranonce: { serverId: Uint8Array.of(worker.start.number) },
        firstConnectionId: worker.start.firstConnectionId
      }

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
