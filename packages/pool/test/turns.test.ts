import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { inParts } from "../../mining-server/src/connections/turns.ts"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, poolStats } from "@sluice/testing/pool-worlds"

describe("parts of long work", () => {
  const sizes = (costs: ReadonlyArray<number>) => inParts(costs, (cost) => cost).map((part) => part.length)

  it("cost as much as one turn of the event loop may take", () => {
    assert.deepStrictEqual(sizes([]), [])
    assert.deepStrictEqual(sizes(Array.from({ length: 130 }, () => 1)), [64, 64, 2])
    assert.deepStrictEqual(sizes([32, 32, 1, 62, 2, 1]), [2, 2, 2])
  })

  it("keep the order, and an item that costs more makes a part alone", () => {
    assert.deepStrictEqual(
      inParts([1, 1025, 1025, 1, 1], (cost) => cost),
      [[1], [1025], [1025], [1, 1]]
    )
  })
})

describe("a connection that sends a thousand messages at once", () => {
  it.effect("is answered in parts, and other connections in between", () =>
    Effect.gen(function* () {
      yield* giveWork
      const [crowd, other] = [yield* TestClient.connect(), yield* TestClient.connect()]
      yield* crowd.send(...Array.from({ length: 1_000 }, (_, requestId) => openExtended({ requestId })))
      yield* other.send({ _tag: "UpdateChannel", channelId: 9, nominalHashRate: 1, maximumTarget: new Uint8Array(32) })
      yield* other.expect("UpdateChannel.Error")
      assert.isBelow((yield* poolStats).channels.length, 500)
      for (let requestId = 0; requestId < 1_000; requestId++) {
        assert.strictEqual((yield* crowd.until("OpenExtendedMiningChannel.Success")).requestId, requestId)
      }
      assert.strictEqual((yield* poolStats).channels.length, 1_000)
    }).pipe(Effect.provide(memoryWorld()))
  )
})
