/** Effects over a clock that stands still until everything waits: silence costs nothing, and what waits for ever is found. */
import { Clock, Duration, Effect, Exit, Logger, Scheduler } from "effect"
import { ok } from "node:assert/strict"

/** The effect's end, all of it run now. */
export const runStill = <A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> => {
  const tasks: Array<() => void> = []
  const scheduler = new Scheduler.MixedScheduler("sync", (task) => {
    tasks.push(task)
    return () => tasks.splice(tasks.indexOf(task), 1)
  })
  const clock = new StillClock()
  const fiber = Effect.runFork(
    effect.pipe(Effect.provideService(Clock.Clock, clock), Effect.provideService(Logger.CurrentLoggers, new Set())),
    { scheduler }
  )
  do {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task()
  } while (fiber.pollUnsafe() === undefined && clock.advance())
  const exit = fiber.pollUnsafe()
  ok(exit !== undefined, "it waits for ever")
  return exit
}

/** Time that goes on when it is told to. */
class StillClock implements Clock.Clock {
  private now = 1_800_000_000_000
  private readonly sleepers = new Set<{ readonly until: number; readonly wake: () => void }>()
  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = this.currentTimeNanos
  currentTimeMillisUnsafe(): number {
    return this.now
  }
  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.now) * 1_000_000n
  }
  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }
  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const sleeper = { until: this.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      this.sleepers.add(sleeper)
      return Effect.sync(() => this.sleepers.delete(sleeper))
    })
  }
  /** On to the next that sleeps; false if none does. */
  advance(): boolean {
    const [next] = [...this.sleepers].toSorted((a, b) => a.until - b.until)
    if (next === undefined) return false
    this.sleepers.delete(next)
    this.now = Math.max(this.now, next.until)
    next.wake()
    return true
  }
}
