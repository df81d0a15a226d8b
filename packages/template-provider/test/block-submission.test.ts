import { assert, describe, it } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { NodeRpc, NodeUnreachable } from "@sluice/node"
import { hex } from "@scure/base"
import { Transaction } from "@scure/btc-signer"
import { Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { TemplateProvider, type TemplateProviderEvent } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { solve } from "@sluice/testing/solution"
import { connect } from "./test-client.ts"
import { fakeWorld, providerOver } from "./worlds.ts"
import { templateAt } from "./templates.ts"

const overDevNode = providerOver(DevNode.layerInMemory({ bits: 0x207fffff, transactionsPerSecond: 0 }))

const eventsOf = Effect.fnUntraced(function* <Tag extends TemplateProviderEvent["_tag"]>(tag: Tag) {
  const found: Array<Extract<TemplateProviderEvent, { readonly _tag: Tag }>> = []
  yield* (yield* TemplateProvider).events.pipe(
    Stream.runForEach((event) => Effect.sync(() => event._tag === tag && found.push(event as (typeof found)[number]))),
    Effect.forkScoped({ startImmediately: true })
  )
  return found
})

const settle = TestClock.adjust(0)

describe("a solution", () => {
  it.effect("becomes a block with transactions that the node accepts, and all clients get the next template", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const rpc = yield* NodeRpc
      const submitted = yield* eventsOf("BlockSubmitted")
      const txids = yield* node.addMadeUpTransactions(7)
      const [client, other] = [yield* connect(), yield* connect()]
      yield* other.constrain()
      yield* client.constrain(100, 4)
      const { prevHash, template } = yield* client.expectTip
      yield* other.expectTip
      assert.isAbove(template.merklePath.length, 0)

      const rolled = (template.version | 0x1fff_ffe0) >>> 0
      yield* client.send([solve(template, prevHash, { version: rolled })])
      const next = yield* client.expectTip
      yield* other.expectTip
      assert.deepStrictEqual(submitted, [
        { _tag: "BlockSubmitted", hash: yield* rpc.getBestBlockHash, height: 1, verdict: "accepted" }
      ])
      const block = yield* rpc.getBlock(submitted[0]!.hash)
      assert.sameMembers(block.tx.slice(1), [...txids])
      assert.strictEqual(block.version >>> 0, rolled)
      assert.strictEqual(hex.encode(next.prevHash.prevHash.toReversed()), block.hash)
      assert.deepStrictEqual((yield* (yield* TemplateProvider).stats).verdicts, { accepted: 1 })
    }).pipe(Effect.provide(overDevNode))
  )

  it.effect("for each of several blocks, the first sixteen heights and the next, is accepted", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const client = yield* connect()
      yield* client.constrain()
      for (let height = 1; height <= 20; height++) {
        const { prevHash, template } = yield* client.expectTip
        yield* client.send([solve(template, prevHash)])
        yield* settle
        assert.strictEqual((yield* node.tip).height, height)
      }
    }).pipe(Effect.provide(overDevNode))
  )

  it.effect("for a template of an earlier block is submitted all the same, and the node's verdict reported", () =>
    Effect.gen(function* () {
      const submitted = yield* eventsOf("BlockSubmitted")
      const client = yield* connect()
      yield* client.constrain()
      const { prevHash, template } = yield* client.expectTip
      yield* client.send([solve(template, prevHash, { extranonce: 1 }), solve(template, prevHash, { extranonce: 2 })])
      yield* client.expectTip
      yield* settle
      assert.deepStrictEqual(
        submitted.map(({ verdict }) => verdict),
        ["accepted", "inconclusive"]
      )
    }).pipe(Effect.provide(overDevNode))
  )

  it.effect("that makes no block is refused with a reason and without a call to the node; the connection stays", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const refused = yield* eventsOf("SolutionRefused")
      const client = yield* connect()
      yield* client.constrain()
      const { prevHash, template } = yield* client.expectTip
      const solution = solve(template, prevHash)
      const missing = [0, 1, 2, 3].map((step) => ({ ...solution, headerNonce: solution.headerNonce + step }))
      yield* client.send([
        { ...solution, templateId: 0xffffffffffffffffn },
        { ...solution, coinbaseTx: solution.coinbaseTx.slice(0, 40) },
        ...missing.slice(1),
        solution,
        solution
      ])
      yield* settle
      const reasons = refused.map(({ reason }) => reason)
      assert.match(reasons[0]!, /no such template/)
      assert.match(reasons[1]!, /BIP141/)
      assert.match(reasons.at(-1)!, /was submitted before/)
      assert.isTrue(reasons.some((reason) => /does not meet the target/.test(reason)))
      assert.strictEqual(node.submitted.length + refused.length, 7)
      assert.strictEqual(new Set(node.submitted).size, node.submitted.length)
      yield* node.setTemplate(templateAt(101))
      yield* node.announce
      yield* client.expectTip
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("waits while the node is away, and is submitted when it is back", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const submitted = yield* eventsOf("BlockSubmitted")
      const client = yield* connect()
      yield* client.constrain()
      const { prevHash, template } = yield* client.expectTip
      yield* node.setFailure(new NodeUnreachable({ cause: "ECONNREFUSED" }))
      yield* client.send([solve(template, prevHash)])
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(submitted, [])
      yield* node.setFailure(undefined)
      node.settings.verdict = "duplicate"
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(submitted[0]?.verdict, "duplicate")
      const [header, coinbase] = [node.submitted[0]!.slice(0, 160), node.submitted[0]!.slice(162)]
      assert.isTrue(header.startsWith("00000020"))
      const transaction = hex.decode(coinbase).subarray(0, solve(template, prevHash).coinbaseTx.length)
      const parsed = Transaction.fromRaw(transaction, {
        allowUnknownInputs: true,
        allowUnknownOutputs: true,
        disableScriptCheck: true
      })
      assert.strictEqual(parsed.getOutput(0).amount, template.coinbaseTxValueRemaining)
    }).pipe(Effect.provide(fakeWorld()))
  )
})
