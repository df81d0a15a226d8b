/** A program that serves miners with several workers: this process starts them and puts their statistics on one page. */
import { JobIds, type MiningServerStats } from "@sluice/mining-server"
import type { Monitored } from "@sluice/monitor"
import type { Endpoint } from "@sluice/transport"
import { Duration, Effect, FileSystem, Layer, type Scope } from "effect"
import type { V1Config } from "../server/v1.ts"
import { layerMetrics, type MetricsConfig } from "../server/metrics.ts"
import type { MiningServerConfig } from "../server/mining-server.ts"
import { makeMonitor, monitorKeys, type MonitorConfig } from "../server/monitor.ts"
import { kebab } from "../config/key.ts"
import { type Gathered, makeGathered } from "./gathered.ts"
import type { Start, ToPrimary } from "./messages.ts"
import { makePrimary } from "./primary.ts"
import { processesIn } from "./processes.ts"
import type { WorkerProcess } from "./worker-process.ts"

export interface WithWorkersOptions<Stats extends MiningServerStats, E, R, EMonitored> {
  readonly program: string
  readonly config: MiningServerConfig & MetricsConfig & MonitorConfig & V1Config & { readonly listen: Endpoint }
  readonly given: Start["given"]
  /** Adds to the statistics of all servers together those of the role in each worker. */
  readonly statsOf: (server: MiningServerStats, roles: ReadonlyArray<Stats>) => Stats
  /** What counts of a role that has ended. By default nothing does. */
  readonly pastOf?: (role: Stats) => Stats
  /** What the operators' page shows beside the server. */
  readonly monitored: (
    stats: Effect.Effect<Stats>,
    gathered: Pick<Gathered, "planOf">
  ) => Effect.Effect<Omit<Monitored, "server" | "processes" | "configuration">, EMonitored, Scope.Scope>
  /** What passes between the source of work and the workers. */
  readonly relay: Effect.Effect<Relay, E, R>
}

export interface Relay {
  readonly follow: (worker: WorkerProcess) => Effect.Effect<unknown, never, Scope.Scope>
  readonly receive: (worker: WorkerProcess, message: ToPrimary) => void
}

/** Runs until a worker cannot start because of the configuration. */
export const withWorkers = <Stats extends MiningServerStats, E, R, EMonitored>(
  options: WithWorkersOptions<Stats, E, R, EMonitored>
) =>
  Effect.gen(function* () {
    const { config, given, pastOf, program, statsOf } = options
    const relay = yield* options.relay
    const jobIds = yield* yield* JobIds.JobIds
    const serving = new Set<WorkerProcess>()
    /** One that stands for the roles of all workers that have ended. */
    let past: ReadonlyArray<Stats> = []
    const gathered = yield* makeGathered(serving)
    const metrics = yield* Effect.cachedWithTTL(gathered.metrics, FRESH)
    const monitor = yield* makeMonitor(config, { metrics: gathered.metrics })
    return yield* Effect.gen(function* () {
      const primary = yield* makePrimary({
        program,
        count: config.workers,
        given: given.filter(([name]) => !OF_PAGE.has(name)),
        isFollowed: config.httpListen !== undefined,
        jobIds,
        listen: LISTEN.flatMap(([field, key]) => {
          const address = config[field]
          return address === undefined ? [] : [[key, address] as const]
        }),
        limits: config,
        serving,
        follow: relay.follow,
        receive: (worker, message) => {
          relay.receive(worker, message)
          gathered.receive(worker, message)
          if (message._tag !== "Told") return
          for (const line of message.lines) {
            monitor.addLine({ ...line, message: `worker ${worker.number}: ${line.message}` })
          }
        },
        ended: (worker) => {
          const role = gathered.ended(worker) as Stats | undefined
          if (role === undefined || pastOf === undefined) return
          past = [statsOf(role, [...past, pastOf(role)])]
        }
      })
      const stats = yield* Effect.cachedWithTTL(
        Effect.map(gathered.report, ({ roles, server }) =>
          statsOf(server, [...past, ...(roles as ReadonlyArray<Stats>)])
        ),
        FRESH
      )
      const monitored = Effect.map(options.monitored(stats, gathered), (role) => ({
        ...role,
        server: { ...gathered, stats },
        processes: Effect.map(metrics, processesIn)
      }))
      if (config.v1TlsListen !== undefined) yield* passOn("SIGHUP", serving)
      yield* Layer.build(Layer.merge(layerMetrics(config, gathered.metrics), monitor.layer(monitored)))
      return yield* primary.failed
    }).pipe(Effect.provide(monitor.logs))
  })

/** The primary asks all workers for what the page shows, at most so often. */
const FRESH = Duration.seconds(1)
/** Keys of the page, which the primary serves: workers need neither its files nor its secrets. */
const OF_PAGE: ReadonlySet<string> = new Set(Object.keys(monitorKeys).map(kebab))

/** Passes a signal on that asks to read certificates again. */
const passOn = (signal: NodeJS.Signals, workers: ReadonlySet<WorkerProcess>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const onSignal = (): void => workers.forEach((worker) => worker.kill(signal))
      process.on(signal, onSignal)
      return onSignal
    }),
    (onSignal) => Effect.sync(() => process.off(signal, onSignal))
  )

/** The keys of the addresses for miners. */
const LISTEN = [
  ["listen", "listen"],
  ["v1Listen", "v1-listen"],
  ["v1TlsListen", "v1-tls-listen"]
] as const

/** A relay where each worker has its own source of work. */
export const noRelay = Effect.succeed<Relay>({ follow: () => Effect.void, receive: () => {} })

export const bothRelays = <E1, R1, E2, R2>(first: Effect.Effect<Relay, E1, R1>, second: Effect.Effect<Relay, E2, R2>) =>
  Effect.map(Effect.all([first, second]), ([first, second]): Relay => ({
    follow: (worker) => Effect.all([first.follow(worker), second.follow(worker)], { concurrency: "unbounded" }),
    receive: (worker, message) => {
      first.receive(worker, message)
      second.receive(worker, message)
    }
  }))

/** The source of job ids of a process that is no worker. */
export const layerJobIds = ({
  stateFile
}: Pick<MiningServerConfig, "stateFile">): Layer.Layer<never, JobIds.StateFileError, FileSystem.FileSystem> =>
  stateFile === undefined ? Layer.empty : JobIds.layerFile(stateFile)
