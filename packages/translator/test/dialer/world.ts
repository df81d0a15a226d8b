/** A miner on the translator's dialer, a V1 pool, and the memory between them. */
import { HashInProcess, Miner, type MinerOptions } from "@sluice/miner"
import { joinLines, type Line, LineReader } from "@sluice/stratum-v1"
import { type Duplex, Listener, Memory, type ServerAddress } from "@sluice/transport"
import { Clock, Context, Deferred, Effect, Fiber, Layer, Queue, References } from "effect"
import { TestClock } from "effect/testing"
import { Translator } from "../../src/index.ts"
import { HonestPool, type PoolEnd, type PoolOptions } from "./honest-pool.ts"

export const POOL: ServerAddress = { host: "pool.example.com", port: 3333, security: { _tag: "v1", tls: false } }

/** A pool that a test controls, listening at `POOL`. */
export class V1Pool extends Context.Service<
  V1Pool,
  {
    readonly pool: HonestPool
    /** The next connection. */
    readonly accept: Effect.Effect<PoolEnd>
  }
>()("test/V1Pool") {}

export const quiet = Layer.succeed(References.MinimumLogLevel, "None")

/** The pool, and the layer that dials it. */
export const poolWorld = (poolOptions: PoolOptions = {}, dialerOptions: Translator.DialerOptions = {}) => {
  const network = Memory.make()
  return Layer.merge(
    Layer.provide(servePool(poolOptions), network.listener(POOL)),
    Layer.provide(Translator.dialer(dialerOptions), network.dialer)
  ).pipe(Layer.provide(quiet))
}

/** The same with a miner. `TestClock` has to be moved for anything to be hashed. */
export const minerWorld = (
  minerOptions: Partial<MinerOptions> = {},
  poolOptions: PoolOptions = {},
  dialerOptions: Translator.DialerOptions = {}
) =>
  Miner.layer({ servers: [POOL], user: "alice.rig1", nominalHashRate: 5000, ...minerOptions }).pipe(
    Layer.provide(HashInProcess.layer()),
    Layer.provideMerge(poolWorld(poolOptions, dialerOptions)),
    Layer.provide(quiet)
  )

export const servePool = (options: PoolOptions) =>
  Layer.effect(
    V1Pool,
    Effect.gen(function* () {
      const { run } = yield* Listener
      const pool = new HonestPool(options)
      const accepted = yield* Queue.unbounded<PoolEnd>()
      yield* Effect.forkScoped(
        run((duplex) =>
          Effect.gen(function* () {
            const end = pool.connect(yield* Clock.currentTimeMillis)
            const closed = yield* Deferred.make<void>()
            end.close = () => Deferred.doneUnsafe(closed, Effect.void)
            yield* Queue.offer(accepted, end)
            const spoken = pool.isDeaf ? Effect.never : speak(duplex, end)
            yield* Effect.raceFirst(spoken, Deferred.await(closed)).pipe(
              Effect.ensuring(Effect.sync(() => (end.isClosed = true)))
            )
          })
        )
      )
      return { pool, accept: Queue.take(accepted) }
    })
  )

/** Gives the end the lines of its miner, and the miner the lines of the end. */
const speak = Effect.fnUntraced(function* (duplex: Duplex, end: PoolEnd) {
  const reader = new LineReader()
  const clock = yield* Clock.Clock
  const flush = Effect.suspend(() => {
    const lines = end.server.takeLines(clock.currentTimeMillisUnsafe())
    return lines.length === 0 ? Effect.void : duplex.write(() => joinLines(lines))
  })
  const flushes = yield* Queue.unbounded<void>()
  end.onLines = () => Queue.offerUnsafe(flushes, undefined)
  yield* Queue.take(flushes).pipe(Effect.andThen(flush), Effect.forever, Effect.forkScoped)
  return yield* duplex.pull.pipe(
    Effect.flatMap((chunks) => {
      const lines: Array<Line> = []
      for (const chunk of chunks) reader.push(chunk, lines)
      end.receive(lines)
      return flush
    }),
    Effect.forever
  )
})

/** Lets the clock run, 100 ms at a time, until the effect is done. */
export const advanceUntil = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    for (let step = 0; step < 5000 && fiber.pollUnsafe() === undefined; step++) yield* TestClock.adjust("100 millis")
    return yield* Fiber.join(fiber)
  })
