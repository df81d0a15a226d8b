/** `sluice proxy`: a mining proxy, client of pools and server of miners and proxies. */
import { JobIds, MiningServerStats, openShareLog } from "@sluice/mining-server"
import { Declarations, DeclaredStats, Proxy, RelayDialer, RelayListener, Upstreams, UpstreamStats } from "@sluice/proxy"
import { TemplateClient } from "@sluice/template-provider"
import {
  DeclarationDialer,
  MiningDialer,
  MiningListener,
  Security,
  Setup,
  Tcp,
  TemplateDialer
} from "@sluice/transport"
import { Translator } from "@sluice/translator"
import { Effect, Layer, Schema } from "effect"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { trustOf } from "../config/trust.ts"
import { defaultHandshakeThreads, layerCurveNamed } from "../server/curve.ts"
import { logEvents } from "../server/log-events.ts"
import { layerMetrics, type MetricsConfig } from "../server/metrics.ts"
import { secured } from "../server/secured.ts"
import { statisticsPages } from "../server/statistics.ts"
import { withV1 } from "../server/v1.ts"
import { declaringOptionsOf, optionsOf, ProxyConfig } from "./config.ts"

export const proxy = program({
  ...ProxyConfig,
  description: summaries.proxy,
  run: Effect.fnUntraced(function* (config) {
    const shareSinks = config.shareLog === undefined ? [] : [yield* openShareLog(config.shareLog)]
    const declaring = declaringOptionsOf(config)
    const layer =
      declaring === undefined
        ? Proxy.layer({ ...optionsOf(config), shareSinks }).pipe(
            Layer.merge(Layer.succeed(Declarations, Declarations.of({ stats: Effect.succeed([]) })))
          )
        : Proxy.layerDeclared({ ...declaring, shareSinks }).pipe(Layer.provide(layerDeclaring(config)))
    const withShares = config.logLevel === "debug" || config.logLevel === "trace"
    return yield* Layer.merge(layerLog(withShares), layerPages(config)).pipe(
      Layer.provide(layer),
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
      Layer.launch
    )
  }, Effect.scoped)
})

/** What declared jobs need beside pools: templates, and connections to job declarators. */
const layerDeclaring = ({ curve, templateProvider }: typeof ProxyConfig.schema.Type) => {
  const [first, ...others] = templateProvider!
  return Layer.mergeAll(
    TemplateClient.layer({ servers: [first, ...others] }).pipe(Layer.provide(Setup.client(TemplateDialer))),
    Setup.client(DeclarationDialer)
  ).pipe(Layer.provide(Security.dialer()), Layer.provide(layerCurveNamed(curve)), Layer.provide(Tcp.dialer))
}

const layerLog = (withShares: boolean) =>
  Layer.effectDiscard(Effect.flatMap(Proxy, ({ events }) => logEvents(events, withShares)))

/** The statistics of the server of miners, with those of each upstream. */
const ProxyStats = Schema.Struct({
  ...MiningServerStats.fields,
  upstreams: Schema.Array(UpstreamStats),
  /** The declared jobs of each source of jobs; empty for a proxy that declares none. */
  declarations: Schema.Array(DeclaredStats),
  /** The difficulty that miners were credited with, less the difficulty that the upstreams credited. */
  uncreditedDifficulty: Schema.Finite
})

const layerPages = (config: MetricsConfig) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const proxy = yield* Proxy
      const upstreams = yield* Upstreams
      const declared = yield* Declarations
      const all = Effect.all([proxy.stats, upstreams.stats, declared.stats])
      const stats = Effect.map(all, ([stats, upstreams, declarations]) => ({
        ...stats,
        upstreams,
        declarations,
        uncreditedDifficulty: upstreams.reduce((rest, one) => rest - one.acceptedDifficulty, stats.acceptedDifficulty)
      }))
      return layerMetrics(config, statisticsPages(proxy, stats, ProxyStats))
    })
  )
