import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import { DevNode, type DevNodeCalls, type DevNodeOptions, exchangeBlocks, solveTemplate } from "../src/index.ts"
import { display, EASY_BITS } from "@sluice/testing/blocks"

/** A node with a chain and transactions of its own. */
const start = (seed: string, options: DevNodeOptions = {}) =>
  Layer.build(DevNode.layer({ bits: EASY_BITS, transactionsPerSecond: 0, ...options })).pipe(
    Effect.map((context) => Context.get(context, DevNode)),
    Random.withSeed(seed)
  )

const two = Effect.all([start("one"), start("other")])

const mine = Effect.fnUntraced(function* (node: DevNodeCalls, extranonce = 0n) {
  const block = solveTemplate(yield* node.getBlockTemplate(), { extranonce })!
  assert.isNull(yield* node.submitBlock(block))
  yield* TestClock.adjust(0)
})

const waiting = ({ state }: DevNodeCalls): ReadonlyArray<string> => [...state.mempool.entries()].map(({ txid }) => txid)
const tipOf = ({ state }: DevNodeCalls): string => state.chain.tip.id

describe("two nodes that exchange blocks", () => {
  it.effect("accept transactions that only the other one has, with witness and without", () =>
    Effect.gen(function* () {
      const [one, other] = yield* two
      yield* exchangeBlocks(one, other)
      yield* one.addMadeUpTransactions(40)
      yield* one.addMadeUpTransactions(10, { witness: false })
      const others = yield* other.addMadeUpTransactions(30)
      assert.isAbove([...one.state.mempool.entries()].filter(({ parents }) => parents.length > 0).length, 5)
      yield* mine(one)
      assert.strictEqual(tipOf(other), tipOf(one))
      assert.deepStrictEqual(waiting(one), [])
      assert.deepStrictEqual(waiting(other), others)
      yield* mine(other)
      assert.strictEqual(tipOf(one), tipOf(other))
      assert.strictEqual(one.state.chain.tip.transactionCount, 31)
    })
  )

  it.effect("get at once what the other has already, and agree on the longer branch", () =>
    Effect.gen(function* () {
      const [one, other] = yield* two
      yield* one.addMadeUpTransactions(3)
      for (let i = 0; i < 3; i++) yield* mine(one, 1n)
      for (let i = 0; i < 2; i++) yield* mine(other, 2n)
      const side = tipOf(other)
      yield* exchangeBlocks(one, other)
      assert.strictEqual(tipOf(other), tipOf(one))
      assert.isDefined(one.state.chain.get(side))
      assert.strictEqual(other.state.chain.tip.height, 3)
    })
  )

  it.effect("stop with the Scope", () =>
    Effect.gen(function* () {
      const [one, other] = yield* two
      yield* Effect.scoped(exchangeBlocks(one, other))
      yield* mine(one)
      assert.strictEqual(other.state.chain.tip.height, 0)
    })
  )

  it.effect("must begin with the same block", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* start("one"), yield* start("other", { bits: 0x1f00ffff })]
      const error = yield* Effect.flip(exchangeBlocks(one, other))
      assert.include(error.message, "the same bits and genesisTime")
    })
  )
})

describe("made-up transactions of two nodes", () => {
  it.effect("never spend the same, although both nodes count their coins from zero", () =>
    Effect.gen(function* () {
      const [one, other] = yield* two
      yield* one.addMadeUpTransactions(50)
      yield* other.addMadeUpTransactions(50)
      const outpoints = [one, other].flatMap(({ state }) =>
        [...state.mempool.entries()].flatMap(({ transaction }) =>
          transaction.inputs.map(({ previousIndex, previousTxid }) => `${display(previousTxid)}:${previousIndex}`)
        )
      )
      assert.strictEqual(new Set(outpoints).size, 100)
    })
  )

  it.effect("have no witness where none is wanted", () =>
    Effect.gen(function* () {
      const node = yield* start("one")
      yield* node.addMadeUpTransactions(5, { witness: false })
      assert.strictEqual(node.state.mempool.size, 5)
      for (const { transaction, txid, wtxid } of node.state.mempool.entries()) {
        assert.deepStrictEqual([transaction.witnesses, wtxid], [[], txid])
      }
    })
  )
})
