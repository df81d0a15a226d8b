/**
 * What happens too often to be logged each time: refused connections, failed handshakes, peers that are slowed down. The
 * first of a kind is logged at once, in full; of those that follow, one line every few seconds says how many there were
 * and what the last one was.
 */
import { Clock, Duration, Effect, FiberSet, type LogLevel, type Scope } from "effect"

export interface Notices {
  /** Takes note of one more. `kind` is one of a few constants: each has a line of its own. */
  readonly note: (kind: string, message: string, level?: LogLevel.Severity) => Effect.Effect<void>
}

/** Of one listener or one role; its last counts are logged when the Scope closes. */
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

    /** Until an interval passes without one. */
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
  /** Since the last line. */
  count: number
  last: string
  level: LogLevel.Severity
}
