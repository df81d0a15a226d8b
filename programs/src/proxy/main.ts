/** `sluice proxy`: a mining proxy, client of pools and server of miners and proxies. */
import { JobIds, MiningServerStats, openShareLog } from "@sluice/mining-server"
import { Proxy, type ProxyOptions, RelayDialer, RelayListener, Upstreams, UpstreamStats } from "@sluice/proxy"
import type { UpstreamView } from "@sluice/monitor"
import { MiningDialer, MiningListener, Security, Setup, Tcp } from "@sluice/transport"
import { Translator } from "@sluice/translator"
import { Effect, Layer, Schema } from "effect"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { trustOf } from "../config/trust.ts"
import { defaultHandshakeThreads, layerCurveNamed } from "../server/curve.ts"
import { logEvents } from "../server/log-events.ts"
import { layerMetrics, type MetricsConfig } from "../server/metrics.ts"
import { makeMonitor } from "../server/monitor.ts"
import { secured } from "../server/secured.ts"
import { statisticsPages } from "../server/statistics.ts"
import { withV1 } from "../server/v1.ts"
import { optionsOf, ProxyConfig } from "./config.ts"

export const proxy = program({
  ...ProxyConfig,
  description: summaries.proxy,
  run: Effect.fnUntraced(function* (config) {
    const shareSinks = config.shareLog === undefined ? [] : [yield* openShareLog(config.shareLog)]
    const options: ProxyOptions = { ...optionsOf(config), shareSinks }
    const withShares = config.logLevel === "debug" || config.logLevel === "trace"
    const monitor = yield* makeMonitor(config)
    return yield* Layer.mergeAll(layerLog(withShares), layerPages(config), monitor.layer(monitored)).pipe(
      Layer.provide(Proxy.layer(options)),
      Layer.provide([
        withV1(
          "proxy",
          config,
          Setup.server(config.mode === "per-miner" ? RelayListener : MiningListener).pipe(
            Layer.provide(secured("proxy", { handshakeThreads: defaultHandshakeThreads, ...config }))
          )
        ),
        // A V1 pool has one difficulty and one extranonce1 for a connection, so a miner's own channel there is a connection.
        Translator.eitherDialer({ password: config.password, connectionPerChannel: config.mode === "per-miner" }).pipe(
          Layer.provide(Setup.client(config.mode === "per-miner" ? RelayDialer : MiningDialer)),
          Layer.provide(Security.dialer()),
          Layer.provide(layerCurveNamed(config.curve)),
          Layer.provide(Tcp.dialerWith({ trust: yield* trustOf("proxy", config) }))
        ),
        config.stateFile === undefined ? Layer.empty : JobIds.layerFile(config.stateFile)
      ]),
      Layer.launch,
      Effect.provide(monitor.logs)
    )
  }, Effect.scoped)
})

const layerLog = (withShares: boolean) =>
  Layer.effectDiscard(Effect.flatMap(Proxy, ({ events }) => logEvents(events, withShares)))

/** What the operators' page shows of a proxy. */
const monitored = Effect.gen(function* () {
  const server = yield* Proxy
  const upstreams = yield* Upstreams
  return { role: "proxy" as const, server, upstreams: Effect.map(upstreams.stats, (all) => all.map(upstreamView)) }
})

const upstreamView = ({ accepted, connectedTo, name, pending, refused, state }: UpstreamStats): UpstreamView => ({
  name,
  state,
  connectedTo: connectedTo === name ? null : connectedTo,
  reason: null,
  accepted,
  refused: Object.values(refused).reduce((sum, count) => sum + count, 0),
  pending
})

/** The statistics of the server of miners, with those of each upstream. */
const ProxyStats = Schema.Struct({
  ...MiningServerStats.fields,
  upstreams: Schema.Array(UpstreamStats),
  /** The difficulty that miners were credited with, less the difficulty that the upstreams credited. */
  uncreditedDifficulty: Schema.Finite
})

const layerPages = (config: MetricsConfig) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const proxy = yield* Proxy
      const upstreams = yield* Upstreams
      const stats = Effect.map(Effect.all([proxy.stats, upstreams.stats]), ([stats, upstreams]) => ({
        ...stats,
        upstreams,
        uncreditedDifficulty: upstreams.reduce((rest, one) => rest - one.acceptedDifficulty, stats.acceptedDifficulty)
      }))
      return layerMetrics(config, statisticsPages(proxy, stats, ProxyStats))
    })
  )
