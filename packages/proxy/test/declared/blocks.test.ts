/** Blocks of declared jobs reach the chain, with transactions that only the miner's node has. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { address, makeWorld } from "./world.ts"

/** Lets servers answer one another. */
const settled = Effect.repeat(TestClock.adjust(20), { times: 50 })

describe("a proxy that declares its jobs", () => {
  for (const declareTransactions of [true, false]) {
    const mode = declareTransactions ? "with" : "without"
    it.effect(`finds a block with transactions that only the miner's node has, ${mode} showing them to the pool`, () =>
      Effect.gen(function* () {
        const world = yield* makeWorld()
        const transactions = yield* world.miners.addMadeUpTransactions(20)
        const pool = yield* world.startPool(1)
        const proxy = yield* world.startProxy({
          upstreams: [{ server: address(1), declarator: address(2) }],
          declareTransactions
        })
        yield* settled
        const client = yield* world.connect()
        yield* client.open("extended")
        yield* settled
        yield* client.mine()
        yield* settled
        console.log(
          world.log,
          yield* proxy.declarations,
          (yield* proxy.upstreams)[0],
          yield* pool.service.stats,
          yield* pool.declarator.stats
        )
        const tip = world.pools.state.chain.tip
        assert.isAbove(tip.height, 0)
        assert.isAbove(transactions.length, 0)
      })
    )
  }
})
