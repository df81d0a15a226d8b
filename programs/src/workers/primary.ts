/** Keeps a number of worker processes running: replaces those that end, and ends them in good order with the Scope. */
import type { JobIds } from "@sluice/mining-server"
import { type ConnectionLimits, type Endpoint, formatEndpoint, type ListenError } from "@sluice/transport"
import { Deferred, Duration, Effect, Metric, Schema, type Scope } from "effect"
import { BackOff } from "./back-off.ts"
import { openFront } from "./front.ts"
import { firstIds, type Start, type ToPrimary } from "./messages.ts"
import { WorkerProcess } from "./worker-process.ts"

export interface PrimaryOptions {
  /** The name of the program that each worker runs: `sluice NAME`. */
  readonly program: string
  readonly count: number
  readonly given: Start["given"]
  readonly isFollowed: boolean
  readonly jobIds: JobIds.JobIdSource
  /** The addresses for miners, by the name of their key. */
  readonly listen: ReadonlyArray<readonly [key: string, address: Endpoint]>
  readonly limits: ConnectionLimits
  /** Keeps the workers that serve miners. */
  readonly serving: Set<WorkerProcess>
  /** Runs for each worker from its start on, in the Scope of its life. */
  readonly follow: (worker: WorkerProcess) => Effect.Effect<unknown, never, Scope.Scope>
  /** Takes the messages of workers. */
  readonly receive: (worker: WorkerProcess, message: ToPrimary) => void
  /** Called when a worker has ended. */
  readonly ended: (worker: WorkerProcess) => void
}

/** A worker cannot start. The message is that of its own error. */
export class WorkerFailed extends Schema.TaggedError<WorkerFailed>("sluice/workers/WorkerFailed")("WorkerFailed", {
  message: Schema.String
}) {}

export interface Primary {
  /** Fails if workers cannot start because of their configuration. */
  readonly failed: Effect.Effect<never, WorkerFailed>
}

/** How long workers may take to answer what has arrived, when the program stops. */
const STOP_TIMEOUT = Duration.seconds(10)

const deaths = Metric.counter("sluice_pool_worker_deaths_total", {
  description: "Workers that ended and were replaced",
  incremental: true
})
const connections = Metric.gauge("sluice_pool_worker_connections", { description: "Connections that a worker serves" })

export const makePrimary = Effect.fnUntraced(function* (
  options: PrimaryOptions
): Effect.fn.Return<Primary, ListenError, Scope.Scope> {
  const { count, isFollowed, jobIds, program, serving } = options
  const all = new Map<number, WorkerProcess>()
  const failed = yield* Deferred.make<never, WorkerFailed>()
  const context = yield* Effect.context<never>()
  /** The numbers of workers that have served miners. */
  const hasServed = new Set<number>()
  let started = 0
  let lastFirst = 0
  let isStopping = false

  const front = yield* openFront(
    options.listen.map(([, address]) => address),
    options.limits,
    serving
  )
  // Workers get the addresses with their ports, and no files.
  const bound = new Map(options.listen.map(([key], index) => [key, formatEndpoint(front.addresses[index]!)]))
  const given = [...options.given.filter(([name]) => !bound.has(name)), ...bound]

  const onMessage = (worker: WorkerProcess, message: ToPrimary): void => {
    front.receive(message)
    options.receive(worker, message)
  }

  const startWorker = (number: number): WorkerProcess => {
    lastFirst = Math.max(lastFirst + 1, jobIds.next())
    const announces = number === 1 && !hasServed.has(number)
    const ids = firstIds(number, count, started++, lastFirst)
    const start: Start = { _tag: "Start", number, workers: count, given, announces, isFollowed, ...ids }
    const worker = new WorkerProcess(program, start, onMessage)
    all.set(number, worker)
    return worker
  }

  /** Runs one worker until it ends, and gives the time to wait before the next one. */
  const runOne = Effect.fnUntraced(function* (number: number, backOff: BackOff) {
    const worker = startWorker(number)
    const serve = Effect.gen(function* () {
      yield* Effect.forkScoped(options.follow(worker))
      yield* Effect.promise(() => worker.ready)
      serving.add(worker)
      hasServed.add(number)
      front.handOver()
      yield* Effect.logInfo(`Worker ${number} serves miners: process ${worker.pid}`)
      return yield* Effect.never
    })
    const { how } = yield* Effect.raceFirst(
      Effect.promise(() => worker.ended),
      Effect.scoped(serve)
    )
    const served = serving.delete(worker)
    front.lost(worker)
    options.ended(worker)
    if (isStopping) return yield* Effect.never
    if (worker.failure !== undefined && !hasServed.has(number)) {
      yield* Deferred.fail(failed, new WorkerFailed({ message: worker.failure }))
      return yield* Effect.never
    }
    deaths.updateUnsafe(1, context)
    const delay = backOff.next(performance.now() - worker.startedAt)
    const why = worker.failure === undefined ? how : `${served ? "ended" : "cannot start"}: ${worker.failure}`
    yield* Effect.logError(
      `Worker ${number} ${why}; ` +
        `a new one starts in ${delay / 1000} s, and ${serving.size} of ${count} serve its miners until then`
    )
    yield* Effect.sleep(delay)
  })

  deaths.updateUnsafe(0, context)
  for (let number = 1; number <= count; number++) {
    const metric = Metric.withAttributes(connections, { worker: String(number) })
    const read = { get: () => ({ value: all.get(number)?.load ?? 0 }), update: () => {}, modify: () => {} }
    const { remove } = Metric.registerUnsafe(metric, context, read)
    yield* Effect.addFinalizer(() => Effect.sync(remove))
  }
  yield* Effect.forEach(
    Array.from({ length: count }, (_, index) => index + 1),
    (number) => {
      const backOff = new BackOff()
      return Effect.forkScoped(Effect.forever(runOne(number, backOff)))
    },
    { discard: true }
  )
  // Registered last, so it runs first: templates and blocks still pass while the workers answer what has arrived.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isStopping = true
      yield* front.stopAccepting
      const left = Array.from(all.values())
      for (const worker of left) worker.send({ _tag: "Stop" })
      yield* Effect.promise(() => Promise.all(left.map(({ ended }) => ended))).pipe(
        Effect.timeoutOrElse({
          duration: STOP_TIMEOUT,
          orElse: () =>
            Effect.andThen(
              Effect.logWarning(
                `Not all workers stopped within ${Duration.format(STOP_TIMEOUT)}: the others are ended`
              ),
              Effect.sync(() => left.forEach((worker) => worker.kill()))
            )
        })
      )
    })
  )
  return { failed: Deferred.await(failed) }
})
