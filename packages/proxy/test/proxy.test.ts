/** A proxy between real pools and real clients, in memory under a test clock. */
import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { settle } from "@sluice/testing/channel-client"
import { Effect } from "effect"
import { makeWorld, poolAddress, wait } from "./world.ts"

describe("a proxy of one pool", () => {
  it.effect("serves standard and extended channels over one channel of the pool", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1], { userIdentity: "account.{worker}" })
      const pool = yield* world.startPool(1)
      yield* pool.newBlock(1)
      yield* wait(2)
      const standard = yield* world.connect({ flags: Mining.REQUIRES_STANDARD_JOBS })
      const extended = yield* world.connect()
      yield* standard.open("standard", "standard")
      yield* extended.open("extended", "standard")
      let answered = 0
      for (const block of [2, 3]) {
        for (const client of [standard, extended]) {
          const { accepted, refused } = yield* client.mine()
          assert.deepStrictEqual([accepted, refused], [16, []])
          answered += accepted
        }
        yield* pool.newBlock(block)
      }
      yield* wait(2)
      const [upstream] = yield* world.upstreams
      assert.deepInclude(upstream, { state: "active", passedOn: answered, accepted: answered, refused: {}, pending: 0 })
      const { accepted, channels, refused } = yield* pool.service.stats
      assert.deepStrictEqual([accepted, channels, refused], [answered, { standard: 0, extended: 1 }, {}])
      const { users } = yield* pool.service.users({ limit: 10, offset: 0 })
      assert.deepStrictEqual(
        users.map(({ user }) => user),
        ["account"]
      )
      assert.strictEqual((yield* world.service.stats).accepted, answered)
      for (const client of [standard, extended]) assert.deepStrictEqual(client.of("ProtocolViolation"), [])
    })
  )

  it.effect("serves another proxy, which has a channel of it as its upstream", () =>
    Effect.gen(function* () {
      // 16 bytes leave 12 to roll, as many as the proxy below needs.
      const above = yield* makeWorld([1], { extranonceSize: 16 }, [], { at: poolAddress(50) })
      const pool = yield* above.startPool(1)
      yield* pool.newBlock(1)
      yield* wait(2)
      const below = yield* makeWorld([50], {}, [], { network: above.network })
      yield* wait(2)
      const client = yield* below.connect()
      yield* client.open("extended", "standard")
      const { accepted, refused } = yield* client.mine()
      assert.deepStrictEqual([accepted, refused], [16, []])
      yield* wait(1)
      const [upstream] = yield* below.upstreams
      assert.deepInclude(upstream, { passedOn: 16, accepted: 16, refused: {} })
      assert.deepInclude((yield* above.upstreams)[0], { passedOn: 16, accepted: 16, refused: {} })
      assert.strictEqual((yield* pool.service.stats).accepted, 16)
    })
  )

  it.effect("gives miners that connect before the pool their first job when the pool comes", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1])
      const client = yield* world.connect()
      yield* client.open("extended")
      assert.lengthOf(client.of("WorkChanged"), 0)
      const pool = yield* world.startPool(1)
      yield* pool.newBlock(1)
      yield* wait(5)
      assert.isAbove(client.of("WorkChanged").length, 0)
      assert.deepStrictEqual((yield* client.mine()).accepted, 8)
      yield* settle
      assert.strictEqual((yield* pool.service.stats).accepted, 8)
    })
  )
})
