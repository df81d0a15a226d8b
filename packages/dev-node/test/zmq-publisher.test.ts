import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { Subscriber } from "zeromq"
import { DevNode, solveTemplate, ZmqPublisher } from "../src/index.ts"
import { hashFromDisplay, hashToDisplay, parseBlock } from "@sluice/bitcoin"
import { type NodeNotification, NodeNotifications, NodeNotificationsZmq } from "@sluice/node"
import { buildBlock, buildCoinbase, buildTransaction, display, EASY_BITS } from "@sluice/testing/blocks"
import { faucetTxid } from "../src/chain/coins.ts"

const publishing = (endpoint = "tcp://127.0.0.1:*") =>
  ZmqPublisher.layer(endpoint).pipe(
    Layer.provideMerge(DevNode.layer({ bits: EASY_BITS, transactionsPerSecond: 0, maxMempoolTransactions: 10_000 }))
  )

const mine = (extranonce: bigint) =>
  Effect.gen(function* () {
    const node = yield* DevNode
    const block = solveTemplate(yield* node.getBlockTemplate(), { extranonce })!
    assert.isNull(yield* node.submitBlock(block))
    return { block, hash: (yield* node.tip).hash }
  })

interface Message {
  readonly topic: string
  readonly body: string
  readonly count: number
}

/**
 * All messages from the first that comes after the subscription is known to the publisher: transactions are added until
 * one is announced, and those that are announced are passed over.
 */
const listen = Effect.gen(function* () {
  const { endpoint } = yield* ZmqPublisher
  const node = yield* DevNode
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => new Subscriber({ linger: 0 })),
    (socket) => Effect.sync(() => socket.close())
  )
  socket.connect(endpoint)
  socket.subscribe()
  const receive = Effect.promise(async (): Promise<Message> => {
    const [topic, body, counter, ...more] = await socket.receive()
    assert.deepStrictEqual([counter!.length, more], [4, []])
    return { topic: topic!.toString(), body: body!.toString("hex"), count: counter!.readUInt32LE() }
  })
  const first = yield* Effect.forkChild(receive, { startImmediately: true })
  yield* node
    .addMadeUpTransactions(1)
    .pipe(Effect.andThen(Effect.sleep(10)), Effect.forever, Effect.race(Fiber.join(first)))
  // The last of the transactions is known by its number in the mempool.
  const last = node.state.mempool.sequence - 1n
  const isLast = ({ body, topic }: Message): boolean =>
    topic === "sequence" && Buffer.from(body, "hex").readBigUInt64LE(33) === last
  const passOver = Effect.gen(function* () {
    const message = yield* receive
    return isLast(message) ? message : yield* Effect.suspend((): Effect.Effect<Message> => passOver)
  })
  const { count } = yield* passOver
  return { receive, next: count + 1 }
})

describe("the publisher", () => {
  it.live("announces transactions and blocks in Bitcoin Core's frames, with a count for each topic", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const { next, receive } = yield* listen
      const take = (count: number) => Effect.all(Array.from({ length: count }, () => receive))
      const [txid] = yield* node.addMadeUpTransactions(1)
      const sequence = Buffer.alloc(8)
      sequence.writeBigUInt64LE(node.state.mempool.sequence - 1n)
      assert.deepStrictEqual(yield* take(2), [
        { topic: "hashtx", body: txid!, count: next },
        { topic: "sequence", body: `${txid}41${sequence.toString("hex")}`, count: next }
      ])

      const { block, hash } = yield* mine(0n)
      const transactions = node.state.chain.tip.block!.transactions.map(({ txid }) => hashToDisplay(txid))
      assert.deepStrictEqual(yield* take(transactions.length + 3), [
        ...transactions.map((body, index) => ({ topic: "hashtx", body, count: next + 1 + index })),
        { topic: "sequence", body: `${hash}43`, count: next + 1 },
        { topic: "hashblock", body: hash, count: 0 },
        { topic: "rawblock", body: Buffer.from(block).toString("hex"), count: 0 }
      ])
    }).pipe(Effect.provide(publishing()))
  )

  it.live("announces the blocks that a reorganization disconnects", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const { receive } = yield* listen
      // Another node of the same chain makes the longer branch.
      const branch = yield* Effect.all([mine(7n), mine(8n)]).pipe(
        Effect.provide(DevNode.layer({ bits: EASY_BITS, transactionsPerSecond: 0 }))
      )
      const { block, hash: left } = yield* mine(0n)
      const txids = parseBlock(block).transactions.map(({ txid }) => hashToDisplay(txid))
      for (const { block } of branch) yield* node.submitBlock(block)
      const [first, second] = branch.map(({ hash }) => hash)
      const labelled = (hash: string | undefined, label: string): string =>
        `${hash}${Buffer.from(label).toString("hex")}`
      const expected = [labelled(left, "C"), labelled(left, "D"), labelled(first, "C"), labelled(second, "C")]
      const seen: Array<string> = []
      let hashes: Array<string> = []
      while (seen.length < expected.length) {
        const { body, topic } = yield* receive
        if (topic === "hashtx") hashes.push(body)
        if (topic !== "sequence") continue
        if (body.length === 66) {
          seen.push(body)
          // The transactions of the block that leaves are told as those of one that comes.
          if (seen.length <= 2) assert.deepStrictEqual(hashes, txids)
        }
        hashes = []
      }
      assert.deepStrictEqual(seen, expected)
    }).pipe(Effect.provide(publishing()))
  )

  it.live("announces a transaction that a block displaces, with label R before the block", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const { receive } = yield* listen
      const spend = (note: number) =>
        buildTransaction({
          inputs: [{ txid: faucetTxid({ value: 50_000n, witness: false, serial: new Uint8Array(12) }), index: 0 }],
          outputs: [{ value: 50_000n, script: new Uint8Array([0x51]) }],
          lockTime: note
        })
      const [displaced, rival] = [spend(1), spend(2)]
      assert.isNull(yield* node.addTransaction(displaced.bytes, 0n))
      const number = node.state.mempool.sequence
      const { chain } = node.state
      const coinbase = buildCoinbase({ height: 1, value: 0n, others: [rival] })
      const block = buildBlock({
        previousHash: chain.tip.hash,
        time: chain.tip.header.time + 1,
        transactions: [coinbase, rival]
      })
      assert.isNull(yield* node.submitBlock(block))
      const sequence = Buffer.alloc(8)
      sequence.writeBigUInt64LE(number)
      const bodies: Array<string> = []
      while (bodies.length < 3) {
        const { body, topic } = yield* receive
        if (topic === "sequence") bodies.push(body)
      }
      assert.deepStrictEqual(bodies.slice(1), [
        `${display(displaced.txid)}52${sequence.toString("hex")}`,
        `${chain.tip.id}43`
      ])
    }).pipe(Effect.provide(publishing()))
  )

  it.live("is understood by NodeNotifications", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* ZmqPublisher
      yield* Effect.gen(function* () {
        const { events } = yield* NodeNotifications
        const node = yield* DevNode
        const isHeard = yield* Deferred.make<void>()
        const seen: Array<NodeNotification> = []
        const fiber = yield* events.pipe(
          Stream.tap((event) =>
            event._tag === "TransactionAdded" ? Deferred.succeed(isHeard, undefined) : Effect.void
          ),
          Stream.filter(({ _tag }) => _tag === "NewBlock" || _tag === "BlockConnected" || _tag === "Missed"),
          Stream.take(2),
          Stream.runForEach((event) => Effect.sync(() => seen.push(event))),
          Effect.forkChild({ startImmediately: true })
        )
        yield* node
          .addMadeUpTransactions(1)
          .pipe(Effect.andThen(Effect.sleep(10)), Effect.forever, Effect.race(Deferred.await(isHeard)))
        const hash = hashFromDisplay((yield* mine(0n)).hash)
        yield* Fiber.join(fiber)
        // The two topics may overtake each other on their way.
        assert.sameDeepMembers(seen, [
          { _tag: "BlockConnected", hash },
          { _tag: "NewBlock", hash }
        ])
      }).pipe(Effect.provide(NodeNotificationsZmq.layer(endpoint)))
    }).pipe(Effect.provide(publishing()))
  )

  it.live("lists its topics in getzmqnotifications while it runs", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const endpoint = yield* Effect.gen(function* () {
        const { endpoint } = yield* ZmqPublisher
        const advertised = yield* node.advertised
        assert.deepStrictEqual(
          advertised.map(({ type }) => type),
          ["pubhashblock", "pubhashtx", "pubrawblock", "pubsequence"]
        )
        for (const { address } of advertised) assert.strictEqual(address, endpoint)
        return endpoint
      }).pipe(Effect.provide(ZmqPublisher.layer("tcp://127.0.0.1:*")))
      assert.match(endpoint, /^tcp:\/\/127\.0\.0\.1:\d+$/)
      assert.deepStrictEqual(yield* node.advertised, [])
    }).pipe(Effect.provide(DevNode.layer({ bits: EASY_BITS, transactionsPerSecond: 0 })))
  )

  it.live("fails with the reason when it cannot listen", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* ZmqPublisher
      const failure = (endpoint: string) =>
        Effect.flip(Effect.scoped(Layer.build(ZmqPublisher.layer(endpoint)))).pipe(Effect.map(({ message }) => message))
      assert.include(yield* failure(endpoint), `cannot publish at the ZMQ endpoint "${endpoint}"`)
      assert.include(yield* failure("127.0.0.1:5"), "for instance tcp://127.0.0.1:28332")
    }).pipe(Effect.provide(publishing()))
  )
})
