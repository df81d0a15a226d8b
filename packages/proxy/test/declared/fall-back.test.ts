/** The whole list of sources of jobs, down and back up, under a test clock. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeScripted, miner, settled, SOLO_ADDRESS, wait } from "./scripted-world.ts"

describe("a proxy of two pairs of pool and declarator, a pool and solo mining", () => {
  it.effect(
    "walks down the list for one reason after the other, and back up, and no miner is ever without an answer",
    () =>
      Effect.gen(function* () {
        const world = yield* makeScripted({ declared: 2, plain: 1 }, { soloAddress: SOLO_ADDRESS })
        yield* world.newBlock()
        const client = yield* miner(world)
        const [first, second] = world.pairs
        const [third] = world.pools
        const counts = [
          () => first!.pool.shares.length,
          () => second!.pool.shares.length,
          () => third!.pool.shares.length
        ]
        /** The miner's shares are accepted, and those of this source alone grow. */
        const mine = (expected: number) =>
          Effect.gen(function* () {
            assert.strictEqual(yield* world.active, expected)
            const before = counts.map((count) => count())
            const { accepted, refused } = yield* client.mine()
            yield* settled
            assert.deepStrictEqual([accepted, refused], [8, []])
            const grown = counts.map((count, index) => count() - before[index]!)
            assert.deepStrictEqual(
              grown,
              [0, 1, 2].map((index) => (index === expected ? 8 : 0))
            )
          })
        yield* mine(0)

        // The declarator refuses a job.
        first!.declarator.refusal = () => "invalid-job"
        yield* world.newBlock()
        yield* mine(1)
        // The pool refuses a job.
        second!.pool.refusal = () => "invalid-coinbase-tx-outputs"
        yield* world.newBlock()
        yield* mine(2)
        // The connection to the last pool is lost.
        yield* world.network.kill(third!.port)
        yield* settled
        yield* mine(3)

        // Each comes back when it has been well for a minute.
        world.network.listen(third!.port, third!.pool)
        yield* wait(15)
        yield* mine(3)
        yield* wait(62)
        yield* mine(2)
        second!.pool.refusal = () => undefined
        yield* wait(15)
        yield* mine(2)
        yield* wait(62)
        yield* mine(1)
        first!.declarator.refusal = () => undefined
        yield* wait(15)
        yield* mine(1)
        yield* wait(62)
        yield* mine(0)
        const took = world.log.filter((line) => line.endsWith("takes declared jobs"))
        assert.deepStrictEqual(
          took.map((line) => line.split(" ")[0]),
          [1, 2, 2, 1].map((port) => `stratum2+tcp+plain://pool:${port}`)
        )
        assert.deepStrictEqual(client.of("ChannelClosed"), [])
        assert.deepStrictEqual(client.of("ExtranoncePrefixChanged"), [])
        assert.deepStrictEqual(client.of("ProtocolViolation"), [])
      })
  )

  it.effect(
    "stays with a pair that says stale-chain-tip around a new block, and sends the shares found meanwhile",
    () =>
      Effect.gen(function* () {
        const world = yield* makeScripted({ declared: 2 })
        yield* world.newBlock()
        const client = yield* miner(world)
        const [first] = world.pairs
        first!.declarator.refusal = () => "stale-chain-tip"
        first!.pool.shares.length = 0
        yield* world.newBlock()
        assert.strictEqual((yield* client.mine()).accepted, 8)
        yield* wait(3)
        assert.deepStrictEqual([yield* world.active, first!.pool.shares.length], [0, 0])
        first!.declarator.refusal = () => undefined
        first!.pool.refusal = () => "stale-chain-tip"
        yield* wait(5)
        assert.deepStrictEqual([yield* world.active, first!.pool.shares.length], [0, 0])
        first!.pool.refusal = () => undefined
        yield* wait(6)
        assert.deepStrictEqual(
          first!.pool.shares.map(({ answer }) => answer),
          Array.from({ length: 8 }, () => "accepted")
        )
        const tokens = first!.declarator.declared.map(({ miningJobToken }) =>
          Buffer.from(miningJobToken).toString("hex")
        )
        assert.strictEqual(new Set(tokens).size, tokens.length, "no token is used twice")
      })
  )

  it.effect("leaves a pair that stays on another block for a minute", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 2 })
      yield* world.newBlock()
      yield* miner(world)
      world.pairs[0]!.pool.refusal = () => "stale-chain-tip"
      yield* world.newBlock()
      yield* wait(30)
      assert.strictEqual(yield* world.active, 0)
      yield* wait(40)
      assert.strictEqual(yield* world.active, 1)
    })
  )

  it.effect("leaves a pair that allocates no token in time", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 2 })
      yield* world.newBlock()
      yield* miner(world)
      world.pairs[0]!.declarator.isAllocating = false
      // Two tokens were kept.
      for (let block = 0; block < 3; block++) yield* world.newBlock()
      assert.strictEqual(yield* world.active, 0)
      yield* wait(12)
      assert.strictEqual(yield* world.active, 1)
    })
  )

  it.effect("leaves a pool that refuses valid shares of a job that it had taken", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 2 })
      yield* world.newBlock()
      const client = yield* miner(world)
      world.pairs[0]!.pool.shareRefusal = "invalid-share"
      assert.strictEqual((yield* client.mine()).accepted, 8)
      yield* settled
      assert.strictEqual(yield* world.active, 1)
      assert.isTrue(world.log.some((line) => line.includes("it refused a valid share of a job that it had taken")))
    })
  )

  it.effect("stays with a pair whose declarator asks to connect again, for as long as that may take", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 2 })
      yield* world.newBlock()
      yield* miner(world)
      const [{ declarator }] = world.pairs as [(typeof world.pairs)[0]]
      const reconnect = { _tag: "Reconnect", newHost: "", newPort: 0 } as const
      yield* declarator.say(reconnect)
      yield* settled
      assert.strictEqual(yield* world.active, 0)
      yield* wait(5)
      assert.isTrue((yield* world.declarations)[0]!.isDeclaratorConnected)
      yield* world.newBlock()
      yield* wait(60)
      assert.strictEqual(yield* world.active, 0)
      // It does not come back.
      yield* declarator.say(reconnect)
      yield* declarator.kill
      yield* wait(8)
      assert.strictEqual(yield* world.active, 0)
      yield* wait(4)
      assert.strictEqual(yield* world.active, 1)
      assert.isTrue(world.log.some((line) => line.includes("is not back 10 s after its Reconnect")))
    })
  )

  it.effect("leaves a pair when the connection to its pool or its declarator is lost", () =>
    Effect.gen(function* () {
      for (const lose of ["pool", "declarator"] as const) {
        const world = yield* makeScripted({ declared: 2 })
        yield* world.newBlock()
        const client = yield* miner(world)
        const [first, second] = world.pairs
        yield* lose === "pool" ? world.network.kill(first!.port) : first!.declarator.kill
        yield* settled
        assert.strictEqual(yield* world.active, 1)
        assert.strictEqual((yield* client.mine()).accepted, 8)
        yield* settled
        assert.strictEqual(second!.pool.shares.length, 8)
      }
    })
  )

  it.effect("drops and counts the shares of a refused job", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 2 })
      yield* world.newBlock()
      const client = yield* miner(world)
      const [first] = world.pairs
      first!.pool.refusal = () => ""
      yield* world.newBlock()
      yield* client.mine()
      assert.strictEqual((yield* world.declarations)[0]!.kept, 8)
      yield* wait(12)
      assert.strictEqual(yield* world.active, 1)
      const [stats] = yield* world.upstreams
      assert.deepInclude(stats, { lost: 8, passedOn: 0 })
      assert.strictEqual((yield* world.declarations)[0]!.kept, 0)
    })
  )

  it.effect("keeps the present jobs of a pool while its declarator is away and there is no other source", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 1 })
      yield* world.newBlock()
      const client = yield* miner(world)
      const [pair] = world.pairs
      yield* pair!.declarator.kill
      yield* settled
      assert.strictEqual(yield* world.active, -1)
      yield* client.mine()
      yield* settled
      assert.strictEqual(pair!.pool.shares.length, 8)
      // A new block: miners go on with an own job of it, and its shares wait for the declarator.
      yield* world.newBlock()
      yield* client.mine()
      yield* settled
      assert.strictEqual(pair!.pool.shares.length, 8)
      pair!.declarator.isListening = true
      yield* wait(15)
      assert.strictEqual(yield* world.active, 0)
      assert.strictEqual(pair!.pool.shares.length, 16)
    })
  )

  it.effect("keeps its time limits with solo mining when a pool in reserve announces a block that the node lacks", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 1, plain: 1 }, { soloAddress: SOLO_ADDRESS })
      yield* world.newBlock()
      yield* miner(world)
      const { pool } = world.pools[0]!
      yield* world.network.say(pool, pool.makeFuture().message)
      yield* world.network.say(pool, pool.makeBlock(0).message)
      // The pool is silent for longer than `idle` afterwards.
      yield* wait(700)
      assert.isTrue(
        world.log.some((line) => line.includes("it has sent no job for 600 s")),
        world.log.join("\n")
      )
    })
  )

  it.effect("stays with a declared source, and returns to it, while a pool behind it invents blocks", () =>
    Effect.gen(function* () {
      const world = yield* makeScripted({ declared: 1, plain: 1 })
      yield* world.newBlock()
      yield* miner(world)
      const [pair] = world.pairs
      const { pool } = world.pools[0]!
      pool.height = 60_000
      yield* world.network.say(pool, pool.makeFuture().message)
      yield* world.network.say(pool, pool.makeBlock(0).message)
      yield* wait(100)
      assert.strictEqual(yield* world.active, 0)
      pair!.declarator.refusal = () => "invalid-job"
      yield* world.newBlock()
      assert.strictEqual(yield* world.active, 1)
      pair!.declarator.refusal = () => undefined
      yield* wait(77)
      assert.strictEqual(yield* world.active, 0)
    })
  )
})
