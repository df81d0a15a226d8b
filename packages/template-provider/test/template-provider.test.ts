import { assert, describe, it } from "@effect/vitest"
import { type NodeNotification, NodeNotifications, NodeUnreachable, NodeWarmingUp } from "@sluice/node"
import { TemplateDistribution } from "@sluice/protocol"
import { setupFrame } from "@sluice/testing/setup-frame"
import { FrameDialer, TemplateDialer } from "@sluice/transport"
import { Effect, Fiber, Latch, Layer, PubSub, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { TemplateProvider, type TemplateProviderEvent } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { connect, MEMORY_SERVER } from "./test-client.ts"
import { RECORDED, templateAt } from "./templates.ts"
import { fakeWorld, providerOver } from "./worlds.ts"

const withValue = (gain: number, transactions = RECORDED.transactions) =>
  templateAt(100, { coinbasevalue: RECORDED.coinbasevalue + gain, longpollid: `value-${gain}`, transactions })

/** Lets every fiber come to rest. */
const settle = TestClock.adjust(0)

const collectEvents = Effect.gen(function* () {
  const events: Array<TemplateProviderEvent> = []
  const provider = yield* TemplateProvider
  yield* provider.events.pipe(
    Stream.runForEach((event) => Effect.sync(() => events.push(event))),
    Effect.forkScoped({ startImmediately: true })
  )
  return events
})

describe("a client", () => {
  it.effect("gets a future template and its SetNewPrevHash at once", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      const { prevHash, template } = yield* client.expectTip
      assert.isTrue(template.futureTemplate)
      assert.strictEqual(prevHash.templateId, template.templateId)
      assert.strictEqual(template.merklePath.length, 3)
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("that comes before the node answers gets its template when it does", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      const client = yield* connect()
      yield* client.constrain()
      yield* settle
      assert.strictEqual(yield* client.waiting, 0)
      yield* node.setTemplate(templateAt(100))
      yield* TestClock.adjust("1 minute")
      yield* client.expectTip
    }).pipe(Effect.provide(fakeWorld()))
  )

  for (const [name, message] of [
    ["RequestTransactionData", TemplateDistribution.RequestTransactionData.make({ templateId: 1n })],
    [
      "SubmitSolution",
      TemplateDistribution.SubmitSolution.make({
        templateId: 1n,
        version: 0,
        headerTimestamp: 0,
        headerNonce: 0,
        coinbaseTx: new Uint8Array(0)
      })
    ]
  ] as const) {
    it.effect(`whose first message is ${name} loses its connection, and others do not`, () =>
      Effect.gen(function* () {
        const node = yield* FakeNode
        yield* node.setTemplate(templateAt(100))
        const [wrong, right] = [yield* connect(), yield* connect()]
        yield* right.constrain()
        yield* right.expectTip
        yield* wrong.send([message])
        const error = yield* Effect.flip(wrong.next)
        assert.strictEqual(error._tag, "TransportError")
        yield* node.setTemplate(templateAt(101))
        yield* node.announce
        yield* right.expectTip
      }).pipe(Effect.provide(fakeWorld()))
    )
  }

  it.effect("that sends nothing loses its connection after a time, and one that sent something does not", () =>
    Effect.gen(function* () {
      const [silent, right] = [yield* connect(), yield* connect()]
      yield* right.constrain()
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual((yield* (yield* TemplateProvider).stats).clients, 1)
      yield* TestClock.adjust("1 seconds")
      yield* Effect.flip(silent.next)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* (yield* TemplateProvider).stats).clients, 1)
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("that asks for more room than a block has loses its connection", () =>
    Effect.gen(function* () {
      const client = yield* connect()
      yield* client.constrain(1_000_000)
      yield* Effect.flip(client.next)
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("that sets up its connection again loses it", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* (yield* FrameDialer).dial(MEMORY_SERVER)
      const constraints = { coinbaseOutputMaxAdditionalSize: 0, coinbaseOutputMaxAdditionalSigops: 0 }
      yield* client.write([
        setupFrame({ protocol: 2 }),
        TemplateDistribution.CoinbaseOutputConstraints.codec.encode(
          TemplateDistribution.CoinbaseOutputConstraints.make(constraints)
        )
      ])
      let received = 0
      while (received < 3) received += (yield* client.pull).length
      yield* client.write([setupFrame({ protocol: 2 })])
      yield* Effect.flip(client.pull)
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("that does not read gets only the newest messages, and delays nobody", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const dialer = yield* TemplateDialer
      const slow = yield* dialer.dial({ host: "memory", port: 1, security: { _tag: "plain" } })
      yield* slow.send([
        TemplateDistribution.CoinbaseOutputConstraints.make({
          coinbaseOutputMaxAdditionalSize: 0,
          coinbaseOutputMaxAdditionalSigops: 0
        })
      ])
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      for (let height = 101; height < 200; height++) {
        yield* node.setTemplate(templateAt(height))
        yield* node.announce
        const { prevHash } = yield* client.expectTip
        assert.strictEqual(prevHash.prevHash[0], height & 0xff)
      }
      const seen = yield* slow.receive.pipe(
        Stream.takeUntil((message) => message._tag === "SetNewPrevHash" && message.prevHash[0] === (199 & 0xff)),
        Stream.runCollect
      )
      assert.isBelow(seen.length, 50, "what was superseded before it was sent is not sent")
      assert.strictEqual(seen.at(-2)?._tag, "NewTemplate")
    }).pipe(Effect.provide(fakeWorld({}, { network: { capacity: 2_000 } })))
  )

  it.effect("is forgotten when it disconnects", () =>
    Effect.gen(function* () {
      const events = yield* collectEvents
      const provider = yield* TemplateProvider
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* connect()
          yield* client.constrain()
          yield* settle
          assert.strictEqual((yield* provider.stats).clients, 1)
        })
      )
      yield* settle
      assert.strictEqual((yield* provider.stats).clients, 0)
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["ClientConnected", "ClientDisconnected"]
      )
    }).pipe(Effect.provide(fakeWorld()))
  )
})

describe("a new block", () => {
  it.effect("is sent as soon as the node announces it", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      node.settings.longPolling = false
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      yield* node.setTemplate(templateAt(101))
      yield* node.announce
      const { template } = yield* client.expectTip
      assert.strictEqual(template.coinbaseTxLocktime, 100)
      const { latency } = yield* (yield* TemplateProvider).stats
      assert.strictEqual(latency.count, 1)
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("is sent by long polling if the node announces nothing", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      yield* settle
      yield* node.setTemplate(templateAt(101))
      yield* client.expectTip
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("makes us ask again if the node announces it before it builds on it", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      node.settings.longPolling = false
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      yield* PubSub.publish(node.pubsub, { _tag: "NewBlock", hash: new Uint8Array(32).fill(1) })
      yield* settle
      yield* node.setTemplate(templateAt(101, { previousblockhash: "01".repeat(32) }))
      yield* TestClock.adjust("1 seconds")
      yield* client.expectTip
    }).pipe(Effect.provide(fakeWorld()))
  )

  for (const notification of [
    { _tag: "Missed", topic: "hashblock", count: 1 },
    { _tag: "Connected" },
    { _tag: "BlockDisconnected", hash: new Uint8Array(32) }
  ] as const) {
    it.effect(`is looked for when announcements say ${notification._tag}`, () =>
      Effect.gen(function* () {
        const node = yield* FakeNode
        node.settings.longPolling = false
        yield* node.setTemplate(templateAt(100))
        const client = yield* connect()
        yield* client.constrain()
        yield* client.expectTip
        yield* node.setTemplate(templateAt(101))
        yield* PubSub.publish(node.pubsub, notification)
        yield* client.expectTip
      }).pipe(Effect.provide(fakeWorld()))
    )
  }
})

describe("a block that was not announced", () => {
  /** A node that the provider is connected to over ZMQ. */
  const connected = Layer.effect(
    NodeNotifications,
    Effect.map(FakeNode, ({ pubsub }) =>
      NodeNotifications.of({
        events: Stream.fromPubSub(pubsub),
        endpoints: ["tcp://127.0.0.1:28332"],
        isConnected: () => true
      })
    )
  ).pipe(Layer.provideMerge(FakeNode.layer))

  const warnings = (before: NodeNotification | undefined) => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      if (before !== undefined) yield* PubSub.publish(node.pubsub, before)
      yield* node.setTemplate(templateAt(99))
      yield* client.expectTip
      yield* TestClock.adjust("10 seconds")
      return log.filter((line) => line.includes("did not announce"))
    }).pipe(Effect.provide(providerOver(connected, undefined, { log })))
  }

  it.effect("causes a warning", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* warnings(undefined), 1)
    })
  )

  it.effect("causes no warning after blocks were taken back: nodes do not announce the tip that is left", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* warnings({ _tag: "BlockDisconnected", hash: new Uint8Array(32) }), 0)
    })
  )
})

describe("better fees", () => {
  it.effect("are sent after the interval as a template to work on at once", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(withValue(0))
      const client = yield* connect()
      yield* client.constrain()
      const { template } = yield* client.expectTip
      yield* node.setTemplate(withValue(5_000))
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual(yield* client.waiting, 0)
      yield* TestClock.adjust("2 seconds")
      const better = yield* client.expect("NewTemplate")
      assert.isFalse(better.futureTemplate)
      assert.isTrue(better.templateId > template.templateId)
      assert.strictEqual(better.coinbaseTxValueRemaining, template.coinbaseTxValueRemaining + 5_000n)
      yield* node.setTemplate(withValue(5_900))
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* client.waiting, 0, "900 satoshis are not worth a template")
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("keep to the delta and the interval that the operator chose", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(withValue(0))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      yield* node.setTemplate(withValue(1))
      yield* TestClock.adjust("3 seconds")
      yield* client.expect("NewTemplate")
    }).pipe(Effect.provide(fakeWorld({ feeDelta: 0n, interval: "2 seconds" })))
  )
})

describe("a node that is away", () => {
  it.effect("is asked again less and less often, and the clients stay", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      const events = yield* collectEvents
      yield* node.setFailure(new NodeUnreachable({ cause: "ECONNREFUSED" }))
      const client = yield* connect()
      yield* client.constrain()
      yield* TestClock.adjust("2 minutes")
      // 0.25, 0.5, 1, 2, 4 and then every 5 seconds.
      const failures = events.filter(({ _tag }) => _tag === "NodeUnavailable")
      assert.isAbove(failures.length, 20)
      assert.isBelow(failures.length, 32)
      assert.match((failures[0] as { message: string }).message, /getblocktemplate: the node at fake cannot be reached/)
      assert.isFalse((yield* (yield* TemplateProvider).stats).isNodeReachable)

      yield* node.setFailure(undefined)
      yield* node.setTemplate(templateAt(100))
      yield* TestClock.adjust("10 seconds")
      yield* client.expectTip
      assert.isTrue((yield* (yield* TemplateProvider).stats).isNodeReachable)
      assert.deepInclude(events, { _tag: "NodeReachable", height: 100 })
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("is noticed at once when it ends a long poll", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      yield* settle
      const provider = yield* TemplateProvider
      assert.isTrue((yield* provider.stats).isNodeReachable)
      yield* node.setFailure(new NodeUnreachable({ cause: "ECONNRESET" }))
      yield* settle
      assert.isFalse((yield* provider.stats).isNodeReachable)
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("and comes back without some transactions causes a template without them at once", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(withValue(0))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      const { transactions } = RECORDED
      // Nothing but the announcements tells: it was away for less than the time between two questions.
      yield* node.setTemplate(withValue(-700, transactions.slice(0, -1)))
      yield* PubSub.publish(node.pubsub, { _tag: "Disconnected" })
      yield* settle
      assert.strictEqual(yield* client.waiting, 0)
      yield* PubSub.publish(node.pubsub, { _tag: "Connected" })
      const first = yield* client.expect("NewTemplate")
      // A call finds it away.
      yield* node.setFailure(new NodeUnreachable({ cause: "ECONNREFUSED" }))
      yield* PubSub.publish(node.pubsub, { _tag: "Disconnected" })
      yield* settle
      yield* node.setFailure(undefined)
      yield* node.setTemplate(withValue(-1_400, transactions.slice(0, -2)))
      yield* TestClock.adjust("1 second")
      const second = yield* client.expect("NewTemplate")
      assert.deepStrictEqual([first.futureTemplate, second.futureTemplate], [false, false])
      assert.strictEqual(first.coinbaseTxValueRemaining - second.coinbaseTxValueRemaining, 700n)
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("may go and come back while clients work on", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      yield* node.setFailure(new NodeWarmingUp({ detail: "Loading block index…" }))
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* client.waiting, 0)
      yield* node.setFailure(undefined)
      yield* node.setTemplate(templateAt(101))
      yield* PubSub.publish(node.pubsub, { _tag: "Connected" })
      yield* client.expectTip
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("that gives a senseless answer is logged, and asked again", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      const events = yield* collectEvents
      yield* node.setTemplate(templateAt(100, { previousblockhash: "short" }))
      yield* TestClock.adjust("1 minute")
      assert.match((events[0] as { message: string }).message, /a hash has 64 hex digits/)
      yield* node.setTemplate(templateAt(100))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* (yield* TemplateProvider).stats).height, 100)
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("that answers long polls at once is polled once a second at most", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      yield* TestClock.adjust("1 minute")
      const { longPolls } = node.counts
      yield* node.setTemplate(templateAt(100, { longpollid: "changed" }))
      const busy = yield* Effect.forkChild(
        Effect.forever(
          Effect.suspend(() => node.setTemplate(templateAt(100, { longpollid: `${Math.random()}` }))).pipe(
            Effect.andThen(Effect.sleep(50))
          )
        )
      )
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(busy)
      assert.isBelow(node.counts.longPolls - longPolls, 15)
    }).pipe(Effect.provide(fakeWorld()))
  )
})

describe("a subscriber of events that does not keep up", () => {
  it.effect("loses only the oldest events, and delays nobody", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const provider = yield* TemplateProvider
      const heights: Array<number> = []
      const hold = yield* Latch.make(false)
      yield* provider.events.pipe(
        Stream.filter((event) => event._tag === "NewTemplate"),
        Stream.runForEach(({ height }) =>
          Effect.andThen(
            Effect.sync(() => heights.push(height)),
            hold.await
          )
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* settle
      assert.deepStrictEqual(heights, [100])
      const last = 100 + 1_500
      for (let height = 101; height <= last; height++) {
        yield* node.setTemplate(templateAt(height))
        yield* node.announce
        yield* settle
      }
      assert.strictEqual((yield* provider.stats).tipChanges, last - 99)
      yield* hold.open
      for (let round = 0; round < 100 && heights.at(-1) !== last; round++) yield* settle
      const [, ...kept] = heights
      const first = kept[0]!
      assert.isAbove(first, 101, "some are lost")
      assert.deepStrictEqual(
        kept,
        Array.from({ length: last + 1 - first }, (_, index) => first + index)
      )
      assert.isAtLeast(kept.length, 1_000)
    }).pipe(Effect.provide(fakeWorld()))
  )
})

describe("RequestTransactionData", () => {
  it.effect("is answered on the same connection, also for an unknown template", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      const { template } = yield* client.expectTip
      const ask = (templateId: bigint) =>
        client.send([TemplateDistribution.RequestTransactionData.make({ templateId })])
      yield* ask(template.templateId)
      const { transactionList } = yield* client.expect("RequestTransactionData.Success")
      assert.deepStrictEqual(
        transactionList.map((bytes) => Buffer.from(bytes).toString("hex")),
        RECORDED.transactions.map(({ data }) => data)
      )
      yield* ask(template.templateId + 1n)
      assert.strictEqual((yield* client.expect("RequestTransactionData.Error")).errorCode, "template-id-not-found")
      yield* node.setTemplate(templateAt(101))
      yield* node.announce
      yield* client.expectTip
      yield* ask(template.templateId)
      assert.strictEqual((yield* client.expect("RequestTransactionData.Error")).errorCode, "stale-template-id")
    }).pipe(Effect.provide(fakeWorld()))
  )
})

describe("any client", () => {
  it.effect.prop(
    "may send anything: the provider keeps serving the others",
    [Schema.Array(TemplateDistribution.protocol.toServer.schema)],
    ([messages]) => {
      const log: Array<string> = []
      return Effect.gen(function* () {
        const node = yield* FakeNode
        yield* node.setTemplate(templateAt(100))
        const [wild, right] = [yield* connect(), yield* connect()]
        yield* right.constrain()
        yield* right.expectTip
        for (const message of messages) yield* Effect.ignore(wild.send([message]))
        yield* Effect.ignore(wild.constrain())
        yield* settle
        yield* node.setTemplate(templateAt(101))
        yield* node.announce
        yield* right.expectTip
        assert.deepStrictEqual(
          log.filter((line) => line.includes("defect")),
          []
        )
      }).pipe(Effect.provide(fakeWorld({}, { log })), Effect.scoped)
    }
  )
})
