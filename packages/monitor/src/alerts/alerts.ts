/** Looks at the server every ten seconds, and tells the receivers of alerts that fire and clear. */
import { Clock, Effect, Queue, Schedule, type Scope } from "effect"
import { statfs } from "node:fs/promises"
import { dirname } from "node:path"
import type { AlertView } from "../api/alerts.ts"
import type { CertificateView } from "../api/certificates.ts"
import type { Overview } from "../api/overview.ts"
import type { Followed } from "../follow/followed.ts"
import type { WorkerNote } from "../follow/worker-notes.ts"
import type { HistoryCalls } from "../history/history.ts"
import type { MonitoredLedger } from "../monitored.ts"
import { AlertMachine, type Condition, type Notice } from "./alert-machine.ts"
import {
  certificateConditions,
  diskCondition,
  payoutConditions,
  serverConditions,
  workerConditions
} from "./conditions.ts"
import type { Receiver } from "./receiver.ts"
import { CLOCK_MS, LOOK_MS } from "./rules.ts"

export interface AlertsOptions {
  readonly receivers: ReadonlyArray<Receiver>
  readonly overview: Effect.Effect<Overview>
  readonly followed: Followed
  readonly history: HistoryCalls
  readonly historyFile: string | undefined
  readonly certificates: Effect.Effect<ReadonlyArray<CertificateView>>
  readonly ledger: MonitoredLedger | undefined
  readonly onNotice: (notice: Notice) => void
}

export interface AlertsCalls {
  readonly views: () => ReadonlyArray<AlertView>
  readonly firing: () => number
  /** Takes the workers with open channels. Their conditions hold until the next call. */
  readonly onWorkers: (workers: Iterable<WorkerNote>, now: number) => Effect.Effect<void>
  /** Looks once. It is called every ten seconds. */
  readonly look: Effect.Effect<void>
}

/** Notices that wait for a receiver that is slow or gone; beyond it the oldest are dropped. */
const WAITING = 100
/** Payouts that are told one by one, if more came between two looks. */
const MOST_PAYOUTS = 10

export const makeAlerts = Effect.fnUntraced(function* ({
  certificates,
  followed,
  history,
  historyFile,
  ledger,
  onNotice,
  overview,
  receivers
}: AlertsOptions): Effect.fn.Return<AlertsCalls, never, Scope.Scope> {
  const machine = new AlertMachine()
  const clock = yield* Clock.Clock
  let workers: ReadonlyArray<Condition> = []
  let blocks = followed.blocks.next
  let changes = followed.upstreamChanges
  const passed = () => ({
    wall: clock.currentTimeMillisUnsafe(),
    steady: Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
  })
  let before = passed()

  const queues = yield* Effect.forEach(receivers, ({ name, send }) =>
    Effect.gen(function* () {
      const queue = yield* Queue.sliding<Notice>(WAITING)
      yield* Queue.take(queue).pipe(
        Effect.flatMap((notice) =>
          send(notice).pipe(
            Effect.retry({ times: 4, schedule: Schedule.exponential("2 seconds") }),
            Effect.catch((error) => Effect.logError(`An alert was not delivered to ${name}: ${error.message}`))
          )
        ),
        Effect.forever,
        Effect.forkScoped
      )
      return queue
    })
  )

  /** What happened since the last look. */
  const moments = (): ReadonlyArray<Condition> => {
    const found: Array<Condition> = []
    const since = blocks
    blocks = followed.blocks.next
    for (const { hash, height, refusal, worker } of followed.blocks.after(since - 1)) {
      const end = refusal === null ? "" : ` It was refused here all the same: ${refusal}.`
      found.push({
        name: "block-found",
        subject: hash,
        message: `${worker} found the block at height ${height}.${end}`
      })
    }
    if (followed.upstreamChanges !== changes) {
      changes = followed.upstreamChanges
      found.push({ name: "upstream-changed", subject: "", message: "Work now comes from another server." })
    }
    const now = passed()
    const drift = now.wall - before.wall - (now.steady - before.steady)
    before = now
    if (Math.abs(drift) >= CLOCK_MS) {
      const seconds = Math.round(Math.abs(drift) / 1000)
      const message = `The clock of this machine was set ${drift > 0 ? "forward" : "back"} by ${seconds} seconds.`
      found.push({ name: "clock-set", subject: "", message })
    }
    return found
  }

  let paidBlocks = yield* blocksOf(ledger)
  /** Payouts since the last look. */
  const payouts = Effect.gen(function* () {
    const count = yield* blocksOf(ledger)
    const fresh = Math.min(MOST_PAYOUTS, (count ?? 0) - (paidBlocks ?? count ?? 0))
    if (count !== undefined) paidBlocks = count
    return ledger === undefined || fresh <= 0
      ? []
      : payoutConditions(yield* ledger.payouts({ limit: fresh, offset: 0 }))
  }).pipe(Effect.catch(() => Effect.succeed([])))

  const look = Effect.gen(function* () {
    const now = clock.currentTimeMillisUnsafe()
    const files = [...(yield* diskConditions(historyFile)), ...certificateConditions(yield* certificates, now)]
    const state = yield* overview
    const conditions = [...serverConditions(state), ...workers, ...files, ...moments(), ...(yield* payouts)]
    for (const notice of machine.look(conditions, state.now)) {
      onNotice(notice)
      const line = `Alert ${notice.name}${notice.state === "cleared" ? " is over" : ""}: ${notice.message}`
      yield* notice.severity === "news" || notice.state === "cleared" ? Effect.logInfo(line) : Effect.logWarning(line)
      for (const queue of queues) Queue.offerUnsafe(queue, notice)
    }
  })

  return {
    views: () => machine.views(),
    firing: () => machine.firing,
    onWorkers: (online, now) =>
      Effect.map(workerConditions(online, history.workers, now), (found) => {
        workers = found
      }),
    look
  }
})

/** How many blocks the ledger has; undefined while it cannot be read. */
const blocksOf = (ledger: MonitoredLedger | undefined): Effect.Effect<number | undefined> =>
  ledger === undefined ? Effect.undefined : Effect.catch(ledger.blockCount, () => Effect.undefined)

const diskConditions = (historyFile: string | undefined) =>
  Effect.promise(async (): Promise<ReadonlyArray<Condition>> => {
    const found: Array<Condition> = []
    if (historyFile !== undefined) {
      const directory = dirname(historyFile)
      const disk = await statfs(directory).catch(() => undefined)
      // Some file systems do not say their size.
      if (disk !== undefined && disk.blocks > 0) {
        found.push(...diskCondition(directory, disk.bavail * disk.bsize, disk.blocks * disk.bsize))
      }
    }
    return found
  })

export { LOOK_MS }
