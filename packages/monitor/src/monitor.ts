/**
 * A monitor follows one running server: its statistics, its events and its log. It remembers their history, and gives all of it as
 * the views of the API. It runs in the server's process and asks only for what the statistics count anyway.
 */
import type { ChannelStats, MiningServerStats } from "@sluice/mining-server"
import { Clock, Context, Effect, Layer, Semaphore, Stream } from "effect"
import { type AlertsCalls, LOOK_MS, makeAlerts } from "./alerts/alerts.ts"
import type { Receiver } from "./alerts/receiver.ts"
import { hashRate } from "./api/hash-rate.ts"
import type { CertificateView } from "./api/certificates.ts"
import type { Coinbase } from "./api/coinbase.ts"
import type { EventData } from "./api/journal.ts"
import { type Luck, luckOf } from "./api/luck.ts"
import type { FoundBlock, Overview, Trouble } from "./api/overview.ts"
import type { UpstreamView } from "./api/work.ts"
import { makeCertificates } from "./follow/certificates.ts"
import { Coinbases } from "./follow/coinbases.ts"
import { EventHub, shown } from "./follow/event-hub.ts"
import { Followed } from "./follow/followed.ts"
import { Lately } from "./follow/lately.ts"
import { LogTail } from "./follow/log-tail.ts"
import { channelView, eachChannelOf, Miners } from "./follow/miners.ts"
import { replies, SAMPLE_MS, Sampler } from "./follow/sampler.ts"
import { WorkerNotes } from "./follow/worker-notes.ts"
import type { DatabaseError } from "./history/database.ts"
import { type HistoryCalls, makeHistory } from "./history/history.ts"
import type { Monitored, MonitoredEvent, Processes } from "./monitored.ts"

export interface MonitorOptions {
  /** The file that keeps the history; without it, the history ends with the process. */
  readonly historyFile?: string
  /** The log, if `LogTail.layer` was provided to the program. */
  readonly logs?: LogTail
  /** Those who are told of alerts, as `parseReceiver` makes them. */
  readonly receivers?: ReadonlyArray<Receiver>
  /** Files with certificates that are served: an alert fires two weeks before they end. */
  readonly certificates?: ReadonlyArray<string>
}

export interface MonitorCalls {
  readonly monitored: Monitored
  readonly overview: Effect.Effect<Overview>
  /** Undefined before the first job, and where each channel has jobs of its own. */
  readonly coinbase: Effect.Effect<Coinbase | undefined>
  readonly luck: Effect.Effect<Luck>
  readonly certificates: Effect.Effect<ReadonlyArray<CertificateView>>
  readonly upstreams: Effect.Effect<ReadonlyArray<UpstreamView>>
  readonly miners: Miners
  readonly followed: Followed
  readonly history: HistoryCalls
  readonly alerts: AlertsCalls
  readonly logs: LogTail
  readonly hub: EventHub
}

export class Monitor extends Context.Service<Monitor, MonitorCalls>()("sluice/monitor/Monitor") {
  /** Follows the server until the layer's Scope closes. */
  static readonly layer = (monitored: Monitored, options: MonitorOptions = {}): Layer.Layer<Monitor, DatabaseError> =>
    Layer.effect(Monitor, make(monitored, options))
}

/** How often readers of events get the overview. */
const SHOW_MS = 2000
/** How often a comment keeps idle connections open. */
const ALIVE_MS = 20_000
/** How often the work of each worker is noted. What a channel does after the last note before its end is not. */
const WORKERS_MS = 30_000
const TIDY_MS = 600_000
/** Without new work for this long, something is wrong with the source: a template comes at least every half a minute. */
const NO_WORK_MS = 300_000
/** From this part of refused shares on, operators look for a fault. */
const MANY_REFUSED = 0.05
/** Fewer shares say nothing about the part that is refused. */
const ENOUGH_SHARES = 20

const make = Effect.fnUntraced(function* (
  monitored: Monitored,
  { certificates = [], historyFile, logs = new LogTail(), receivers = [] }: MonitorOptions
) {
  const { ledger, server } = monitored
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const startedAt = now()
  const history = yield* makeHistory(historyFile, startedAt)
  const followed = new Followed()
  const lately = new Lately()
  const hub = new EventHub(startedAt)
  const miners = new Miners(monitored, followed)
  const past = history.blocks()
  const coinbases = new Coinbases(monitored.chain, ledger?.userOf)
  const served = makeCertificates(certificates, monitored.authorityKey)
  /** The work that blocks took, newest first. */
  const efforts = past.flatMap(({ effort, refusal }) => (effort === null || refusal !== null ? [] : [effort]))
  /** The accepted difficulty at the last block. It is negative for work of earlier runs. */
  let workAtBlock = 0
  let effortBefore = history.samples.lastEffort

  const effortOf = ({ acceptedDifficulty }: MiningServerStats): number | undefined => {
    const { networkDifficulty } = followed
    if (networkDifficulty === undefined || networkDifficulty === 0) return undefined
    if (effortBefore !== undefined) {
      workAtBlock -= effortBefore * networkDifficulty
      effortBefore = undefined
    }
    return (acceptedDifficulty - workAtBlock) / networkDifficulty
  }

  const totals = ({ accepted, acceptedDifficulty, refused }: MiningServerStats, at: number) => ({
    at,
    accepted,
    acceptedDifficulty,
    refused: Object.values(refused).reduce((sum, count) => sum + count, 0)
  })

  const processes =
    monitored.processes ??
    Effect.map(replies, (replies): Processes => {
      const { system, user } = process.cpuUsage()
      const residentBytes = process.memoryUsage.rss()
      return { replies, process: { residentBytes, cpuSeconds: (system + user) / 1e6 } }
    })

  const first = yield* server.stats
  lately.note(totals(first, startedAt))
  const sampler = new Sampler({ at: startedAt, stats: first, replies: (yield* processes).replies })

  const lastBlock = (): FoundBlock | undefined => followed.blocks.newest()[0] ?? past[0]

  const troublesOf = (stats: MiningServerStats, refusedPart: number | null, at: number): ReadonlyArray<Trouble> => {
    const troubles: Array<Trouble> = []
    if (stats.upstream._tag !== "Connected") troubles.push("no-upstream")
    if (at - (followed.lastWorkAt ?? startedAt) > NO_WORK_MS) troubles.push("no-work")
    if (stats.channels.standard + stats.channels.extended === 0) troubles.push("no-miners")
    if (refusedPart !== null && refusedPart >= MANY_REFUSED) troubles.push("many-refused")
    if (alerts.firing() > 0) troubles.push("alerts-firing")
    if (!history.isWritten()) troubles.push("history-not-written")
    return troubles
  }

  const { upstreams: upstreamsOf = Effect.succeed([]) } = monitored
  const overview = Effect.map(Effect.all([server.stats, processes, upstreamsOf]), ([stats, all, pools]): Overview => {
    const at = now()
    const since = lately.since(totals(stats, at))
    const shares = since.accepted + since.refused
    const refusedPart = shares >= ENOUGH_SHARES ? since.refused / shares : null
    const { hashRates, upstream } = stats
    const seconds = Math.min(300, Math.max(1, (at - stats.startedAt) / 1000))
    const block = lastBlock()
    return {
      role: monitored.role,
      now: at,
      startedAt: stats.startedAt,
      troubles: troublesOf(stats, refusedPart, at),
      upstream: {
        state: ({ Connecting: "connecting", Connected: "connected", Disconnected: "disconnected" } as const)[
          upstream._tag
        ],
        server: "server" in upstream ? upstream.server : null,
        reason: "reason" in upstream ? shown(upstream.reason) : null
      },
      height: stats.height,
      connections: stats.connections,
      channels: stats.channels,
      users: stats.users,
      hashRate: hashRate(
        hashRates.fiveMinutes,
        seconds,
        since.accepted > 0 ? since.acceptedDifficulty / since.accepted : 0
      ),
      hashRates: {
        oneMinute: hashRates.oneMinute,
        fiveMinutes: hashRates.fiveMinutes,
        oneHour: hashRates.oneHour,
        day: dayMean.at(at)
      },
      accepted: stats.accepted,
      acceptedDifficulty: stats.acceptedDifficulty,
      refused: stats.refused,
      refusedPart,
      customJobs: stats.customJobs,
      uncreditedDifficulty: uncredited(stats, pools),
      blocks: stats.blocks,
      lastBlock: block === undefined ? null : plainBlock(block),
      bestDifficulty: stats.bestDifficulty,
      networkDifficulty: followed.networkDifficulty ?? null,
      effort: effortOf(stats) ?? null,
      hasLedger: ledger !== undefined,
      jobs: { count: stats.templates, lastAt: followed.lastWorkAt ?? null },
      latency: { last: stats.latency.last, mean: stats.latency.mean, max: stats.latency.max },
      process: all.process
    }
  })

  /** The mean of a day takes a query of a thousand rows, and changes slowly. */
  const dayMean = {
    value: null as number | null,
    asked: -Infinity,
    at(time: number): number | null {
      if (Math.abs(time - this.asked) < 60_000) return this.value
      this.asked = time
      return (this.value = history.samples.dayMean(time) ?? null)
    }
  }

  const onEvents = Effect.fnUntraced(function* (events: ReadonlyArray<MonitoredEvent>) {
    const at = now()
    for (const event of events) {
      // The work since the last block is that of the present moment, also if the event is a little older.
      const stats = event._tag === "BlockFound" && event.refusal === undefined ? yield* server.stats : undefined
      const effort = stats && effortOf(stats)
      const data = followed.follow(event, at, effort)
      if (data !== undefined) hub.publish(data)
      if (event._tag === "JobSent" || event._tag === "PrevHashSent") coinbases.follow(yield* server.presentJob)
      if (event._tag !== "BlockFound") continue
      yield* history.addBlock(plainBlock(followed.blocks.newest()[0]!))
      if (stats === undefined) continue
      if (effort !== undefined) efforts.unshift(effort)
      workAtBlock = stats.acceptedDifficulty
      effortBefore = undefined
    }
  })
  yield* Effect.forkScoped(Stream.runForEachArray(server.notices, onEvents), { startImmediately: true })

  const alerts: AlertsCalls = yield* makeAlerts({
    receivers,
    overview,
    followed,
    history,
    historyFile,
    certificates: served,
    ledger,
    onNotice: ({ at, message, name, severity, state, subject }) =>
      hub.publish({ at, event: "Alert", fields: { name, subject, message, severity, state } })
  })

  const sample = Effect.gen(function* () {
    const at = now()
    const stats = yield* server.stats
    lately.note(totals(stats, at))
    const workers = stats.channels.standard + stats.channels.extended
    const fees = coinbases.follow(yield* server.presentJob)
    const { replies } = yield* processes
    const taken = sampler.take({ at, stats, workers, effort: effortOf(stats), fees, replies })
    if (taken !== undefined) yield* history.addSample(taken)
  })
  const notes = new WorkerNotes()
  const eachChannel = eachChannelOf(server)
  // One at a time: the last one may come during another.
  const noteWorkers = Semaphore.makeUnsafe(1).withPermits(1)(
    Effect.gen(function* () {
      const at = now()
      const { connections } = yield* server.stats
      const open: Array<ChannelStats["channel"]> = []
      notes.begin()
      yield* eachChannel((stats) => {
        open.push(stats.channel)
        const channel = channelView(stats, at)
        notes.add(channel)
        followed.points.note(channel, at)
      })
      notes.end()
      followed.keep(connections, open)
      yield* history.addWorkers(notes.workers, at)
      yield* alerts.onWorkers(notes.workers, at)
    })
  )
  const show = Effect.flatMap(
    // Without readers nothing is made.
    Effect.suspend(() => (hub.readers > 0 ? overview : Effect.undefined)),
    (fields) =>
      Effect.sync(() => {
        if (fields !== undefined) hub.show(() => ({ at: now(), event: "Overview", fields }) as unknown as EventData)
      })
  )
  /** At the next multiple of the period, so that samples of all runs have the same times. */
  const every = (periodMs: number, task: Effect.Effect<unknown>) =>
    Effect.suspend(() => Effect.sleep(periodMs - (now() % periodMs))).pipe(
      Effect.andThen(task),
      Effect.forever,
      Effect.forkScoped
    )
  yield* every(SAMPLE_MS, sample)
  yield* every(LOOK_MS, alerts.look)
  yield* every(WORKERS_MS, noteWorkers)
  yield* every(
    TIDY_MS,
    Effect.suspend(() => history.tidy(now()))
  )
  yield* every(SHOW_MS, show)
  yield* every(
    ALIVE_MS,
    Effect.sync(() => hub.keepAlive())
  )
  // The work since the last sample, for a program that is stopped.
  yield* Effect.addFinalizer(() => Effect.andThen(sample, noteWorkers))

  const upstreams =
    monitored.upstreams ??
    Effect.map(server.stats, ({ upstream }): ReadonlyArray<UpstreamView> => {
      const state = ({ Connecting: "connecting", Connected: "active", Disconnected: "disconnected" } as const)[
        upstream._tag
      ]
      const name = "server" in upstream ? upstream.server : ""
      const reason = "reason" in upstream ? shown(upstream.reason) : null
      const kind = monitored.role === "proxy" ? "pool" : "template-provider"
      const counts = { accepted: null, refused: null, pending: null, shares: null, pool: null, declared: null }
      return [{ kind, name, state, connectedTo: null, reason, ...counts }]
    })

  const coinbase = Effect.gen(function* () {
    const job = yield* server.presentJob
    if (job === undefined) return undefined
    // The plan knows whom scripts pay.
    if (ledger !== undefined) yield* ledger.plan(job.outputs.reduce((sum, { value }) => sum + value, 0n))
    return coinbases.view(job)
  })

  const luck = Effect.map(server.stats, (stats): Luck => {
    const of = (count: number) => luckOf(efforts.slice(0, count)) ?? null
    return { effort: effortOf(stats) ?? null, last10: of(10), last100: of(100), all: of(Infinity) }
  })

  return Monitor.of({
    monitored,
    overview,
    coinbase,
    luck,
    certificates: served,
    upstreams,
    miners,
    followed,
    history,
    alerts,
    logs,
    hub
  })
})

const uncredited = (
  { acceptedDifficulty }: MiningServerStats,
  upstreams: ReadonlyArray<UpstreamView>
): number | null => {
  const pools = upstreams.flatMap(({ shares }) => (shares === null ? [] : [shares.acceptedDifficulty]))
  return pools.length === 0 ? null : pools.reduce((rest, credited) => rest - credited, acceptedDifficulty)
}

const plainBlock = ({ at, effort, hash, height, refusal, worker }: FoundBlock): FoundBlock => ({
  at,
  height,
  hash,
  worker,
  refusal,
  effort
})
