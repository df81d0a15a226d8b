/** Blocks of declared jobs reach the chain, with transactions that only the miner's node has. */
import { assert, describe, it } from "@effect/vitest"
import { parseBlock } from "@sluice/bitcoin"
import { payoutScript } from "@sluice/mining-server"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { address, makeWorld, POOL_ADDRESSES } from "./world.ts"

/** Lets servers answer one another. */
const settled = Effect.repeat(TestClock.adjust(20), { times: 30 })
const SUBSIDY = 5_000_000_000n

const start = Effect.fnUntraced(function* (declareTransactions: boolean) {
  const world = yield* makeWorld()
  yield* world.miners.addMadeUpTransactions(20)
  const pool = yield* world.startPool(1)
  const proxy = yield* world.startProxy({
    upstreams: [{ server: address(1), declarator: address(2) }],
    declareTransactions
  })
  yield* settled
  const client = yield* world.connect()
  yield* client.open("extended")
  yield* settled
  /** Finds a block: every few hashes are one. */
  const findBlock = Effect.gen(function* () {
    const [channel] = client.machine.channels.values()
    const { work } = channel!
    for (let tries = 0; tries < 50 && world.miners.state.chain.tip.height === 0; tries++) {
      yield* client.submit(work!)
      yield* TestClock.adjust(1)
      if (world.pools.state.chain.tip.height > 0) break
    }
    yield* settled
  })
  return { ...world, pool, proxy, client, findBlock }
})

/** Asserts that both nodes have the miner's block, and that it pays the pool all. */
const assertFound = ({ miners, pools }: Effect.Success<ReturnType<typeof makeWorld>>) => {
  const { tip } = pools.state.chain
  assert.strictEqual(tip.height, 1)
  assert.strictEqual(miners.state.chain.tip.id, tip.id)
  assert.strictEqual(tip.transactionCount, 21, "the coinbase, and what only the miner's node had")
  const [coinbase] = parseBlock(tip.block!.bytes).transactions
  const [first, ...others] = coinbase!.outputs
  assert.deepStrictEqual(first!.script, Result.getOrThrow(payoutScript(POOL_ADDRESSES[0]!)))
  assert.isAbove(Number(first!.value), Number(SUBSIDY))
  assert.isTrue(others.every(({ value }) => value === 0n))
}

describe("a proxy that declares its jobs", () => {
  for (const declareTransactions of [true, false]) {
    const mode = declareTransactions ? "with" : "without"
    it.effect(`finds a block with transactions that only the miner's node has, ${mode} showing them to the pool`, () =>
      Effect.gen(function* () {
        const world = yield* start(declareTransactions)
        yield* world.findBlock
        assertFound(world)
        const [stats] = yield* world.proxy.declarations
        assert.deepInclude(stats, { kind: "declared", refused: {}, kept: 0, pushed: declareTransactions ? 1 : 0 })
        assert.isAtLeast(stats!.acknowledged, 1)
        const { jobsRefused, transactionsSent, verdicts } = yield* world.pool.declarator.stats
        assert.strictEqual(transactionsSent, declareTransactions ? 20 : 0)
        assert.deepStrictEqual(jobsRefused, {})
        assert.strictEqual(Object.keys(verdicts).length, declareTransactions ? 1 : 0)
      })
    )

    it.effect(`finds a block although the pool is killed, ${mode} showing the pool its transactions`, () =>
      Effect.gen(function* () {
        const world = yield* start(declareTransactions)
        yield* world.pool.kill
        yield* world.findBlock
        assertFound(world)
      })
    )
  }

  it.effect("finds a block although the template provider is killed: the pool's declarator has the transactions", () =>
    Effect.gen(function* () {
      const world = yield* start(true)
      yield* world.provider.kill
      yield* world.findBlock
      assertFound(world)
    })
  )
})
