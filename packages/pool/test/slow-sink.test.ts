/** Share sinks that take their time, on real sockets. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import type { ShareSink } from "@sluice/mining-server"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, newBlock, poolStats, tcpWorld } from "@sluice/testing/pool-worlds"

/** A sink whose first call waits until `release`. */
const slowSink = Effect.gen(function* () {
  const begun = yield* Deferred.make<void>()
  const released = yield* Deferred.make<void>()
  const sink: ShareSink = {
    record: () => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(released))
  }
  return { sink, begun: Deferred.await(begun), release: Deferred.succeed(released, undefined) }
})

describe("a share sink that is slow", () => {
  it.live("holds back its own connection's acknowledgement and new work, in this order, and no other connection", () =>
    Effect.gen(function* () {
      const { begun, release, sink } = yield* slowSink
      yield* Effect.gen(function* () {
        yield* giveWork
        const waiting = yield* TestClient.connect()
        const miner = yield* waiting.open(openExtended())
        const other = yield* TestClient.connect()
        yield* other.open(openExtended())
        yield* waiting.send(miner.mine())
        yield* begun
        yield* newBlock(2)
        yield* other.until("SetNewPrevHash")
        assert.strictEqual(yield* waiting.waiting, 0)
        yield* release
        assert.strictEqual((yield* waiting.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
        yield* waiting.until("SetNewPrevHash")
      }).pipe(Effect.scoped, Effect.provide(tcpWorld({ shareSinks: [sink] })))
    })
  )

  it.live("records and counts a share whose peer closes meanwhile, and then forgets the connection", () =>
    Effect.gen(function* () {
      const { begun, release, sink } = yield* slowSink
      yield* Effect.gen(function* () {
        yield* giveWork
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* TestClient.connect()
            const miner = yield* client.open(openExtended())
            yield* client.send(miner.mine())
            yield* begun
          })
        )
        assert.strictEqual((yield* poolStats).accepted, 0)
        yield* release
        while ((yield* Effect.delay(poolStats, 10)).connections > 0);
        assert.strictEqual((yield* poolStats).accepted, 1)
      }).pipe(Effect.scoped, Effect.provide(tcpWorld({ shareSinks: [sink] })))
    })
  )
})
