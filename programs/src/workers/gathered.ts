/** The statistics of all workers as those of one server, and control of their connections. */
import {
  addCounts,
  addUsers,
  type ChannelStats,
  type Control,
  ControlError,
  mergeStats,
  type MiningServerCounts,
  type MiningServerStats,
  NO_COUNTS,
  type Page,
  type Statistics,
  type UserStats
} from "@sluice/mining-server"
import { Clock, Duration, Effect, Option, PubSub, Stream } from "effect"
import { isReadonlyArrayNonEmpty as isNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import { PrometheusMetrics } from "effect/observability"
import type { MonitoredEvent, MonitoredServer } from "@sluice/monitor"
import { MergedMetrics } from "./merged-metrics.ts"
import {
  type Answers,
  type ControlRequest,
  type Question,
  type Report,
  startOfConnection,
  type ToPrimary
} from "./messages.ts"
import type { WorkerProcess } from "./worker-process.ts"

/** How long a worker may take for an answer. What it told last then counts, or it is left out. */
const ANSWER_TIMEOUT = Duration.seconds(5)
/** How often workers report, so that the counts of one that ends are known. */
const REPORT_EVERY = Duration.seconds(2)

/** Messages with events that wait for the operators' page. If it falls behind, it misses the newest. */
const WAITING = 1000
const OF_WORK: ReadonlySet<MonitoredEvent["_tag"]> = new Set([
  "JobSent",
  "PrevHashSent",
  "WorkIgnored",
  "SourceChanged"
])

/** A worker that answers. */
export type Answering = Pick<WorkerProcess, "number" | "firstConnectionId" | "ask">

export interface Gathered extends Pick<Statistics, "stats">, Control, MonitoredServer {
  /** The statistics of the servers together, and those of the role in each worker. */
  readonly report: Effect.Effect<{ readonly server: MiningServerStats; readonly roles: ReadonlyArray<unknown> }>
  /** Whom a block with this reward would pay: one of the workers tells. */
  readonly planOf: (reward: bigint) => Effect.Effect<Answers["Plan"]>
  /** The metrics of all processes, in the text format of Prometheus. */
  readonly metrics: Effect.Effect<string>
  /** Takes the messages of workers. */
  readonly receive: (worker: Answering, message: ToPrimary) => void
  /** Keeps the counts of a worker that has ended, and returns the last statistics of its role. */
  readonly ended: (worker: Answering) => unknown
}

export const makeGathered = Effect.fnUntraced(function* (workers: ReadonlySet<Answering>) {
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const startedAt = now()
  const last = new WeakMap<Answering, Report>()
  const merged = new MergedMetrics()
  let past: MiningServerCounts = NO_COUNTS
  const notices = yield* PubSub.dropping<NonEmptyReadonlyArray<MonitoredEvent>>(WAITING)

  const ask = <Q extends Question>(worker: Answering, question: Q) =>
    Effect.timeoutOption(
      Effect.promise(() => worker.ask(question)),
      ANSWER_TIMEOUT
    )
  const askAll = <Q extends Question>(question: Q, some = Array.from(workers)) =>
    Effect.map(
      Effect.forEach(some, (worker) => ask(worker, question), { concurrency: "unbounded" }),
      (answers) => answers.flatMap((answer) => (Option.isSome(answer) ? [answer.value] : []))
    )

  const reportOf = (worker: Answering) =>
    Effect.map(ask(worker, { _tag: "Report" }), (answer) => {
      if (Option.isSome(answer)) last.set(worker, answer.value)
      const known = last.get(worker)
      return known === undefined ? [] : [{ worker, report: known }]
    })
  const reportAll = Effect.suspend(() =>
    Effect.map(Effect.forEach(Array.from(workers), reportOf, { concurrency: "unbounded" }), (all) => all.flat())
  )
  yield* Effect.sleep(REPORT_EVERY).pipe(Effect.andThen(reportAll), Effect.forever, Effect.forkScoped)

  const users = Effect.fnUntraced(function* ({ limit, offset }: Page = FIRST_PAGE) {
    const rates = new Map<string, number>()
    for (const some of yield* askAll({ _tag: "UserRates" })) {
      for (const [name, rate] of some) rates.set(name, (rates.get(name) ?? 0) + rate)
    }
    const names = Array.from(rates)
      .toSorted(([, a], [, b]) => b - a)
      .slice(offset, offset + limit)
      .map(([name]) => name)
    const found = new Map<string, UserStats>()
    for (let asked = 0; asked < names.length; asked += AT_ONCE) {
      const some = names.slice(asked, asked + AT_ONCE)
      for (const user of (yield* askAll({ _tag: "Users", names: some })).flat()) {
        const known = found.get(user.user)
        found.set(user.user, known === undefined ? user : addUsers(known, user))
      }
    }
    return { total: rates.size, offset, users: names.flatMap((name) => found.get(name) ?? []) }
  })

  const channelsOf = Effect.fnUntraced(function* (worker: Answering, limit: number) {
    const found: Array<ChannelStats> = []
    while (found.length < limit) {
      const page = { limit: Math.min(AT_ONCE, limit - found.length), offset: found.length }
      const some = Option.getOrElse(yield* ask(worker, { _tag: "Channels", page }), () => [])
      found.push(...some)
      if (some.length < page.limit) break
    }
    return found
  })

  /** The channels of the first worker come first, then those of the second. */
  const channels = ({ limit, offset }: Page = FIRST_PAGE) =>
    Effect.map(
      Effect.forEach(Array.from(workers), (worker) => channelsOf(worker, offset + limit), { concurrency: "unbounded" }),
      (all) => all.flat().slice(offset, offset + limit)
    )

  const control = (connectionId: number, request: ControlRequest) =>
    Effect.gen(function* () {
      const worker = Array.from(workers).find(
        ({ firstConnectionId }) => firstConnectionId === startOfConnection(connectionId)
      )
      const unknown = (message: string) => new ControlError({ connectionId, reason: "unknown-connection", message })
      if (worker === undefined) return yield* unknown("no worker serves a connection with this id")
      const answer: Option.Option<Answers["Control"]> = yield* ask(worker, { _tag: "Control", request })
      if (Option.isNone(answer)) return yield* unknown("its worker does not answer")
      if ("refused" in answer.value) return yield* new ControlError(answer.value.refused)
      return answer.value.value
    })

  /** All workers have the same work, so one of them tells of it. */
  const onEvents = (worker: Answering, events: ReadonlyArray<MonitoredEvent>): void => {
    const tells = worker === workers.values().next().value
    const shown = events.filter(({ _tag }) => tells || !OF_WORK.has(_tag))
    if (isNonEmpty(shown)) PubSub.publishUnsafe(notices, shown)
  }

  const statsOf = (report: Report) => report.stats as MiningServerStats
  const report = Effect.map(reportAll, (all) => ({
    server: mergeStats(
      all.map(({ report }) => statsOf(report)),
      past,
      { now: now(), startedAt }
    ),
    roles: all.map(({ report }) => report.stats)
  }))
  const gathered: Gathered = {
    report,
    stats: Effect.map(report, ({ server }) => server),
    notices: Stream.flattenArray(Stream.fromPubSub(notices)),
    presentJob: Effect.sync(() =>
      Array.from(workers, (worker) => last.get(worker)?.job).find((job) => job !== undefined)
    ),
    users,
    channels,
    planOf: (reward) => Effect.map(askAll({ _tag: "Plan", reward }, Array.from(workers).slice(0, 1)), ([plan]) => plan),
    metrics: Effect.gen(function* () {
      const own = yield* PrometheusMetrics.format()
      const all = yield* reportAll
      return merged.merge([
        { worker: 0, text: own },
        ...all.map(({ report, worker }) => ({ worker: worker.number, text: report.metrics }))
      ])
    }),
    receive: (worker, message) => {
      if (message._tag === "Reported") last.set(worker, message.report)
      else if (message._tag === "Told") onEvents(worker, message.events)
    },
    ended: (worker) => {
      const known = last.get(worker)
      if (known === undefined) return undefined
      past = addCounts(past, statsOf(known))
      merged.keep(known.metrics)
      return known.stats
    },
    setGroup: (connectionId, channelIds, groupId) =>
      Effect.map(control(connectionId, { _tag: "setGroup", connectionId, channelIds, groupId }), (id) => id ?? 0),
    changeExtranoncePrefix: (channel) =>
      Effect.asVoid(control(channel.connectionId, { _tag: "changeExtranoncePrefix", channel })),
    closeChannel: (channel, reasonCode) =>
      Effect.asVoid(control(channel.connectionId, { _tag: "closeChannel", channel, reasonCode })),
    reconnect: (connectionId, to) => Effect.asVoid(control(connectionId, { _tag: "reconnect", connectionId, to }))
  }
  return gathered
})

/** Users or channels of one message, which a process then reads in about a millisecond. */
const AT_ONCE = 500
const FIRST_PAGE: Page = { limit: 100, offset: 0 }
