import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Random, Stream } from "effect"
import { TestClock } from "effect/testing"
import { DEFAULT_BITS, DevNode, type DevNodeEvent, type DevNodeOptions, solveTemplate } from "../src/index.ts"
import { hashToDisplay } from "@sluice/bitcoin"
import { type NodeNotification, NodeNotifications, NodeRpc } from "@sluice/node"
import { buildPayment, display, EASY_BITS, NOW } from "@sluice/testing/blocks"

/** A node without transactions of its own, unless told. */
const quiet = (options: DevNodeOptions = {}) =>
  DevNode.layerInMemory({ bits: EASY_BITS, transactionsPerSecond: 0, ...options })

const mine = Effect.gen(function* () {
  const node = yield* DevNode
  const template = yield* node.getBlockTemplate()
  return yield* node.submitBlock(solveTemplate(template)!)
})

/** Forks a stream's consumer and waits until it is subscribed. */
const collect = Effect.fnUntraced(function* (count: number) {
  const node = yield* DevNode
  const subscription = yield* node.subscribe
  return yield* Stream.fromSubscription(subscription).pipe(Stream.take(count), Stream.runCollect, Effect.forkChild)
})

describe("the trickle", () => {
  it.effect("adds transactions at its rate, by the clock", () =>
    Effect.gen(function* () {
      const { state } = yield* DevNode
      yield* TestClock.adjust("10 seconds")
      // One at the start, then one each half second.
      assert.strictEqual(state.mempool.size, 21)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(state.mempool.size, 23)
    }).pipe(Effect.provide(DevNode.layer({ bits: EASY_BITS, transactionsPerSecond: 2 })))
  )

  it.effect("stops while the mempool is full, and goes on after a block", () =>
    Effect.gen(function* () {
      const { state } = yield* DevNode
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(state.mempool.size, 5)
      assert.isNull(yield* mine)
      assert.strictEqual(state.mempool.size, 0)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(state.mempool.size, 2)
    }).pipe(Effect.provide(DevNode.layer({ bits: EASY_BITS, transactionsPerSecond: 1, maxMempoolTransactions: 5 })))
  )

  it.effect("depends only on the seed", () =>
    Effect.gen(function* () {
      const run = (seed: string) =>
        Effect.gen(function* () {
          const { addMadeUpTransactions } = yield* DevNode
          return yield* addMadeUpTransactions(20)
        }).pipe(Effect.provide(quiet()), Random.withSeed(seed))
      const first = yield* run("a")
      assert.strictEqual(first.length, 20)
      assert.deepStrictEqual(yield* run("a"), first)
      assert.notDeepEqual(yield* run("b"), first)
    })
  )
})

describe("events", () => {
  it.effect("report transactions, valid and invalid blocks, and new tips", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const events = yield* collect(5)
      const payment = buildPayment({ seed: 1 })
      assert.isNull(yield* node.addTransaction(payment.bytes, 77n))
      const block = solveTemplate(yield* node.getBlockTemplate())!
      assert.isNull(yield* node.submitBlock(block))
      assert.strictEqual(yield* node.submitBlock(block), "duplicate")
      const { hash } = yield* node.tip
      const txid = display(payment.txid)
      const expected: ReadonlyArray<DevNodeEvent> = [
        { _tag: "TransactionAdded", txid, fee: 77n, mempoolSequence: 1n },
        { _tag: "BlockAccepted", hash, height: 1, txCount: 2, verdict: null },
        { _tag: "BlockConnected", hash, height: 1 },
        { _tag: "TipChanged", hash, height: 1 },
        { _tag: "BlockRejected", hash, verdict: "duplicate" }
      ]
      assert.deepStrictEqual(yield* Fiber.join(events), expected)
    }).pipe(Effect.provide(quiet()))
  )

  it.effect("drop the oldest ones for a subscriber that falls behind", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const subscription = yield* node.subscribe
      const txids = yield* node.addMadeUpTransactions(5_000)
      const events = yield* Stream.fromSubscription(subscription).pipe(Stream.take(4_096), Stream.runCollect)
      assert.deepStrictEqual(
        events.map((event) => event._tag === "TransactionAdded" && event.txid),
        txids.slice(-4_096)
      )
    }).pipe(Effect.provide(quiet({ maxMempoolTransactions: 5_000 })))
  )

  it.effect("do not report a refused transaction", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const events = yield* collect(2)
      const payment = buildPayment({ seed: 1 })
      yield* node.addTransaction(payment.bytes, 1n)
      assert.strictEqual(yield* node.addTransaction(payment.bytes, 1n), "txn-already-in-mempool")
      yield* node.addTransaction(buildPayment({ seed: 2 }).bytes, 2n)
      const fees = (yield* Fiber.join(events)).map((event) => event._tag === "TransactionAdded" && event.fee)
      assert.deepStrictEqual(fees, [1n, 2n])
    }).pipe(Effect.provide(quiet()))
  )
})

describe("bytes that are no block or transaction", () => {
  it.effect("are a typed failure", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const bytes = new Uint8Array(79)
      const errors = yield* Effect.all([
        Effect.flip(node.submitBlock(bytes)),
        Effect.flip(node.proposeBlock(bytes)),
        Effect.flip(node.addTransaction(bytes, 0n))
      ])
      for (const error of errors) assert.strictEqual(error._tag, "BlockDecodeError")
    }).pipe(Effect.provide(quiet()))
  )
})

describe("long polling", () => {
  const poll = Effect.gen(function* () {
    const node = yield* DevNode
    const { longpollid } = yield* node.getBlockTemplate()
    const fiber = yield* Effect.forkChild(node.getBlockTemplate({ longPollId: longpollid }))
    yield* TestClock.adjust(0)
    return fiber
  })
  const isWaiting = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.pollUnsafe() === undefined

  it.effect("answers a new tip at once", () =>
    Effect.gen(function* () {
      const fiber = yield* poll
      assert.isTrue(isWaiting(fiber))
      yield* mine
      const { height } = yield* Fiber.join(fiber)
      assert.strictEqual(height, 2)
    }).pipe(Effect.provide(quiet()))
  )

  it.effect("answers a changed mempool when the first check is due, and then with each further check", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const early = yield* poll
      yield* node.addMadeUpTransactions(1)
      yield* TestClock.adjust("59 seconds")
      assert.isTrue(isWaiting(early))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(early)).transactions.length, 1)

      const late = yield* poll
      yield* TestClock.adjust("65 seconds")
      yield* node.addMadeUpTransactions(1)
      yield* TestClock.adjust("4 seconds")
      assert.isTrue(isWaiting(late))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(late)).transactions.length, 2)
    }).pipe(Effect.provide(quiet({ longPollFirstCheck: "1 minute", longPollNextChecks: "10 seconds" })))
  )

  it.effect("waits for as long as nothing changes", () =>
    Effect.gen(function* () {
      const fiber = yield* poll
      yield* TestClock.adjust("1 hour")
      assert.isTrue(isWaiting(fiber))
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(quiet()))
  )

  it.effect("answers at once if the given tip is not the current one", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const { height } = yield* node.getBlockTemplate({ longPollId: `${"00".repeat(32)}0` })
      assert.strictEqual(height, 1)
    }).pipe(Effect.provide(quiet()))
  )

  it.effect.each([
    { longPollId: "abc", message: "longpollid must be of length 64 (not 3, for 'abc')" },
    { longPollId: "g".repeat(64), message: `longpollid must be hexadecimal string (not '${"g".repeat(64)}')` }
  ])("refuses an id like $longPollId", ({ longPollId, message }) =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const error = yield* Effect.flip(node.getBlockTemplate({ longPollId }))
      assert.deepInclude(error, { code: -8, message })
    }).pipe(Effect.provide(quiet()))
  )
})

describe("options", () => {
  it.effect.each([
    [{ bits: 0 }, "bits", "00000000"],
    [{ bits: 0x1e800000 }, "bits", "1e800000"],
    [{ bits: 0xff123456 }, "bits", "ff123456"],
    [{ bits: 1.5 }, "bits", "whole number"],
    [{ transactionsPerSecond: -1 }, "transactionsPerSecond", "from 0 to 1000"],
    [{ transactionsPerSecond: Number.NaN }, "transactionsPerSecond", "NaN"],
    [{ keepBlocks: 0 }, "keepBlocks", "from 1"],
    [{ genesisTime: 2 ** 32 }, "genesisTime", "4294967295"]
  ] as ReadonlyArray<[DevNodeOptions, string, string]>)("%j is refused", ([options, option, words]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(DevNode.layer(options))))
      assert.strictEqual(error.option, option)
      assert.include(error.message, words)
    })
  )

  it.effect("default to a difficulty of some seconds of a laptop's hashing", () =>
    Effect.gen(function* () {
      const { state } = yield* DevNode
      assert.strictEqual(state.chain.tip.header.bits, DEFAULT_BITS)
      const { target } = yield* (yield* DevNode).getBlockTemplate()
      const hashes = Number(2n ** 256n / (BigInt(`0x${target}`) + 1n))
      assert.isTrue(hashes > 3e6 && hashes < 6e6)
    }).pipe(Effect.provide(DevNode.layer()))
  )
})

describe("NodeRpc in memory", () => {
  it.effect("answers as the node over HTTP does", () =>
    Effect.gen(function* () {
      const rpc = yield* NodeRpc
      const node = yield* DevNode
      yield* TestClock.setTime(NOW * 1000)
      yield* node.addMadeUpTransactions(3)
      const template = yield* rpc.getBlockTemplate()
      assert.strictEqual(template.transactions.length, 3)
      assert.strictEqual((yield* rpc.getRawMempool).length, 3)
      const block = solveTemplate(template)!
      assert.isNull(yield* rpc.submitBlock(block))
      assert.strictEqual(yield* rpc.submitBlock(Buffer.from(block).toString("hex")), "duplicate")
      const hash = yield* rpc.getBestBlockHash
      const info = yield* rpc.getBlockchainInfo
      assert.deepInclude(info, { chain: "regtest", blocks: 1, bestblockhash: hash, initialblockdownload: false })
      const header = yield* rpc.getBlockHeader(hash)
      assert.deepInclude(header, { hash, height: 1, confirmations: 1, nTx: 4, time: NOW })
      const full = yield* rpc.getBlock(hash)
      assert.deepStrictEqual(
        full.tx.slice(1),
        template.transactions.map(({ txid }) => txid)
      )
      assert.deepInclude(yield* rpc.getMiningInfo, { blocks: 1, chain: "regtest", pooledtx: 0 })
    }).pipe(Effect.provide(quiet()))
  )

  it.effect("refuses with the node's codes", () =>
    Effect.gen(function* () {
      const rpc = yield* NodeRpc
      const code = <A>(call: Effect.Effect<A, { readonly reason: { readonly _tag: string } }>) =>
        Effect.map(Effect.flip(call), ({ reason }) => "code" in reason && reason.code)
      assert.strictEqual(yield* code(rpc.submitBlock("zz")), -22)
      assert.strictEqual(yield* code(rpc.submitBlock(new Uint8Array(3))), -22)
      assert.strictEqual(yield* code(rpc.getBlockHeader("00".repeat(32))), -5)
      assert.strictEqual(yield* code(rpc.getBlock("zz")), -8)
      assert.strictEqual(yield* code(rpc.getBlockTemplate({ longPollId: "zz" })), -8)
    }).pipe(Effect.provide(quiet()))
  )
})

describe("NodeNotifications in memory", () => {
  it.effect("miss no event after their first element", () =>
    Effect.gen(function* () {
      const { events } = yield* NodeNotifications
      const node = yield* DevNode
      const isConnected = yield* Deferred.make<void>()
      const fiber = yield* events.pipe(
        Stream.tap((event) => (event._tag === "Connected" ? Deferred.succeed(isConnected, undefined) : Effect.void)),
        Stream.take(4),
        Stream.runCollect,
        Effect.forkChild
      )
      yield* Deferred.await(isConnected)
      const [txid] = yield* node.addMadeUpTransactions(1)
      yield* mine
      const { hash } = yield* node.tip
      const shown = (event: NodeNotification) => ({
        _tag: event._tag,
        id: "hash" in event ? hashToDisplay(event.hash) : "txid" in event ? hashToDisplay(event.txid) : undefined
      })
      assert.deepStrictEqual((yield* Fiber.join(fiber)).map(shown), [
        { _tag: "Connected", id: undefined },
        { _tag: "TransactionAdded", id: txid },
        { _tag: "BlockConnected", id: hash },
        { _tag: "NewBlock", id: hash }
      ])
    }).pipe(Effect.provide(quiet()))
  )
})

describe("the end of the layer", () => {
  it.effect("ends the trickle", () =>
    Effect.gen(function* () {
      const { state } = yield* Effect.provide(DevNode, DevNode.layer({ bits: EASY_BITS, transactionsPerSecond: 10 }))
      const { size } = state.mempool
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(state.mempool.size, size)
    })
  )

  it.effect("ends the streams of events", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.gen(function* () {
        const node = yield* DevNode
        return yield* Effect.forkDetach(Stream.runDrain(node.events), { startImmediately: true })
      }).pipe(
        Effect.provide(quiet()),
        Effect.flatMap((fiber) => Fiber.await(fiber))
      )
      assert.isTrue(Exit.isSuccess(exit) || Exit.hasInterrupts(exit))
    })
  )
})
