/**
 * Chooses the first job ids. A job id has 32 bits. A miner that still has a job of an earlier run, or firmware that drops ids it has
 * seen, must not get the same id again (specification, 5.3.15: an id is not reused while it may be in use). Ids begin with the
 * milliseconds since 1970, so they grow faster than jobs come; they wrap after 49 days, and no job lives that long. Within a run
 * they follow the monotonic clock. A clock that was set back between runs would repeat ids: `JobIds.layerFile` writes an upper
 * bound of the ids of a run to a file, and the next run begins above it.
 */
import { Clock, Context, Duration, Effect, FileSystem, Layer, Schema } from "effect"

/** Gives the id of the first job of a group. It is above all ids of earlier runs and those of jobs made so far. */
export interface JobIdSource {
  /** Milliseconds; the job id is their lower 32 bits. */
  readonly next: () => number
}

/** The source of job ids for servers; by default the clock alone. */
export const JobIds: Context.Reference<Effect.Effect<JobIdSource>> = Context.Reference("sluice/mining-server/JobIds", {
  defaultValue: () => fromClock(0)
})

/**
 * Keeps an upper bound of the job ids in the file at `path`, and makes the file if there is none. If the file cannot be read or
 * written, the layer fails with `StateFileError` at the start, and logs a warning later.
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

/** For a server that another process has given its first id: that process chooses ids that no other server has. */
export const layerFrom = (first: number): Layer.Layer<never> =>
  Layer.succeed(
    JobIds,
    Effect.map(Clock.Clock, (clock) => countFrom(first, clock))
  )

/** Ids from the clock, or from `least` on if the clock is behind it. */
const fromClock = (least: number): Effect.Effect<JobIdSource> =>
  Effect.map(Clock.Clock, (clock) => countFrom(Math.max(least, clock.currentTimeMillisUnsafe()), clock))

const countFrom = (first: number, clock: Clock.Clock): JobIdSource => {
  const begun = clock.monotonicTimeNanosUnsafe()
  return { next: () => first + Number((clock.monotonicTimeNanosUnsafe() - begun) / 1_000_000n) }
}

/** How far the bound in the file is ahead of the ids in use, and how often it is written. */
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

  // The file is replaced whole or not at all, even if the machine stops: it gets its name after its bytes are on the disk.
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
