import { assert, describe, it } from "@effect/vitest"
import { Closed, type ConnectionError, TransportError } from "@sluice/transport"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { Outgoing } from "../src/connections/outgoing.ts"

const gone = new TransportError({ remote: { host: "peer", port: 1 }, reason: new Closed({ pendingBytes: 0 }) })

/** A connection whose writes end when the test says so. */
const slow = Effect.gen(function* () {
  const written: Array<ReadonlyArray<number>> = []
  const ends: Array<Deferred.Deferred<void, ConnectionError>> = []
  const told: Array<number> = []
  const outgoing = new Outgoing<number>(
    (messages) =>
      Effect.suspend(() => {
        written.push(messages)
        const end = Deferred.makeUnsafe<void, ConnectionError>()
        ends.push(end)
        return Deferred.await(end)
      }),
    (bytes) => told.push(bytes)
  )
  return { written, ends, outgoing, told }
})

const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

describe("what waits for a connection", () => {
  it.effect("goes behind the write that is at it, and the reader waits for both", () =>
    Effect.gen(function* () {
      const { ends, outgoing, written } = yield* slow
      outgoing.announce(1, 1)
      yield* fork(outgoing.drainBeside)
      outgoing.reply(2)
      const reader = yield* fork(outgoing.drain)
      outgoing.announce(3, 1)
      yield* outgoing.drainBeside
      assert.deepStrictEqual(written, [[1]])
      yield* Deferred.succeed(ends[0]!, undefined)
      yield* Effect.yieldNow
      assert.deepStrictEqual(written, [[1], [2, 3]])
      assert.isUndefined(reader.pollUnsafe())
      yield* Deferred.succeed(ends[1]!, undefined)
      yield* Fiber.join(reader)
      assert.strictEqual(outgoing.announcedBytes, 0)
    })
  )

  it.effect("is tried by the reader itself where a write beside it failed", () =>
    Effect.gen(function* () {
      const { ends, outgoing, written } = yield* slow
      outgoing.announce(1, 1)
      yield* fork(outgoing.drainBeside)
      outgoing.reply(2)
      const reader = yield* fork(Effect.exit(outgoing.drain))
      yield* Deferred.fail(ends[0]!, gone)
      yield* Effect.yieldNow
      assert.deepStrictEqual(written, [[1], [2]])
      yield* Deferred.fail(ends[1]!, gone)
      assert.deepStrictEqual(yield* Fiber.join(reader), Exit.fail(gone))
    })
  )

  it.effect("is written at the end of the connection, also where the write before was interrupted", () =>
    Effect.gen(function* () {
      const { ends, outgoing, written } = yield* slow
      outgoing.reply(1)
      const reader = yield* fork(outgoing.drain)
      outgoing.reply(2)
      yield* Fiber.interrupt(reader)
      const end = yield* fork(outgoing.flush)
      assert.deepStrictEqual(written, [[1], [2]])
      yield* Deferred.succeed(ends[1]!, undefined)
      yield* Fiber.join(end)
    })
  )

  it.effect("is counted where nobody asked for it, until a write takes it", () =>
    Effect.gen(function* () {
      const { ends, outgoing } = yield* slow
      outgoing.reply(1)
      assert.strictEqual(outgoing.announcedBytes, 0)
      outgoing.announce(2, 1)
      assert.strictEqual(outgoing.announcedBytes, 1)
      yield* fork(outgoing.drain)
      assert.strictEqual(outgoing.announcedBytes, 0)
      outgoing.announce(3, 1)
      assert.strictEqual(outgoing.announcedBytes, 1)
      yield* Deferred.succeed(ends[0]!, undefined)
    })
  )

  it.effect("is told to the listener while it waits behind a write, and when that takes it", () =>
    Effect.gen(function* () {
      const { ends, outgoing, told } = yield* slow
      outgoing.reply(1)
      yield* fork(outgoing.drain)
      outgoing.announce(2, 10)
      outgoing.announce(3, 20)
      assert.deepStrictEqual(told, [10, 30])
      yield* Deferred.succeed(ends[0]!, undefined)
      yield* Effect.yieldNow
      assert.deepStrictEqual(told, [10, 30, 0])
      yield* Deferred.succeed(ends[1]!, undefined)
    })
  )
})
