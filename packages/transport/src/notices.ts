/**
 * A log for events that can come too often to write a line for each: refused connections, failed handshakes, peers that are
 * read from more slowly. The first event of a kind is logged at once. While more follow, one line per interval has the last
 * message and how many events there were.
 */
import { Clock, Duration, Effect, FiberSet, type LogLevel, type Scope } from "effect"

export interface Notices {
  /** Logs an event, or counts it for the next line of its kind. `kind` is one of a few constants. */
  readonly note: (kind: string, message: string, level?: LogLevel.Severity) => Effect.Effect<void>
}

/** Makes the log of one listener or one role. Closing the Scope logs the events that were counted since the last line. */
export const makeNotices = (interval: Duration.Input = "10 seconds"): Effect.Effect<Notices, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seconds = Duration.toSeconds(interval)
    const open = new Map<string, Kind>()
    const clock = yield* Clock.Clock

    const tell = (kind: Kind): Effect.Effect<void> =>
      Effect.suspend(() => {
        const { count, last, level } = kind
        kind.count = 0
        if (count === 0) return Effect.void
        return Effect.logWithLevel(level)(
          count === 1 ? last : `${last} (and ${count - 1} more like it in ${seconds} s)`
        )
      })
    yield* Effect.addFinalizer(() => Effect.forEach(open.values(), tell, { discard: true }))
    const start = yield* FiberSet.makeRuntime<never>()

    /** Logs the counted events after each interval, until one passes without an event. */
    const watch = (name: string, kind: Kind): Effect.Effect<void> =>
      Effect.gen(function* () {
        do {
          yield* clock.sleep(Duration.fromInputUnsafe(interval))
          if (kind.count === 0) break
          yield* tell(kind)
        } while (true)
        open.delete(name)
      })

    const note: Notices["note"] = (name, message, level = "Info") =>
      Effect.suspend(() => {
        const known = open.get(name)
        if (known !== undefined) {
          known.count++
          known.last = message
          known.level = level
          return Effect.void
        }
        const kind: Kind = { count: 0, last: message, level }
        open.set(name, kind)
        start(watch(name, kind))
        return Effect.logWithLevel(level)(message)
      })
    return { note }
  })

interface Kind {
  /** Events since the last line. */
  count: number
  last: string
  level: LogLevel.Severity
}
