/**
 * Where job ids begin. A job id is 32 bits, and a miner that still has a job of an earlier run, or firmware that drops ids
 * it has seen, must not meet the same id again (specification, 5.3.15: an id is not reused while it may be in use). Ids
 * begin with the milliseconds since 1970 and so grow faster than jobs come; they go around in 49 days, which no job
 * outlives. Within a run they follow the monotonic clock. Across runs a clock that was set back would repeat ids:
 * `JobIds.layerFile` keeps how far a run may have come in a file, and the next run begins behind that.
 */
import { Clock, Context, Duration, Effect, FileSystem, Layer, Schema } from "effect"

/** Gives numbers for the first job of a series. Each is above those of all jobs so far, and of runs before this one. */
export interface JobIdSource {
  /** Milliseconds, of which a job id is the lower 32 bits. */
  readonly next: () => number
}

/** What pools take their job ids from; the clock alone unless a layer says otherwise. */
export const JobIds: Context.Reference<Effect.Effect<JobIdSource>> = Context.Reference("sluice/mining-server/JobIds", {
  defaultValue: () => fromClock(0)
})

/**
 * Keeps in `path` how far ids may have gone. The file is made where there is none; one that cannot be read or written
 * fails with `StateFileError` at the start, and is warned of afterwards.
 */
export const layerFile = (path: string): Layer.Layer<never, StateFileError, FileSystem.FileSystem> =>
  Layer.effect(JobIds, makeFile(path))

/** The file that remembers job ids cannot be used. */
export class StateFileError extends Schema.TaggedError<StateFileError>("sluice/mining-server/StateFileError")(
  "StateFileError",
  {
    path: Schema.String,
    message: Schema.String
  }
) {}

/** Ids from the clock, or from `least` on where the clock is behind it. */
const fromClock = (least: number): Effect.Effect<JobIdSource> =>
  Effect.map(Clock.Clock, (clock) => {
    const begun = clock.monotonicTimeNanosUnsafe()
    const first = Math.max(least, clock.currentTimeMillisUnsafe())
    return { next: () => first + Number((clock.monotonicTimeNanosUnsafe() - begun) / 1_000_000n) }
  })

/** How far ahead of the ids in use the file is, and how often it is written. */
const AHEAD_MS = 120_000
const INTERVAL = Duration.minutes(1)

const makeFile = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const failure = (message: string) => new StateFileError({ path, message: `the state file ${path} ${message}` })
  const text = yield* fs.readFileString(path).pipe(
    Effect.catch((error) => (error.reason._tag === "NotFound" ? Effect.succeed("") : Effect.fail(error))),
    Effect.mapError(({ message }) => failure(`cannot be read: ${message}`))
  )
  const remembered = text === "" ? 0 : (/^job ids below (\d{1,15})\n?$/.exec(text)?.[1] ?? undefined)
  if (remembered === undefined) return yield* failure(`holds something else: expected "job ids below NUMBER"`)
  const ids = yield* fromClock(Number(remembered))

  // Whole or not at all, also where the machine stops in the middle: a name for bytes that are on the disk.
  const write = Effect.suspend(() => {
    const next = `${path}.next`
    const line = new TextEncoder().encode(`job ids below ${ids.next() + AHEAD_MS}\n`)
    const written = Effect.flatMap(fs.open(next, { flag: "w" }), (file) =>
      Effect.andThen(file.writeAll(line), file.sync)
    )
    return Effect.andThen(Effect.scoped(written), fs.rename(next, path))
  })
  yield* Effect.mapError(write, ({ message }) => failure(`cannot be written: ${message}`))
  yield* Effect.sleep(INTERVAL).pipe(
    Effect.andThen(write),
    Effect.catch(({ message }) => Effect.logWarning(`The state file ${path} cannot be written: ${message}`)),
    Effect.forever,
    Effect.forkScoped
  )
  return Effect.succeed(ids)
})
