import { assert, describe, it } from "@effect/vitest"
import { NodeNotifications, NodeRefused, NodeUnreachable } from "@sluice/node"
import { Memory, Plain, Setup, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger, PubSub, Stream } from "effect"
import { TestClock } from "effect/testing"
import { TemplateProvider } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { connect } from "./test-client.ts"
import { templateAt } from "./templates.ts"
import { fakeWorld } from "./worlds.ts"

const settle = TestClock.adjust(0)

const health = Effect.gen(function* () {
  return (yield* (yield* TemplateProvider).stats).health
})

describe("at the start", () => {
  it.effect("a node on another chain is logged, and no template is sent", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* client.waiting, 0)
      const told = 'Warn getblockchaininfo: the node is on chain "regtest", and the provider is told to serve "main"'
      assert.isTrue(log.some((line) => line.startsWith(told)))
      node.info.chain = "main"
      yield* TestClock.adjust("10 seconds")
      yield* client.expectTip
    }).pipe(Effect.provide(fakeWorld({ chain: "main" }, { log })))
  })

  it.effect("a node that downloads the chain is waited for, and its progress logged", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      Object.assign(node.info, { blocks: 812_345, headers: 870_000, verificationprogress: 0.9312 })
      yield* node.setFailure(new NodeRefused({ code: -10, detail: "Bitcoin Core is in initial sync…" }))
      const client = yield* connect()
      yield* client.constrain()
      yield* TestClock.adjust("5 minutes")
      const told = log.filter((line) => /still downloading the chain: block 812345 of 870000, 93.12 %/.test(line))
      assert.isAtLeast(told.length, 2)
      assert.isAtMost(told.length, 12, "not at every try")
      yield* node.setFailure(undefined)
      yield* node.setTemplate(templateAt(100))
      yield* TestClock.adjust("10 seconds")
      yield* client.expectTip
    }).pipe(Effect.provide(fakeWorld({}, { log })))
  })

  it.effect("a node without peers is logged as such", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setFailure(new NodeRefused({ code: -9, detail: "Bitcoin Core is not connected!" }))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(log.some((line) => /no connection to other nodes yet/.test(line)))
    }).pipe(Effect.provide(fakeWorld({}, { log })))
  })

  it.effect("an old node gets a warning, and long polling without ZMQ is logged", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      node.settings.network = { version: 240_100, subversion: "/Satoshi:24.1.0/", connections: 1 }
      yield* node.setTemplate(templateAt(100))
      yield* settle
      assert.isTrue(log.some((line) => /^Warn .*Satoshi:24.1.0.*25 is the oldest/.test(line)))
      assert.isTrue(log.some((line) => line.startsWith("Info Without ZMQ")))
    }).pipe(Effect.provide(fakeWorld({}, { log })))
  })

  it.effect("a ZMQ endpoint where nothing publishes is named in the log, the others are not", () => {
    const log: Array<string> = []
    const endpoints = ["tcp://127.0.0.1:28332", "tcp://127.0.0.1:28333"]
    const notifications = Layer.succeed(NodeNotifications, {
      events: Stream.never,
      endpoints,
      isConnected: (endpoint) => endpoint === endpoints[0]
    })
    return Effect.gen(function* () {
      yield* (yield* FakeNode).setTemplate(templateAt(100))
      yield* TestClock.adjust("1 hour")
      const told = log.filter((line) => line.startsWith("Warn Nothing publishes at"))
      assert.strictEqual(told.length, 1)
      assert.include(told[0], "at tcp://127.0.0.1:28333: compare with getzmqnotifications")
    }).pipe(
      Effect.provide(
        TemplateProvider.layer().pipe(
          Layer.provide(Setup.server(TemplateListener)),
          Layer.provide(Plain.listener),
          Layer.provide(notifications),
          Layer.provideMerge(FakeNode.layer),
          Layer.provide(Memory.network()),
          Layer.provide(
            Logger.layer([Logger.make(({ logLevel, message }) => void log.push(`${logLevel} ${String(message)}`))])
          )
        )
      )
    )
  })

  it.effect("on a chain whose difficulty changes with the clock no template is sent ahead of a block", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      node.info.chain = "testnet4"
      yield* node.setTemplate(templateAt(2_400_000))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      yield* settle
      assert.strictEqual(yield* client.waiting, 0)
    }).pipe(Effect.provide(fakeWorld()))
  )
})

describe("clients are disconnected", () => {
  it.effect("when the node has given no template for long, after a warning, until it does again", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      yield* node.setFailure(new NodeUnreachable({ cause: "ECONNREFUSED" }))
      yield* node.setInfoFailure(new NodeUnreachable({ cause: "ECONNREFUSED" }))
      yield* TestClock.adjust("90 seconds")
      assert.strictEqual(yield* health, "well")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* health, "warning")
      assert.isTrue(log.some((line) => /^Warn The node has given no template for 2.\d minutes/.test(line)))
      yield* TestClock.adjust("8 minutes")
      yield* Effect.flip(client.next)
      assert.strictEqual(yield* health, "ill")
      assert.isTrue(log.some((line) => /^Error .*clients are disconnected/.test(line)))
      const early = yield* connect()
      yield* Effect.flip(early.next)

      yield* node.setInfoFailure(undefined)
      yield* node.setFailure(undefined)
      yield* node.setTemplate(templateAt(101))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* health, "well")
      const late = yield* connect()
      yield* late.constrain()
      yield* late.expectTip
    }).pipe(Effect.provide(fakeWorld({}, { log })))
  })

  it.effect("when the node does not validate the blocks that it knows of", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      node.info.headers = node.info.blocks + 10
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* health, "warning")
      yield* TestClock.adjust("4 minutes")
      yield* Effect.flip(client.next)
      node.info.blocks = node.info.headers
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* health, "well")
    }).pipe(Effect.provide(fakeWorld({ maxTemplateAge: "5 minutes" })))
  )

  it.effect("not because the node announced a block and gives no template for it soon", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      yield* PubSub.publish(node.pubsub, { _tag: "NewBlock", hash: new Uint8Array(32).fill(7) })
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(yield* health, "well")
      assert.strictEqual(yield* client.waiting, 0)
    }).pipe(Effect.provide(fakeWorld()))
  )
})
