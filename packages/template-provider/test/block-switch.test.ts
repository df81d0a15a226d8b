import { assert, describe, it } from "@effect/vitest"
import { doubleSha256, hashFromDisplay, hashToDisplay, serializeHeader } from "@sluice/bitcoin"
import { DevNode, type DevNodeOptions, solveTemplate } from "@sluice/dev-node"
import { type BlockTemplate, NodeRpc } from "@sluice/node"
import { hex } from "@scure/base"
import { type Device, Memory, Plain, Setup, TemplateDialer, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger, PubSub, Stream } from "effect"
import { TestClock } from "effect/testing"
import { subsidyBehind } from "../src/provider/templates/next-block.ts"
import {
  type NextBlockHeader,
  TemplateProvider,
  type TemplateProviderEvent,
  type TemplateProviderOptions
} from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { dialerWith } from "@sluice/testing/bound-setup"
import { solve } from "@sluice/testing/solution"
import { connect } from "./test-client.ts"
import { RECORDED, SUBSIDY, templateAt } from "./templates.ts"

const layer = (options?: TemplateProviderOptions, device: Partial<Device> = { vendor: "Some pool" }) =>
  Layer.mergeAll(
    TemplateProvider.layer(options).pipe(
      Layer.provide(Setup.server(TemplateListener)),
      Layer.provide(Plain.listener),
      Layer.provideMerge(FakeNode.layer)
    ),
    dialerWith(TemplateDialer, { device }).pipe(Layer.provide(Plain.dialer))
  ).pipe(Layer.provide(Memory.network()), Layer.provide(Logger.layer([])))

/** A height at which the recorded subsidy is right, and no change of the difficulty near. */
const HEIGHT = 2_400_000
const FEES = RECORDED.coinbasevalue - SUBSIDY

/** The header of the block that `template` is one for. */
const headerFor = (template: BlockTemplate, changes: Partial<NextBlockHeader> = {}): NextBlockHeader => ({
  hash: (template.height + 1).toString(16).padStart(64, "0"),
  previousblockhash: template.previousblockhash,
  height: template.height,
  bits: template.bits,
  mediantime: template.mintime + 100,
  confirmations: 1,
  ...changes
})

/** A client that has the template of a height and the one ahead of it, over a node that answers no template any more. */
const holding = Effect.fnUntraced(function* (height = HEIGHT, changes: Partial<BlockTemplate> = {}) {
  const node = yield* FakeNode
  node.settings.longPolling = false
  const template = templateAt(height, changes)
  yield* node.setTemplate(template)
  const client = yield* connect()
  yield* client.constrain()
  const tip = yield* client.expectTip
  const announce = Effect.fnUntraced(function* (header: NextBlockHeader) {
    node.headers.set(header.hash, header)
    yield* PubSub.publish(node.pubsub, { _tag: "NewBlock", hash: hex.decode(header.hash).toReversed() })
  })
  return { node, client, template, tip, announce }
})

const settle = TestClock.adjust(0)

describe("ahead of a block, each client", () => {
  it.effect("holds a future template of the next height: the subsidy, no transactions", () =>
    Effect.gen(function* () {
      const { client, tip } = yield* holding()
      const ahead = yield* client.expect("NewTemplate")
      assert.isTrue(ahead.futureTemplate)
      assert.isTrue(ahead.templateId > tip.template.templateId)
      assert.deepStrictEqual(ahead.merklePath, [])
      assert.strictEqual(ahead.coinbaseTxValueRemaining, BigInt(SUBSIDY))
      assert.strictEqual(tip.template.coinbaseTxValueRemaining, BigInt(SUBSIDY + FEES))
      assert.strictEqual(ahead.coinbaseTxLocktime, HEIGHT)
      assert.strictEqual(hex.encode(ahead.coinbasePrefix), "03019f24", "height 2,400,001")
      assert.strictEqual(yield* client.waiting, 0)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("shares it with the other clients, also with those that other transactions fit", () =>
    Effect.gen(function* () {
      const { client } = yield* holding()
      const first = yield* client.expect("NewTemplate")
      const node = yield* FakeNode
      const other = yield* connect()
      yield* other.constrain(999_600)
      yield* other.expectTip
      const own = yield* other.expect("NewTemplate")
      assert.isTrue(own.templateId > first.templateId, "numbers only grow for a client")
      yield* node.setTemplate(templateAt(HEIGHT + 1))
      yield* node.announce
      yield* client.expectTip
      yield* other.expectTip
      const [a, b] = [yield* client.expect("NewTemplate"), yield* other.expect("NewTemplate")]
      assert.strictEqual(a.templateId, b.templateId)
    }).pipe(Effect.provide(layer()))
  )

  for (const [what, height, changes] of [
    ["the difficulty is adjusted", 2016 * 1200 - 1, {}],
    ["the subsidy halves", 12 * 210_000 - 1, {}],
    ["the subsidy may halve or not", 149, { coinbasevalue: 5_000_000_000 + FEES }],
    ["the subsidy follows no schedule that we know", HEIGHT, { coinbasevalue: 3_000_000_000 + FEES }]
  ] as const) {
    it.effect(`holds none where ${what}, and gets the node's template when the block is there`, () =>
      Effect.gen(function* () {
        const { announce, client, node, template } = yield* holding(height, changes)
        yield* settle
        assert.strictEqual(yield* client.waiting, 0)
        const header = headerFor(template)
        yield* node.setTemplate(templateAt(height + 1, { previousblockhash: header.hash }))
        yield* announce(header)
        const { template: full } = yield* client.expectTip
        assert.isAbove(full.merklePath.length, 0)
        assert.deepStrictEqual(node.asked, [])
      }).pipe(Effect.provide(layer()))
    )
  }

  it.effect("is switched together with 119 others, with one template for all that need the same room", () =>
    Effect.gen(function* () {
      const { announce, client, node, template } = yield* holding()
      const others = yield* Effect.forEach(
        Array.from({ length: 119 }, (_, index) => index),
        Effect.fnUntraced(function* (index) {
          const each = yield* connect()
          yield* each.constrain((index % 3) * 300_000)
          yield* each.expectTip
          return each
        })
      )
      const clients = [client, ...others]
      const header = headerFor(template)
      yield* announce(header)
      const switched = yield* Effect.forEach(clients, ({ expectTip }) => expectTip)
      for (const { prevHash, template: empty } of switched) {
        assert.strictEqual(hex.encode(prevHash.prevHash.toReversed()), header.hash)
        assert.strictEqual(empty.merklePath.length, 0)
      }
      yield* node.setTemplate(templateAt(HEIGHT + 1, { previousblockhash: header.hash }))
      yield* TestClock.adjust("1 second")
      const full = yield* Effect.forEach(clients, ({ expect }) => expect("NewTemplate"))
      // 1.2 million weight units for a coinbase leave all of the recorded transactions in.
      assert.strictEqual(new Set(full.map(({ templateId }) => templateId)).size, 1)
      assert.strictEqual((yield* (yield* TemplateProvider).stats).clients, 120)
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "holds none if its SetupConnection names no device, and gets both messages when the block is announced",
    () =>
      Effect.gen(function* () {
        const { announce, client, node, template } = yield* holding()
        yield* settle
        assert.strictEqual(yield* client.waiting, 0, "the last future template is the one that SetNewPrevHash named")
        const header = headerFor(template)
        yield* announce(header)
        const { template: empty, prevHash } = yield* client.expectTip
        assert.strictEqual(hex.encode(prevHash.prevHash.toReversed()), header.hash)
        assert.strictEqual(empty.coinbaseTxLocktime, HEIGHT)
        assert.deepStrictEqual(empty.merklePath, [])
        yield* settle
        assert.strictEqual(yield* client.waiting, 0)
        yield* node.setTemplate(templateAt(HEIGHT + 1, { previousblockhash: header.hash }))
        yield* TestClock.adjust("1 second")
        const full = yield* client.expect("NewTemplate")
        assert.isFalse(full.futureTemplate)
        assert.isAbove(full.merklePath.length, 0)
        assert.strictEqual(yield* client.waiting, 0)
      }).pipe(Effect.provide(layer(undefined, { vendor: "", hardwareVersion: "", firmware: "", deviceId: "" })))
  )

  it.effect("holds none if the operator wants none", () =>
    Effect.gen(function* () {
      const { announce, client, node, template } = yield* holding()
      const header = headerFor(template)
      yield* announce(header)
      yield* settle
      assert.strictEqual(yield* client.waiting, 0)
      yield* node.setTemplate(templateAt(HEIGHT + 1, { previousblockhash: header.hash }))
      yield* TestClock.adjust("1 second")
      yield* client.expectTip
      yield* settle
      assert.strictEqual(yield* client.waiting, 0)
      assert.deepStrictEqual(node.asked, [])
    }).pipe(Effect.provide(layer({ emptyTemplates: false })))
  )
})

describe("a block that extends the tip", () => {
  it.effect("sends SetNewPrevHash before the node is asked for a template", () =>
    Effect.gen(function* () {
      const { announce, client, node, template } = yield* holding()
      const ahead = yield* client.expect("NewTemplate")
      const { polls } = node.counts
      const header = headerFor(template)
      yield* announce(header)
      const prevHash = yield* client.expect("SetNewPrevHash")
      assert.strictEqual(prevHash.templateId, ahead.templateId)
      assert.strictEqual(hex.encode(prevHash.prevHash.toReversed()), header.hash)
      assert.strictEqual(prevHash.nbits, Number.parseInt(template.bits, 16))
      assert.isAtLeast(prevHash.headerTimestamp, header.mediantime + 1)
      const next = yield* client.expect("NewTemplate")
      assert.isTrue(next.futureTemplate, "the one for the block behind it")
      assert.strictEqual(next.coinbaseTxLocktime, HEIGHT + 1)
      assert.strictEqual(yield* client.waiting, 0)
      assert.isAtMost(node.counts.polls - polls, 1)

      yield* node.setTemplate(templateAt(HEIGHT + 1, { previousblockhash: header.hash }))
      yield* TestClock.adjust("1 second")
      const full = yield* client.expect("NewTemplate")
      assert.isFalse(full.futureTemplate, "it is for the previous hash in force")
      assert.strictEqual(full.coinbaseTxValueRemaining, BigInt(RECORDED.coinbasevalue))
      assert.isTrue(full.templateId > next.templateId)
      assert.strictEqual((yield* (yield* TemplateProvider).stats).latency.count, 1)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("may be followed by another at once", () =>
    Effect.gen(function* () {
      const { announce, client, template } = yield* holding()
      yield* client.expect("NewTemplate")
      const first = headerFor(template)
      const second = headerFor(templateAt(HEIGHT + 1, { previousblockhash: first.hash }))
      yield* announce(first)
      yield* client.expectTip
      yield* announce(second)
      const { template: empty, prevHash } = yield* client.expectTip
      assert.strictEqual(hex.encode(prevHash.prevHash.toReversed()), second.hash)
      assert.strictEqual(empty.coinbaseTxLocktime, HEIGHT + 1)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("is undone by a node that never builds on it, but not by one that does not build on it yet", () =>
    Effect.gen(function* () {
      const { announce, client, template, tip } = yield* holding()
      yield* client.expect("NewTemplate")
      yield* announce(headerFor(template))
      yield* client.expectTip
      yield* client.expect("NewTemplate")
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* client.waiting, 0)
      yield* TestClock.adjust("40 seconds")
      const { prevHash } = yield* client.expectTip
      assert.deepStrictEqual(prevHash.prevHash, tip.prevHash.prevHash)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("needs no second template if the node has no transactions either", () =>
    Effect.gen(function* () {
      const { default_witness_commitment: _, ...bare } = templateAt(HEIGHT)
      const { announce, client, node, template } = yield* holding()
      yield* client.expect("NewTemplate")
      const header = headerFor(template)
      const empty = { ...bare, height: HEIGHT + 1, previousblockhash: header.hash, transactions: [] }
      yield* node.setTemplate({ ...empty, coinbasevalue: SUBSIDY, longpollid: "empty" })
      yield* announce(header)
      yield* client.expectTip
      yield* client.expect("NewTemplate")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* client.waiting, 0)
      assert.strictEqual((yield* (yield* TemplateProvider).stats).height, HEIGHT + 1)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("sends both messages, in order, to a client that has not read the template ahead", () =>
    Effect.gen(function* () {
      const { announce, client, template } = yield* holding()
      // Nothing of it was read: the client's connection has both waiting.
      const slow = yield* connect()
      yield* slow.constrain()
      yield* announce(headerFor(template))
      yield* settle
      const { template: named } = yield* slow.expectTip.pipe(Effect.andThen(slow.expectTip))
      assert.strictEqual(named.coinbaseTxLocktime, HEIGHT)
      yield* client.expectTip
    }).pipe(Effect.provide(layer()))
  )
})

describe("a block that is announced with its header", () => {
  const announceWhole = Effect.fnUntraced(function* (template: BlockTemplate, time: number) {
    const node = yield* FakeNode
    const header = serializeHeader({
      version: template.version,
      previousHash: hashFromDisplay(template.previousblockhash),
      merkleRoot: new Uint8Array(32),
      time,
      bits: Number.parseInt(template.bits, 16),
      nonce: 0
    })
    const hash = doubleSha256(header)
    yield* PubSub.publish(node.pubsub, { _tag: "NewBlock", hash, header })
    return hashToDisplay(hash)
  })

  it.effect("needs no call to the node once the times of the blocks before it are known", () =>
    Effect.gen(function* () {
      const { client, node, template } = yield* holding()
      yield* client.expect("NewTemplate")
      // Eleven blocks up to the tip, a minute apart, ahead of the clock.
      const ahead = template.curtime + 100_000
      let hash = template.previousblockhash
      for (let back = 0; back < 12; back++) {
        const previousblockhash = (0xaa00 + back).toString(16).padStart(64, "0")
        node.headers.set(hash, { ...headerFor(template), hash, previousblockhash, time: ahead - back * 60 })
        hash = previousblockhash
      }
      const first = yield* announceWhole(template, ahead + 60)
      const second = templateAt(HEIGHT + 1, { previousblockhash: first })
      yield* node.setTemplate(second)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* client.expectTip).prevHash.templateId > 0n, true)
      const asked = node.asked.length
      // The first one told that the node publishes whole blocks, so the times were asked for behind it.
      node.headers.set(first, { ...headerFor(template), hash: first, time: ahead + 60 })
      yield* TestClock.adjust("1 minute")
      assert.isAbove(node.asked.length, asked)
      const askedAll = node.asked.length
      const { polls } = node.counts
      const third = yield* announceWhole(second, ahead + 120)
      const { prevHash } = yield* client.expectTip
      assert.strictEqual(hex.encode(prevHash.prevHash.toReversed()), third)
      assert.strictEqual(prevHash.headerTimestamp, ahead + 120 - 5 * 60 + 1, "the median of eleven, and one second")
      assert.strictEqual(node.asked.length, askedAll)
      yield* node.setTemplate(templateAt(HEIGHT + 2, { previousblockhash: third }))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(node.counts.polls, polls + 1)
    }).pipe(Effect.provide(layer()))
  )
})

describe("a block that is announced twice, without its header and then with it", () => {
  /** The block of a template, as the topic `rawblock` announces it; the node knows its header too. */
  const whole = Effect.fnUntraced(function* (of: BlockTemplate) {
    const node = yield* FakeNode
    const time = of.curtime + 60
    const header = serializeHeader({
      version: of.version,
      previousHash: hashFromDisplay(of.previousblockhash),
      merkleRoot: new Uint8Array(32),
      time,
      bits: Number.parseInt(of.bits, 16),
      nonce: 0
    })
    const hash = doubleSha256(header)
    const next = templateAt(of.height + 1, { previousblockhash: hashToDisplay(hash) })
    node.headers.set(next.previousblockhash, { ...headerFor(of), hash: next.previousblockhash, time })
    return { block: { _tag: "NewBlock", hash, header }, connected: { _tag: "BlockConnected", hash }, next } as const
  })

  /** Behind the first whole block, after which the times of the blocks before it are known. */
  const afterWhole = Effect.gen(function* () {
    const { client, node, template } = yield* holding()
    yield* client.expect("NewTemplate")
    for (let back = 0, hash = template.previousblockhash; back < 12; back++) {
      const previousblockhash = (0xaa00 + back).toString(16).padStart(64, "0")
      node.headers.set(hash, { ...headerFor(template), hash, previousblockhash, time: template.curtime - back * 60 })
      hash = previousblockhash
    }
    const { block, next } = yield* whole(template)
    yield* PubSub.publish(node.pubsub, block)
    yield* node.setTemplate(next)
    yield* TestClock.adjust("1 minute")
    yield* client.expectTip
    node.settings.headerDelayMs = 10
    return { client, node, template: next }
  })

  it.effect("causes one call for a template, not two", () =>
    Effect.gen(function* () {
      const { client, node, template } = yield* afterWhole
      const { block, connected, next } = yield* whole(template)
      const { polls } = node.counts
      yield* node.setTemplate(next)
      yield* PubSub.publish(node.pubsub, connected)
      yield* settle
      assert.strictEqual(yield* client.waiting, 2, "as before: the header is not there yet")
      yield* PubSub.publish(node.pubsub, block)
      yield* client.expectTip
      yield* TestClock.adjust("1 second")
      assert.strictEqual(node.counts.polls, polls + 1)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("causes no call for its header if the last raw block came before the answer to such a call", () =>
    Effect.gen(function* () {
      const { client, node, template } = yield* afterWhole
      const first = yield* whole(template)
      const asked = node.asked.length
      yield* PubSub.publish(node.pubsub, first.connected)
      yield* settle
      assert.strictEqual(node.asked.length, asked + 1, "it may be the faster way")
      yield* PubSub.publish(node.pubsub, first.block)
      yield* node.setTemplate(first.next)
      yield* TestClock.adjust("1 minute")
      yield* client.expectTip

      const second = yield* whole(first.next)
      const askedLater = node.asked.length
      yield* PubSub.publish(node.pubsub, second.connected)
      yield* settle
      yield* PubSub.publish(node.pubsub, second.block)
      yield* node.setTemplate(second.next)
      yield* TestClock.adjust("1 second")
      yield* client.expectTip
      assert.strictEqual(node.asked.length, askedLater)

      const third = yield* whole(second.next)
      yield* PubSub.publish(node.pubsub, third.connected)
      yield* settle
      assert.strictEqual(node.asked.length, askedLater)
      yield* TestClock.adjust("2 millis")
      assert.strictEqual(node.asked.length, askedLater + 1, "the whole block does not come")
      yield* TestClock.adjust("10 millis")
      const { prevHash } = yield* client.expectTip
      assert.strictEqual(hex.encode(prevHash.prevHash.toReversed()), third.next.previousblockhash)
    }).pipe(Effect.provide(layer()))
  )
})

describe("a block goes the slow way", () => {
  const slowly = (name: string, changes: Partial<NextBlockHeader>) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const { announce, client, node, template } = yield* holding()
        yield* client.expect("NewTemplate")
        const header = headerFor(template, changes)
        yield* announce(header)
        yield* settle
        assert.strictEqual(yield* client.waiting, 0)
        yield* node.setTemplate(templateAt(header.height + 1, { previousblockhash: header.hash }))
        yield* TestClock.adjust("1 second")
        const { template: full } = yield* client.expectTip
        assert.isAbove(full.merklePath.length, 0)
      }).pipe(Effect.provide(layer()))
    )

  slowly("if it extends another block than the tip", { previousblockhash: "ee".repeat(32) })
  slowly("if it is on a side branch by now", { confirmations: -1 })
  slowly("if the node is further already", { confirmations: 2 })
  slowly("if its difficulty is not what was expected", { bits: "1d00ffff" })
  slowly("if a block between was missed", { height: HEIGHT + 1, previousblockhash: "ee".repeat(32) })

  it.effect("if the node does not give its header", () =>
    Effect.gen(function* () {
      const { client, node } = yield* holding()
      yield* client.expect("NewTemplate")
      yield* node.setTemplate(templateAt(HEIGHT + 1))
      yield* node.announce
      yield* client.expectTip
      assert.strictEqual(node.asked.length, 1)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("if the node takes long to give its header", () =>
    Effect.gen(function* () {
      const { announce, client, node, template } = yield* holding()
      yield* client.expect("NewTemplate")
      node.settings.headerDelayMs = 5_000
      const header = headerFor(template)
      yield* node.setTemplate(templateAt(HEIGHT + 1, { previousblockhash: header.hash }))
      yield* announce(header)
      yield* settle
      assert.strictEqual(yield* client.waiting, 0)
      yield* TestClock.adjust("1 second")
      const { template: full } = yield* client.expectTip
      assert.isAbove(full.merklePath.length, 0)
    }).pipe(Effect.provide(layer()))
  )
})

describe("long polls", () => {
  it.effect("end when blocks are announced, and begin again when announcements fail", () =>
    Effect.gen(function* () {
      const { announce, client, node, template } = yield* holding()
      yield* client.expect("NewTemplate")
      node.settings.longPolling = true
      yield* announce(headerFor(template))
      yield* client.expectTip
      yield* node.setTemplate(templateAt(HEIGHT + 1, { previousblockhash: headerFor(template).hash }))
      yield* TestClock.adjust("1 minute")
      const { longPolls } = node.counts
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(node.counts.longPolls, longPolls)
      yield* PubSub.publish(node.pubsub, { _tag: "Disconnected" })
      yield* TestClock.adjust("10 seconds")
      assert.isAbove(node.counts.longPolls, longPolls)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("begin again when a block came without an announcement", () =>
    Effect.gen(function* () {
      const { announce, client, node, template } = yield* holding()
      yield* announce(headerFor(template))
      yield* client.expectTip
      const { longPolls } = node.counts
      yield* node.setTemplate(templateAt(HEIGHT + 7))
      yield* TestClock.adjust("1 minute")
      yield* client.expectTip
      yield* settle
      assert.isAbove(node.counts.longPolls, longPolls)
    }).pipe(Effect.provide(layer()))
  )
})

describe("on a development node", () => {
  const overDevNode = (halvingInterval: number, options: DevNodeOptions = {}) =>
    Layer.mergeAll(
      TemplateProvider.layer().pipe(Layer.provide(Setup.server(TemplateListener)), Layer.provide(Plain.listener)),
      Setup.client(TemplateDialer).pipe(Layer.provide(Plain.dialer))
    ).pipe(
      Layer.provideMerge(
        DevNode.layerInMemory({ bits: 0x207fffff, transactionsPerSecond: 0, halvingInterval, ...options })
      ),
      Layer.provide(Memory.network()),
      Layer.provide(Logger.layer([]))
    )

  const causes = Effect.gen(function* () {
    const found: Array<string> = []
    yield* (yield* TemplateProvider).events.pipe(
      Stream.runForEach((event: TemplateProviderEvent) =>
        Effect.sync(() => event._tag === "NewTemplate" && found.push(event.cause))
      ),
      Effect.forkScoped({ startImmediately: true })
    )
    return found
  })

  it.effect("blocks from templates without transactions are accepted, on both sides of a halving", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      for (let height = 1; height < 140; height++) {
        yield* node.submitBlock(solveTemplate(yield* node.getBlockTemplate())!)
      }
      yield* settle
      const client = yield* connect()
      yield* client.constrain()
      let empty = 0
      for (let height = 140; height <= 160; height++) {
        yield* node.addMadeUpTransactions(1)
        const { prevHash, template } = yield* client.expectTip
        if (template.merklePath.length === 0) empty++
        assert.isAtLeast(Number(template.coinbaseTxValueRemaining), height < 150 ? 5_000_000_000 : 2_500_000_000)
        yield* client.send([solve(template, prevHash)])
        yield* settle
        assert.strictEqual((yield* node.tip).height, height)
      }
      assert.isAtLeast(empty, 15)
    }).pipe(Effect.provide(overDevNode(150)))
  )

  it.effect("a block before an adjustment of the difficulty goes the slow way, and the next ones are fast again", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      for (let height = 1; height < 2_014; height++) {
        yield* node.submitBlock(solveTemplate(yield* node.getBlockTemplate())!)
      }
      yield* settle
      const client = yield* connect()
      yield* client.constrain()
      const seen: Array<readonly [nbits: number, isEmpty: boolean]> = []
      for (let height = 2_014; height <= 2_019; height++) {
        yield* node.addMadeUpTransactions(1)
        const { prevHash, template } = yield* client.expectTip
        seen.push([prevHash.nbits, template.merklePath.length === 0])
        yield* client.send([solve(template, prevHash)])
        yield* settle
        assert.strictEqual((yield* node.tip).height, height)
      }
      const harder = node.state.chain.tip.header.bits
      assert.strictEqual(harder, 0x201fffff, "four times as hard: the blocks took no time")
      assert.deepStrictEqual(
        seen.slice(1).map(([nbits]) => nbits),
        [0x207fffff, harder, harder, harder, harder]
      )
      const [, , first] = seen
      assert.isFalse(first![1], "the first one with the new target is the node's own template")
      assert.deepStrictEqual(
        seen.slice(3).map(([, isEmpty]) => isEmpty),
        [true, true, true]
      )
    }).pipe(Effect.provide(overDevNode(210_000, { retargetInterval: 2_016, targetSpacing: 1 })))
  )

  it.effect("a node that downloads the chain is waited for, and one without peers", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const provider = yield* TemplateProvider
      const messages: Array<string> = []
      yield* provider.events.pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => event._tag === "NodeUnavailable" && messages.push(event.message))
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      node.state.setCondition({ isDownloading: true, headersAhead: 9 })
      yield* settle
      const client = yield* connect()
      yield* client.constrain()
      yield* node.submitBlock(solveTemplate(yield* node.getBlockTemplate())!)
      yield* TestClock.adjust("1 minute")
      assert.include(messages.at(-1), "still downloading the chain: block 1 of 10, 18.18 %")
      node.state.setCondition({ isConnected: false })
      yield* TestClock.adjust("1 minute")
      assert.include(messages.at(-1), "no connection to other nodes yet")
      assert.strictEqual(yield* client.waiting, 0)
      node.state.setCondition({})
      yield* TestClock.adjust("10 seconds")
      const { template } = yield* client.expectTip
      assert.strictEqual(template.coinbaseTxLocktime, 1)
    }).pipe(Effect.provide(overDevNode(210_000)))
  )

  for (const depth of [1, 3]) {
    it.effect(`a reorganization of depth ${depth} goes the slow way, and then blocks are fast again`, () =>
      Effect.gen(function* () {
        const node = yield* DevNode
        const rpc = yield* NodeRpc
        const client = yield* connect()
        yield* client.constrain()
        yield* client.expectTip
        const mine = Effect.gen(function* () {
          yield* node.submitBlock(solveTemplate(yield* node.getBlockTemplate())!)
          yield* settle
        })
        const fork = yield* node.tip
        const forkTemplate = yield* node.getBlockTemplate()
        for (let i = 0; i < depth; i++) yield* mine
        for (let i = 0; i < depth; i++) yield* client.expectTip
        const found = yield* causes
        // The other branch, one longer.
        let parent = { hash: fork.hash, height: fork.height }
        for (let i = 0; i <= depth; i++) {
          const height = parent.height + 1
          const curtime = forkTemplate.curtime + 1_000 + i
          const block = solveTemplate(
            { ...forkTemplate, height, previousblockhash: parent.hash, curtime },
            { extranonce: 7n }
          )!
          yield* node.submitBlock(block)
          yield* settle
          const tips = node.state.chain.tips()
          const side = tips.find((tip) => tip.height === height && tip.header.time === curtime)!
          parent = { hash: side.id, height }
        }
        const { prevHash } = yield* client.expectTip
        assert.strictEqual(hex.encode(prevHash.prevHash.toReversed()), yield* rpc.getBestBlockHash)
        assert.strictEqual(parent.hash, yield* rpc.getBestBlockHash)
        assert.deepStrictEqual(found, ["tip"])
        yield* mine
        const next = yield* client.expectTip
        assert.strictEqual(hex.encode(next.prevHash.prevHash.toReversed()), yield* rpc.getBestBlockHash)
      }).pipe(Effect.provide(overDevNode(210_000)))
    )
  }
})

describe("the subsidy behind a block", () => {
  it("is known if all chains with this subsidy agree", () => {
    assert.strictEqual(subsidyBehind(1, 5_000_000_000), 5_000_000_000)
    assert.strictEqual(subsidyBehind(149, 5_000_000_000), undefined)
    assert.strictEqual(subsidyBehind(150, 2_500_000_000), 2_500_000_000)
    assert.strictEqual(subsidyBehind(150, 5_000_000_000), 5_000_000_000)
    assert.strictEqual(subsidyBehind(299, 2_500_000_000), 1_250_000_000)
    assert.strictEqual(subsidyBehind(839_999, 625_000_000), 312_500_000)
    assert.strictEqual(subsidyBehind(840_000, 312_500_000), 312_500_000)
    assert.strictEqual(subsidyBehind(840_000, 312_500_001), undefined)
  })
})
