/** Answers of a node that have the form of a template and make none: nothing changes for them, and the log says what is wrong. */
import { assert, describe, it } from "@effect/vitest"
import { type BlockTemplate, NodeBadAnswer } from "@sluice/node"
import { hex } from "@scure/base"
import { Effect, PubSub, Result } from "effect"
import { TestClock } from "effect/testing"
import { TemplateMachine, TemplateProvider } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { connect } from "./test-client.ts"
import { RECORDED, templateAt } from "./templates.ts"
import { fakeWorld } from "./worlds.ts"

const NOW = 1_700_000_000_000
const HEIGHT = 2_400_000

const BAD: ReadonlyArray<readonly [name: string, changes: Partial<BlockTemplate>, said: RegExp]> = [
  ["a value below nothing", { coinbasevalue: -1 }, /coinbase value.*got -1/],
  ["less value than fees", { coinbasevalue: 1 }, /coinbase value.*got 1 satoshis, and fees of \d+/],
  ["a height that no block has", { height: 2_147_483_648 }, /height.*2147483648/],
  ["a time that no header has", { curtime: 2 ** 33 }, /8589934592/],
  [
    "a malformed txid",
    { transactions: [{ ...RECORDED.transactions[0]!, txid: "x".repeat(64), depends: [] }] },
    /txid has 64 hex digits/
  ]
]

describe("a machine that gets an answer with", () => {
  for (const [name, changes, said] of BAD) {
    it(`${name} changes nothing, for another block and for better fees`, () => {
      const machine = new TemplateMachine<string>({
        firstTemplateId: 1n,
        feeDelta: 0n,
        intervalMs: 0,
        renewAfterMs: 0,
        emptyTemplates: true,
        maxRetained: 4,
        maxRetainedBytes: 1 << 30
      })
      const answer = (template: BlockTemplate) => machine.onAnswer(template, machine.beginRequest(), NOW)
      answer(templateAt(HEIGHT))
      const room = { coinbaseOutputMaxAdditionalSize: 0, coinbaseOutputMaxAdditionalSigops: 0 }
      Result.getOrThrow(machine.onConstraints("a", room, NOW))
      machine.ahead("a")
      const { current } = machine
      assert.throws(() => answer(templateAt(HEIGHT + 1, changes)), said)
      machine.onAway()
      assert.throws(() => answer(templateAt(HEIGHT, { ...changes, version: 7 })), said)
      assert.strictEqual(machine.current, current)
      assert.strictEqual(machine.retainedCount, 1)
      // That the node was away is known still, so the next answer counts however little it brings.
      const { transactions } = RECORDED
      assert.strictEqual(answer(templateAt(HEIGHT, { transactions: transactions.slice(1, 1) })).change, "fees")
      const { change, deliveries } = answer(templateAt(HEIGHT + 1))
      assert.strictEqual(change, "tip")
      assert.strictEqual(deliveries[0]?.messages.length, 2)
    })
  }
})

for (const longPolling of [true, false]) {
  describe(`a node that answers ${longPolling ? "long polls" : "behind an announcement"} with`, () => {
    for (const [name, changes, said] of BAD) {
      it.effect(
        `${name} leaves clients on the old block with a line in the log, and on the new one once it answers right`,
        () => {
          const log: Array<string> = []
          return Effect.gen(function* () {
            const node = yield* FakeNode
            node.settings.longPolling = longPolling
            yield* node.setTemplate(templateAt(100))
            const client = yield* connect()
            yield* client.constrain()
            yield* client.expectTip
            yield* TestClock.adjust(0)
            yield* node.setTemplate(templateAt(101, changes))
            if (!longPolling) yield* node.announce
            yield* TestClock.adjust("20 seconds")
            assert.strictEqual(yield* client.waiting, 0)
            const lines = log.filter((line) => said.test(line))
            assert.isAbove(lines.length, 0, log.join("\n"))
            assert.isBelow(lines.length, 15)
            if (longPolling) assert.isTrue(lines.some((line) => line.includes("A long poll failed")))
            assert.isFalse((yield* (yield* TemplateProvider).stats).isNodeReachable)
            yield* node.setTemplate(templateAt(101))
            yield* TestClock.adjust("5 seconds")
            const { template } = yield* client.expectTip
            assert.strictEqual(template.coinbaseTxLocktime, 100)
          }).pipe(Effect.provide(fakeWorld({}, { log })))
        }
      )
    }
  })
}

describe("a header that no work can be made behind", () => {
  it.effect("is logged, the node's template is sent instead, and the next header is followed again", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      node.settings.longPolling = false
      yield* node.setTemplate(templateAt(HEIGHT))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      const announce = Effect.fnUntraced(function* (height: number, mediantime: number) {
        const before = templateAt(height - 1)
        const { previousblockhash: hash } = templateAt(height)
        node.headers.set(hash, {
          hash,
          previousblockhash: before.previousblockhash,
          height: height - 1,
          bits: before.bits,
          mediantime,
          confirmations: 1
        })
        yield* PubSub.publish(node.pubsub, { _tag: "NewBlock", hash: hex.decode(hash).toReversed() })
      })
      yield* node.setTemplate(templateAt(HEIGHT + 1))
      yield* announce(HEIGHT + 1, 2 ** 40)
      assert.isAbove((yield* client.expectTip).template.merklePath.length, 0)
      assert.isTrue(
        log.some((line) => /getblockheader.*1099511627777/.test(line)),
        log.join("\n")
      )
      yield* announce(HEIGHT + 2, RECORDED.mintime)
      assert.lengthOf((yield* client.expectTip).template.merklePath, 0)
    }).pipe(Effect.provide(fakeWorld({}, { log, device: { vendor: "Some pool" } })))
  })
})

describe("a node's progress", () => {
  it.effect("is logged once in a while if it cannot be read", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      yield* TestClock.adjust("1 second")
      yield* node.setInfoFailure(new NodeBadAnswer({ detail: "blocks: null" }))
      yield* TestClock.adjust("10 minutes")
      const lines = log.filter((line) => line.includes("Cannot tell whether the node is behind"))
      assert.match(lines[0]!, /blocks: null/)
      assert.isAtMost(lines.length, 10)
    }).pipe(Effect.provide(fakeWorld({}, { log })))
  })
})
