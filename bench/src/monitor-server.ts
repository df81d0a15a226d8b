/**
 * A monitor of ten thousand workers, alone in its process, so that only its memory and CPU time are counted. The server of miners is
 * made of numbers: each worker has a channel with six shares a minute. It answers its parent's questions.
 */
import type { ChannelStats, MiningServerStats } from "@sluice/mining-server"
import { layerHttp, Monitor, type MonitoredServer } from "@sluice/monitor"
import { Effect, Layer, Logger, Stream } from "effect"
import { workerConditions } from "../../packages/monitor/src/alerts/conditions.ts"
import { Followed } from "../../packages/monitor/src/follow/followed.ts"
import { channelView } from "../../packages/monitor/src/follow/miners.ts"
import { inSteps } from "../../packages/monitor/src/follow/steps.ts"
import { WorkerNotes } from "../../packages/monitor/src/follow/worker-notes.ts"
import { makeHistory } from "../../packages/monitor/src/history/history.ts"
import { endWithParent } from "./child.ts"

export const WORKERS = 10_000

export type Question =
  | { readonly _tag: "Usage" }
  /** Does what the monitor does for the history in two hours, from an hour before midnight on, into this file. */
  | { readonly _tag: "History"; readonly file: string }

export type Answer =
  | { readonly _tag: "Ready"; readonly url: string }
  | { readonly _tag: "Usage"; readonly cpuMicros: number }
  | {
      readonly _tag: "History"
      readonly cpuMicros: number
      readonly seconds: number
      readonly usedBytes: number
      readonly residentBytes: number
    }

const DAY_MS = 86_400_000
const NOTE_MS = 30_000
const NOTES = 240
const SAMPLES_A_NOTE = 3
const NOTES_A_TIDY = 20
const STARTED = Math.floor(Date.now() / DAY_MS) * DAY_MS - 3_600_000

let now = Date.now()

const rates = { oneMinute: 1e12, fiveMinutes: 1e12, oneHour: 1e12, sinceStart: 1e12 }

const channel = (index: number): ChannelStats => {
  const accepted = Math.floor((now - STARTED) / 10_000)
  return {
    channel: {
      connectionId: index + 1,
      channelId: 2,
      kind: "standard",
      userIdentity: `user${index % 1000}.rig${index}`
    },
    openedAt: STARTED,
    accepted,
    acceptedDifficulty: accepted * 2328,
    refused: { "stale-share": index % 3 },
    blocks: 0,
    bestDifficulty: index,
    difficulty: 2328,
    hashRates: rates
  }
}

const stats = (): MiningServerStats => ({
  startedAt: STARTED,
  upstream: { _tag: "Connected", server: "stratum2+tcp://provider:8442" },
  height: 900_000,
  connections: WORKERS,
  channels: { standard: WORKERS, extended: 0 },
  users: 1000,
  templates: 1,
  prevHashes: 1,
  accepted: WORKERS * channel(0).accepted,
  acceptedDifficulty: WORKERS * channel(0).acceptedDifficulty,
  refused: { "stale-share": WORKERS },
  blocks: 0,
  bestDifficulty: WORKERS,
  hashRates: { oneMinute: 1e16, fiveMinutes: 1e16, oneHour: 1e16, sinceStart: 1e16 },
  latency: { count: 1, last: 1, mean: 1, max: 1 },
  customJobs: { accepted: 0, refused: {} }
})

const eachChannel = (look: (stats: ChannelStats) => void) =>
  inSteps(Array(WORKERS).keys(), (index) => look(channel(index)))

const server: MonitoredServer = {
  stats: Effect.sync(stats),
  notices: Stream.never,
  presentJob: Effect.undefined,
  channels: () => Effect.sync(() => Array.from({ length: WORKERS }, (_, index) => channel(index))),
  eachChannel,
  users: () =>
    Effect.sync(() => {
      const users = Array.from({ length: 1000 }, (_, index) => {
        const { accepted, acceptedDifficulty, refused } = channel(index)
        const counts = { accepted: accepted * 10, acceptedDifficulty: acceptedDifficulty * 10, refused, blocks: 0 }
        const times = { firstSeenAt: STARTED, lastShareAt: now }
        return { user: `user${index}`, channels: 10, ...counts, bestDifficulty: 1, hashRates: rates, ...times }
      })
      return { total: users.length, offset: 0, users }
    }),
  closeChannel: () => Effect.void,
  reconnect: () => Effect.void
}

/** What is in use after a collection, and what the process has. */
const memory = () => {
  globalThis.gc?.()
  const { external, heapUsed, rss } = process.memoryUsage()
  return { used: heapUsed + external, resident: rss }
}

const remember = Effect.fnUntraced(function* (file: string) {
  now = STARTED
  const before = memory()
  const history = yield* makeHistory(file, now)
  const followed = new Followed()
  const notes = new WorkerNotes()
  const cpu = process.cpuUsage()
  for (let note = 1; note <= NOTES; note++) {
    for (let sample = 0; sample < SAMPLES_A_NOTE; sample++) {
      const of = { hashRate: 1e16, accepted: 10_000, refused: 10, connections: WORKERS, workers: WORKERS }
      const rest = { jobLatencyMs: 1, replyLatencyMs: 1, effort: 0.1, blocks: 0, fees: 1e6 }
      yield* history.addSample({ at: now, ...of, ...rest, refusedByCode: { "stale-share": 10 } })
      now += NOTE_MS / SAMPLES_A_NOTE
    }
    // What the monitor does every half a minute, and every ten minutes.
    notes.begin()
    yield* eachChannel((stats) => {
      const view = channelView(stats, now)
      notes.add(view)
      followed.points.note(view, now)
    })
    notes.end()
    yield* history.addWorkers(notes.workers, now)
    yield* workerConditions(notes.workers, history.workers, now)
    if (note % NOTES_A_TIDY === 0) yield* history.tidy(now)
  }
  const { system, user } = process.cpuUsage(cpu)
  const after = memory()
  return {
    cpuMicros: system + user,
    seconds: (NOTES * NOTE_MS) / 1000,
    usedBytes: after.used - before.used,
    residentBytes: after.resident - before.resident
  }
})

const answer = (message: Answer): void => void process.send!(message)

const program = Effect.gen(function* () {
  const monitor = Monitor.layer({ role: "pool", server })
  yield* Layer.build(
    layerHttp({ listen: { host: "127.0.0.1", port: 0 } }, (url) =>
      Effect.sync(() => answer({ _tag: "Ready", url }))
    ).pipe(Layer.provide(monitor))
  )
  process.on("message", (question: Question) => {
    if (question._tag === "Usage") {
      const { system, user } = process.cpuUsage()
      return answer({ _tag: "Usage", cpuMicros: system + user })
    }
    Effect.runPromise(Effect.scoped(remember(question.file))).then(
      (result) => answer({ _tag: "History", ...result }),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      }
    )
  })
  yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

endWithParent()
Effect.runFork(program)
