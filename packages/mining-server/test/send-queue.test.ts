import { assert, describe, it } from "@effect/vitest"
import { Closed, type ConnectionError, TransportError } from "@sluice/transport"
import { Deferred, Effect, Exit, Fiber, Scheduler } from "effect"
import { SendQueue } from "../src/connections/send-queue.ts"

const gone = new TransportError({ remote: { host: "peer", port: 1 }, reason: new Closed({ pendingBytes: 0 }) })

/** A connection whose writes end when the test says so. */
const slow = Effect.gen(function* () {
  const written: Array<ReadonlyArray<number>> = []
  const ends: Array<Deferred.Deferred<void, ConnectionError>> = []
  const told: Array<number> = []
  const queue = new SendQueue<number>({
    send: (messages) =>
      Effect.suspend(() => {
        written.push(messages)
        const end = Deferred.makeUnsafe<void, ConnectionError>()
        ends.push(end)
        return Deferred.await(end)
      }),
    standing: { queued: (bytes) => told.push(bytes) }
  })
  return { written, ends, queue, told }
})

const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

describe("the send queue of a connection", () => {
  it.effect("writes new messages after the current write, and the reader waits for both", () =>
    Effect.gen(function* () {
      const { ends, queue, written } = yield* slow
      queue.announce(1, 1)
      yield* fork(queue.drainBeside)
      queue.reply(2)
      const reader = yield* fork(queue.drain)
      queue.announce(3, 1)
      yield* queue.drainBeside
      assert.deepStrictEqual(written, [[1]])
      yield* Deferred.succeed(ends[0]!, undefined)
      yield* Effect.yieldNow
      assert.deepStrictEqual(written, [[1], [2, 3]])
      assert.isUndefined(reader.pollUnsafe())
      yield* Deferred.succeed(ends[1]!, undefined)
      yield* Fiber.join(reader)
      assert.strictEqual(queue.announcedBytes, 0)
    })
  )

  it.live("does not keep a reader waiting that gave way to others while the write ended", () =>
    Effect.gen(function* () {
      // The reader gives way after so many steps, and the write ends so many turns later.
      for (const [steps, turns] of Array.from({ length: 36 }, (_, i) => [3 + (i % 6), Math.floor(i / 6)] as const)) {
        const { ends, queue } = yield* slow
        queue.announce(1, 1)
        yield* fork(queue.drainBeside)
        const drain = Effect.andThen(Effect.yieldNow, queue.drain)
        const reader = yield* fork(Effect.provideService(drain, Scheduler.MaxOpsBeforeYield, steps))
        yield* Effect.replicateEffect(Effect.yieldNow, turns, { discard: true })
        yield* Deferred.succeed(ends[0]!, undefined)
        yield* Effect.timeout(Fiber.join(reader), 1_000)
      }
    })
  )

  it.effect("lets the reader write, and fail, after a write beside it has failed", () =>
    Effect.gen(function* () {
      const { ends, queue, written } = yield* slow
      queue.announce(1, 1)
      yield* fork(queue.drainBeside)
      queue.reply(2)
      const reader = yield* fork(Effect.exit(queue.drain))
      yield* Deferred.fail(ends[0]!, gone)
      yield* Effect.yieldNow
      assert.deepStrictEqual(written, [[1], [2]])
      yield* Deferred.fail(ends[1]!, gone)
      assert.deepStrictEqual(yield* Fiber.join(reader), Exit.fail(gone))
    })
  )

  it.effect("writes the rest at the end of the connection, even if the last write was interrupted", () =>
    Effect.gen(function* () {
      const { ends, queue, written } = yield* slow
      queue.reply(1)
      const reader = yield* fork(queue.drain)
      queue.reply(2)
      yield* Fiber.interrupt(reader)
      const end = yield* fork(queue.flush)
      assert.deepStrictEqual(written, [[1], [2]])
      yield* Deferred.succeed(ends[1]!, undefined)
      yield* Fiber.join(end)
    })
  )

  it.effect("counts the bytes of announcements until a write takes them", () =>
    Effect.gen(function* () {
      const { ends, queue } = yield* slow
      queue.reply(1)
      assert.strictEqual(queue.announcedBytes, 0)
      queue.announce(2, 1)
      assert.strictEqual(queue.announcedBytes, 1)
      yield* fork(queue.drain)
      assert.strictEqual(queue.announcedBytes, 0)
      queue.announce(3, 1)
      assert.strictEqual(queue.announcedBytes, 1)
      yield* Deferred.succeed(ends[0]!, undefined)
    })
  )

  it.effect("reports the bytes that wait behind a write, and 0 when the next write takes them", () =>
    Effect.gen(function* () {
      const { ends, queue, told } = yield* slow
      queue.reply(1)
      yield* fork(queue.drain)
      queue.announce(2, 10)
      queue.announce(3, 20)
      assert.deepStrictEqual(told, [10, 30])
      yield* Deferred.succeed(ends[0]!, undefined)
      yield* Effect.yieldNow
      assert.deepStrictEqual(told, [10, 30, 0])
      yield* Deferred.succeed(ends[1]!, undefined)
    })
  )
})
