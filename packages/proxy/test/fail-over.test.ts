/** A proxy of two pools when one of them fails, in memory under a test clock. */
import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import type { ChannelClient } from "@sluice/testing/channel-client"
import { openExtended } from "@sluice/testing/pool-client"
import { Effect } from "effect"
import { makeWorld, type RunningPool, wait } from "./world.ts"

const RESTARTS = 10

/** The pool of the present work, by the tag in its coinbase. */
const poolOf = (client: ChannelClient): string | undefined => {
  for (const { work } of client.machine.channels.values()) {
    if (work?._tag !== "ExtendedWork") continue
    return /Sv2\/(pool \d)/.exec(Buffer.from(work.coinbasePrefix).toString("latin1"))?.[1]
  }
  return undefined
}

describe("a proxy of two pools", () => {
  it.effect(
    "goes to the second and back each time the preferred one is killed and restarted, and no miner loses its channel or an answer",
    () =>
      Effect.gen(function* () {
        const world = yield* makeWorld([1, 2])
        let preferred: RunningPool = yield* world.startPool(1)
        const second = yield* world.startPool(2)
        let block = 1
        yield* preferred.newBlock(block)
        yield* second.newBlock(block)
        yield* wait(2)
        const clients = yield* Effect.forEach(Array.from({ length: 8 }), (_, index) =>
          world.connect(index % 2 === 0 ? { flags: Mining.REQUIRES_STANDARD_JOBS } : {})
        )
        for (const [index, client] of clients.entries()) yield* client.open(index % 2 === 0 ? "standard" : "extended")
        const witness = clients[1]!
        const credited = { first: 0, second: 0 }
        /** All miners find shares: each is answered once, and none is refused. */
        const mine = Effect.gen(function* () {
          for (const client of clients) {
            const { accepted, refused } = yield* client.mine()
            assert.deepStrictEqual([accepted, refused], [8, []])
          }
        })

        for (let round = 0; round < RESTARTS; round++) {
          assert.strictEqual(poolOf(witness), "pool 1")
          yield* mine
          credited.first += (yield* preferred.service.stats).accepted
          yield* preferred.kill
          yield* wait(2)
          assert.strictEqual(poolOf(witness), "pool 2")
          yield* mine
          preferred = yield* world.startPool(1)
          yield* preferred.newBlock(block)
          yield* wait(30)
          assert.strictEqual(poolOf(witness), "pool 2", "the preferred one has not been well for a minute")
          yield* second.newBlock(++block)
          yield* preferred.newBlock(block)
          yield* mine
          yield* wait(60)
        }
        credited.first += (yield* preferred.service.stats).accepted
        credited.second = (yield* second.service.stats).accepted
        assert.deepStrictEqual((yield* second.service.stats).refused, {})
        // What was sent was credited once.
        const stats = yield* world.upstreams
        const none = { refused: {}, unanswered: 0, late: 0, lost: 0, pending: 0 }
        for (const [index, count] of [credited.first, credited.second].entries()) {
          assert.isAbove(count, RESTARTS)
          assert.deepInclude(stats[index], { ...none, passedOn: count, accepted: count })
        }
        // No work came twice, although a pool's job did each time that the proxy came back to it.
        const coinbases = witness.of("WorkChanged").map(({ work }) => {
          assert(work._tag === "ExtendedWork")
          return Buffer.concat([work.coinbasePrefix, work.coinbaseSuffix]).toString("hex")
        })
        assert.isAbove(coinbases.length, RESTARTS * 2)
        assert.strictEqual(new Set(coinbases).size, coinbases.length)
        // One connection and one channel each, to the end.
        const { channels, connections } = yield* world.service.stats
        assert.deepStrictEqual([connections, channels], [8, { standard: 4, extended: 4 }])
        for (const client of clients) {
          assert.lengthOf(client.of("ChannelOpened"), 1)
          for (const tag of ["ChannelClosed", "ExtranoncePrefixChanged", "Reconnect", "ProtocolViolation"] as const) {
            assert.deepStrictEqual(client.of(tag), [])
          }
        }
      }),
    60_000
  )

  it.effect("uses the preferred one from the start although the second answers first", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1, 2])
      const second = yield* world.startPool(2)
      const preferred = yield* world.startPool(1)
      yield* second.newBlock(1)
      yield* wait(1)
      const client = yield* world.connect()
      yield* client.open("extended")
      assert.strictEqual(poolOf(client), "pool 2")
      yield* preferred.newBlock(1)
      yield* wait(1)
      assert.strictEqual(poolOf(client), "pool 1")
    })
  )

  it.effect(
    "leaves a pool that sends no job for 90 seconds after another has announced a block, and returns to it",
    () =>
      Effect.gen(function* () {
        const world = yield* makeWorld([1, 2])
        const silent = yield* world.startPool(1)
        const lively = yield* world.startPool(2)
        yield* silent.newBlock(1)
        yield* lively.newBlock(1)
        yield* wait(2)
        const client = yield* world.connect()
        yield* client.open("extended")
        yield* lively.newBlock(2)
        yield* wait(85)
        assert.strictEqual(poolOf(client), "pool 1")
        yield* wait(10)
        assert.strictEqual(poolOf(client), "pool 2")
        assert.isTrue(
          world.log.some((line) => /has sent no job for \d+ s, and .* has announced a new block/.test(line))
        )
        assert.deepStrictEqual((yield* client.mine()).accepted, 8)
        yield* silent.newBlock(2)
        yield* wait(65)
        assert.strictEqual(poolOf(client), "pool 1")
        assert.deepStrictEqual((yield* client.mine()).accepted, 8)
      })
  )

  it.effect("gives a share to the pool whose job it is for, also after it has gone to another", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld([1, 2])
      const second = yield* world.startPool(2)
      yield* second.newBlock(1)
      yield* wait(5)
      const client = yield* world.connectRaw()
      const miner = yield* client.open(openExtended())
      const ofSecond = Array.from({ length: 4 }, () => miner.mine())
      const preferred = yield* world.startPool(1)
      yield* preferred.newBlock(1)
      yield* wait(75)
      // The first job of the preferred pool, and the previous hash that names it.
      yield* client.follow(miner, "SetNewPrevHash")
      const ofPreferred = Array.from({ length: 24 }, () => miner.mine())
      for (const share of [...ofPreferred, ...ofSecond]) yield* client.send(share)
      yield* wait(1)
      assert.strictEqual((yield* second.service.stats).accepted, 4)
      // Those that meet its target.
      const { accepted } = yield* preferred.service.stats
      assert.isAbove(accepted, 0)
      assert.deepInclude((yield* world.upstreams)[0], { passedOn: accepted, accepted, refused: {} })
      assert.strictEqual((yield* world.service.stats).accepted, 28)
    })
  )
})
