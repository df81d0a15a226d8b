/**
 * Hashing in worker threads (hash-thread.ts). The main thread only passes work to the threads and takes the shares that they
 * find; it never waits for a thread.
 */
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import type { ChannelWork } from "@sluice/channels"
import { Deferred, Effect, Layer, Queue } from "effect"
import { Worker, type WorkerError } from "effect/workers"
import { availableParallelism } from "node:os"
import { Worker as NodeThread } from "node:worker_threads"
import { type FromThread, SharedState, type ToThread } from "./hash-thread-message.ts"
import { hashThreadUrl } from "./hash-thread-url.ts"
import { type Found, HashWorkerError, HashWorkers } from "./hash-workers.ts"
import { FULL_SEARCH_SPACE, type SearchSpace } from "./search.ts"

export interface HashThreadsOptions {
  /** Number of threads. By default one less than the machine runs in parallel, at least 1. */
  readonly threads?: number
  /** A smaller search space for tests, so that versions and extranonces are rolled within seconds. */
  readonly space?: SearchSpace
  /** Starts a thread with the code of hash-thread.ts. For programs that are bundled into one file. */
  readonly spawn?: (thread: number) => NodeThread
}

export const layer = (options: HashThreadsOptions = {}): Layer.Layer<HashWorkers> =>
  Layer.succeed(HashWorkers, {
    make: make(options).pipe(
      Effect.catchTag("WorkerError", (error) => Effect.fail(died(error))),
      Effect.provide(NodeWorker.layer(options.spawn ?? spawn))
    )
  })

const make = Effect.fnUntraced(function* (options: HashThreadsOptions) {
  const { space = FULL_SEARCH_SPACE, threads = Math.max(1, availableParallelism() - 1) } = options
  const shared = new SharedState(threads)
  const found = yield* Queue.unbounded<Found, HashWorkerError>()
  const measured = yield* Queue.unbounded<number>()
  const platform = yield* Worker.WorkerPlatform

  const receive = (message: FromThread): Effect.Effect<void> =>
    Effect.sync(() => {
      if (message._tag === "Measured") Queue.offerUnsafe(measured, message.hashesPerSecond)
      else Queue.offerUnsafe(found, { workNumber: message.workNumber, share: message.share })
    })

  const workers = yield* Effect.forEach(
    Array.from({ length: threads }, (_, index) => index),
    (index) =>
      Effect.gen(function* () {
        const worker = yield* platform.spawn<FromThread, ToThread>(index)
        const ready = yield* Deferred.make<void, HashWorkerError>()
        yield* worker.run(receive, { onSpawn: Effect.asVoid(Deferred.succeed(ready, undefined)) }).pipe(
          Effect.mapError(died),
          Effect.tapCause((cause) => Effect.andThen(Deferred.failCause(ready, cause), Queue.failCause(found, cause))),
          Effect.forkScoped
        )
        yield* worker.send({ _tag: "Begin", lane: { index, count: threads }, space, shared: shared.buffer })
        yield* Deferred.await(ready)
        return worker
      })
  )
  const sendAll = (message: ToThread): Effect.Effect<void, HashWorkerError> =>
    Effect.forEach(workers, (worker) => worker.send(message), { discard: true }).pipe(Effect.mapError(died))

  return {
    start: (workNumber: number, work: ChannelWork, elapsedMs: number) =>
      Effect.suspend(() => {
        shared.workNumber = workNumber
        return sendAll({ _tag: "Start", workNumber, work, elapsedMs })
      }),
    stop: Effect.sync(() => {
      shared.workNumber = 0
    }),
    take: Effect.tap(Queue.takeAll(found), (taken) => Effect.sync(() => shared.addWaiting(-taken.length))),
    hashes: () => shared.hashes,
    measure: Effect.gen(function* () {
      yield* sendAll({ _tag: "Measure" })
      const rates = yield* Effect.replicateEffect(Queue.take(measured), threads)
      return rates.reduce((sum, rate) => sum + rate, 0)
    })
  }
})

const spawn = (): NodeThread => new NodeThread(hashThreadUrl())

const died = (cause: WorkerError.WorkerError): HashWorkerError =>
  new HashWorkerError({ message: `a hashing thread failed: ${cause.message}`, cause })
