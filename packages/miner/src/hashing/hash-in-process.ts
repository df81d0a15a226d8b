/**
 * Hashing in this process, for tests: in every time slice, each lane tries a fixed number of headers. The result does not depend
 * on the speed of the machine, and `TestClock` controls the time.
 */
import type { ChannelWork } from "@sluice/channels"
import { Duration, Effect, Layer, Queue } from "effect"
import { type Found, type HashWorkerError, HashWorkers } from "./hash-workers.ts"
import { FULL_SEARCH_SPACE, Search, type SearchSpace } from "./search.ts"

export interface InProcessOptions {
  /** The number of simulated workers. Default 1. */
  readonly lanes?: number
  /** Headers that each lane tries in a slice. Default 500. */
  readonly hashesPerSlice?: number
  /** The length of a slice. Default 100 milliseconds. */
  readonly slice?: Duration.Input
  readonly space?: SearchSpace
}

export const layer = (options: InProcessOptions = {}): Layer.Layer<HashWorkers> =>
  Layer.succeed(HashWorkers, { make: make(options) })

const make = Effect.fnUntraced(function* (options: InProcessOptions) {
  const { hashesPerSlice = 500, lanes = 1, slice = "100 millis", space = FULL_SEARCH_SPACE } = options
  const sliceMs = Duration.toMillis(slice)
  const found = yield* Queue.unbounded<Found, HashWorkerError>()
  let workNumber = 0
  let hashes = 0
  let searches: ReadonlyArray<Search> = []
  let elapsedMs = 0

  const mineSlice = Effect.sync(() => {
    elapsedMs += sliceMs
    for (const search of searches) {
      const { minNtime, prevHashNtime } = search.work
      const latest = Math.max(minNtime, prevHashNtime + Math.floor(elapsedMs / 1000))
      let left = hashesPerSlice
      do {
        const share = search.run(left, latest)
        hashes += search.tried
        left -= search.tried
        if (share !== undefined) Queue.offerUnsafe(found, { workNumber, share })
      } while (left > 0 && search.tried > 0 && Queue.sizeUnsafe(found) < MAX_WAITING)
    }
  })
  yield* Effect.sleep(slice).pipe(Effect.andThen(mineSlice), Effect.forever, Effect.forkScoped)

  return {
    start: (number: number, work: ChannelWork, elapsed: number) =>
      Effect.sync(() => {
        workNumber = number
        elapsedMs = elapsed
        searches = Array.from({ length: lanes }, (_, index) => new Search(work, { index, count: lanes }, space))
      }),
    stop: Effect.sync(() => {
      searches = []
    }),
    take: Queue.takeAll(found),
    hashes: () => hashes,
    measure: Effect.succeed((hashesPerSlice * lanes * 1000) / sliceMs)
  }
})

/** The most shares that wait to be taken. A slice ends early at this number. */
const MAX_WAITING = 1024
