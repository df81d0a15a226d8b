/** `sluice proxy`: a mining proxy, client of pools and server of miners and proxies. */
import { type MiningServerStats, openShareLog } from "@sluice/mining-server"
import {
  Declarations,
  type DeclaredStats,
  mergeDeclared,
  mergeUpstreams,
  Proxy,
  RelayDialer,
  RelayListener,
  Upstreams,
  type UpstreamStats
} from "@sluice/proxy"
import { printable } from "@sluice/protocol"
import { TemplateClient, TemplateSource, type TemplateSourceState } from "@sluice/template-provider"
import {
  DeclarationDialer,
  MiningDialer,
  MiningListener,
  Security,
  Setup,
  Tcp,
  TemplateDialer
} from "@sluice/transport"
import type { UpstreamView } from "@sluice/monitor"
import { Translator } from "@sluice/translator"
import { Effect, Layer, Option, Stream } from "effect"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { chainOf } from "../config/chain.ts"
import { trustOf } from "../config/trust.ts"
import { defaultHandshakeThreads, layerCurveNamed } from "../server/curve.ts"
import { logEvents } from "../server/log-events.ts"
import { layerMetrics } from "../server/metrics.ts"
import { authorityOf, makeMonitor } from "../server/monitor.ts"
import { secured } from "../server/secured.ts"
import { withV1 } from "../server/v1.ts"
import { partOf } from "../workers/config.ts"
import { layerJobIds, noRelay, withWorkers } from "../workers/with-workers.ts"
import { layerWorker, serveAsWorker, type Worker } from "../workers/worker.ts"
import { declaringOptionsOf, optionsOf, ProxyConfig } from "./config.ts"

export const proxy = program({
  ...ProxyConfig,
  description: summaries.proxy,
  run: Effect.fnUntraced(function* (config, { given, worker }) {
    if (worker === undefined && config.workers > 1) {
      return yield* withWorkers({
        program: "proxy",
        config,
        given,
        statsOf: mergeProxies,
        pastOf: ended,
        monitored: (stats) => Effect.succeed({ ...aboutProxy(config), upstreams: Effect.map(stats, viewsOf) }),
        relay: noRelay
      }).pipe(Effect.provide(layerJobIds(config)))
    }
    const mine = worker === undefined ? config : partOf(config, worker.start)
    const shareSinks = mine.shareLog === undefined ? [] : [yield* openShareLog(mine.shareLog)]
    const { firstConnectionId = 1 } = worker?.start ?? {}
    const numbers = { firstConnectionId, shareSinks }
    const declaring = declaringOptionsOf(mine)
    const layer =
      declaring === undefined
        ? Proxy.layer({ ...optionsOf(mine), ...numbers }).pipe(
            Layer.merge(Layer.succeed(Declarations, Declarations.of({ stats: Effect.succeed([]) })))
          )
        : Proxy.layerDeclared({ ...declaring, ...numbers }).pipe(Layer.provideMerge(layerDeclaring(config)))
    const withShares = config.logLevel === "debug" || config.logLevel === "trace"
    const served = worker === undefined ? layerMetrics(config) : layerAnswers(worker)
    const monitor = yield* makeMonitor(mine, { worker })
    return yield* Layer.mergeAll(layerLog(withShares), served, monitor.layer(monitoredProxy(config))).pipe(
      Layer.provide(layer),
      Layer.provide([
        withV1(
          "proxy",
          mine,
          Setup.server(config.mode === "per-miner" ? RelayListener : MiningListener).pipe(
            Layer.provide(secured("proxy", { handshakeThreads: defaultHandshakeThreads, ...mine }))
          )
        ),
        // A V1 pool has one difficulty and one extranonce1 for a connection, so a miner's own channel there is a connection.
        Translator.eitherDialer({ password: config.password, connectionPerChannel: config.mode === "per-miner" }).pipe(
          Layer.provide(Setup.client(config.mode === "per-miner" ? RelayDialer : MiningDialer)),
          Layer.provide(Security.dialer()),
          Layer.provide(layerCurveNamed(config.curve)),
          Layer.provide(Tcp.dialerWith({ trust: yield* trustOf("proxy", config) }))
        )
      ]),
      Layer.provide(worker === undefined ? layerJobIds(config) : layerWorker(worker)),
      Layer.launch,
      Effect.provide(monitor.logs)
    )
  }, Effect.scoped)
})

type Config = typeof ProxyConfig.schema.Type

/** What declared jobs need beside pools: templates, and connections to job declarators. */
const layerDeclaring = ({ curve, templateProvider }: typeof ProxyConfig.schema.Type) => {
  const [first, ...others] = templateProvider!
  return Layer.mergeAll(
    TemplateClient.layer({ servers: [first, ...others] }).pipe(Layer.provide(Setup.client(TemplateDialer))),
    Setup.client(DeclarationDialer)
  ).pipe(Layer.provide(Security.dialer()), Layer.provide(layerCurveNamed(curve)), Layer.provide(Tcp.dialer))
}

const layerLog = (withShares: boolean) =>
  Layer.effectDiscard(Effect.flatMap(Proxy, (proxy) => logEvents(proxy, withShares)))

/** What the operators' page shows of a proxy. */
const monitoredProxy = Effect.fnUntraced(function* (config: Config) {
  const server = yield* Proxy
  return { ...aboutProxy(config), server, upstreams: Effect.map(yield* stats, viewsOf) }
})

const aboutProxy = (config: Config) => {
  const chain = chainOf([config.verifyPayout, config.soloAddress, config.ownOutputs?.[0]?.to])
  return { role: "proxy" as const, ...(chain && { chain }), ...authorityOf(config) }
}

const viewsOf = ({ declarations, provider, upstreams }: ProxyStats): ReadonlyArray<UpstreamView> => [
  ...upstreams.map(upstreamView),
  ...(provider === undefined ? [] : [templatesView(provider)]),
  // The pools' own jobs are those of the upstreams above.
  ...declarations.filter(({ kind }) => kind !== "pool").map(declarationView)
]

const NOTHING = {
  connectedTo: null,
  reason: null,
  accepted: null,
  refused: null,
  pending: null,
  shares: null,
  pool: null,
  declared: null
} satisfies Partial<UpstreamView>

const templatesView = (state: TemplateSourceState): UpstreamView => ({
  ...NOTHING,
  kind: "template-provider",
  name: "server" in state ? state.server : "",
  state: ({ Connecting: "connecting", Connected: "active", Disconnected: "disconnected" } as const)[state._tag],
  reason: "reason" in state ? printable(state.reason) : null
})

const upstreamView = (stats: UpstreamStats): UpstreamView => {
  const { accepted, acceptedDifficulty, connectedTo, late, lost, name, passedOn, pending, refused, unanswered } = stats
  return {
    ...NOTHING,
    kind: "pool",
    name,
    state: stats.state,
    connectedTo: connectedTo === name ? null : connectedTo,
    accepted,
    refused: sum(Object.values(refused)),
    pending,
    shares: { passedOn, acceptedDifficulty, refusedByCode: refused, unanswered, late, lost }
  }
}

const declarationView = (stats: DeclaredStats): UpstreamView => {
  const { acknowledged, declarator, declared, isActive, isDeclaratorConnected, kept, name, pushed, refused } = stats
  const used = isActive ? "active" : "reserve"
  if (stats.kind === "solo") return { ...NOTHING, kind: "solo", name, state: used }
  return {
    ...NOTHING,
    kind: "declarator",
    name: declarator,
    state: isDeclaratorConnected ? used : "disconnected",
    pending: kept,
    pool: name,
    declared: {
      jobs: declared,
      acknowledged,
      refused: sum(Object.values(refused)),
      refusedByCode: refused,
      pushed
    }
  }
}

const sum = (counts: ReadonlyArray<number>): number => counts.reduce((all, count) => all + count, 0)

/** The statistics of the server of miners, with those of each upstream. */
interface ProxyStats extends MiningServerStats {
  readonly upstreams: ReadonlyArray<UpstreamStats>
  /** The declared jobs of each source of jobs; empty for a proxy that declares none. */
  readonly declarations: ReadonlyArray<DeclaredStats>
  /** The connection to the template provider, of a proxy that declares jobs. */
  readonly provider: TemplateSourceState | undefined
}

const stats = Effect.gen(function* () {
  const proxy = yield* Proxy
  const upstreams = yield* Upstreams
  const declared = yield* Declarations
  const source = Option.getOrUndefined(yield* Effect.serviceOption(TemplateSource))
  let provider: TemplateSourceState | undefined
  if (source !== undefined) {
    const follow = Stream.runForEach(source.state, (state) => Effect.sync(() => (provider = state)))
    yield* Effect.forkScoped(follow, { startImmediately: true })
  }
  return Effect.map(
    Effect.all([proxy.stats, upstreams.stats, declared.stats]),
    ([stats, upstreams, declarations]): ProxyStats => ({ ...stats, upstreams, declarations, provider })
  )
})

const mergeProxies = (server: MiningServerStats, workers: ReadonlyArray<ProxyStats>): ProxyStats => ({
  ...server,
  upstreams: mergeUpstreams(workers.map(({ upstreams }) => upstreams)),
  declarations: mergeDeclared(workers.map(({ declarations }) => declarations)),
  provider: (workers.find(({ provider }) => provider?._tag !== "Connected") ?? workers[0])?.provider
})

/** The proxy of a worker that has ended: its shares that wait get no answer. */
const ended = (stats: ProxyStats): ProxyStats => ({
  ...stats,
  provider: undefined,
  declarations: stats.declarations.map((one) => ({
    ...one,
    isActive: false,
    isDeclaratorConnected: false,
    kept: 0
  })),
  upstreams: stats.upstreams.map((one) => ({
    ...one,
    state: "disconnected",
    pending: 0,
    unanswered: one.unanswered + one.pending
  }))
})

const layerAnswers = (worker: Worker) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      return yield* serveAsWorker(worker, yield* Proxy, { stats: yield* stats })
    })
  )
