/** Lists of transactions, which are much larger than the requests for them. */
import { assert, describe, it } from "@effect/vitest"
import { hashFromDisplay } from "@sluice/bitcoin"
import { TemplateDistribution } from "@sluice/protocol"
import { Effect, PubSub } from "effect"
import { TestClock } from "effect/testing"
import { NodeTemplate, Template } from "../src/provider/templates/node-template.ts"
import { TransactionData } from "../src/provider/templates/transaction-data.ts"
import { FakeNode } from "./fake-node.ts"
import { solve } from "@sluice/testing/solution"
import { connect } from "./test-client.ts"
import { RECORDED, templateAt, templateOf } from "./templates.ts"
import { fakeWorld } from "./worlds.ts"

/** Lists of two million bytes. */
const LARGE = templateOf(
  Array.from({ length: 20 }, (_, index) => ({
    ...RECORDED.transactions[0]!,
    data: "ab".repeat(100_000),
    txid: index.toString(16).padStart(64, "0"),
    hash: index.toString(16).padStart(64, "1"),
    depends: []
  }))
)

const request = (templateId: bigint) => TemplateDistribution.RequestTransactionData.make({ templateId })

describe("the answer to RequestTransactionData", () => {
  const { encode } = TemplateDistribution.protocol.toClient

  it("is encoded once for all templates with the same transactions, each under its own number", () => {
    const data = new TransactionData()
    const node = new NodeTemplate(templateAt(100), 0)
    const [one, two] = [new Template(7n, node, node.work(0)), new Template(0xffff_ffff_ffff_fff0n, node, node.work(0))]
    const answer = data.answerFor(one)
    assert.strictEqual(encode(data.answerFor(one)), encode(answer))
    const other = data.answerFor(two)
    assert.strictEqual(other.templateId, two.id)
    assert.deepStrictEqual({ ...other, templateId: 7n }, answer)
    assert.strictEqual(encode(data.answerFor(one)), encode(answer), "the other one was a copy")
  })

  it("is dropped when others were asked for since, so that memory is limited", () => {
    const data = new TransactionData()
    const templates = Array.from({ length: 20 }, (_, id) => {
      const node = new NodeTemplate(LARGE, 0)
      return new Template(BigInt(id), node, node.work(0))
    })
    const answers = templates.map((template) => data.answerFor(template))
    const isKept = (index: number) => data.answerFor(templates[index]!) === answers[index]
    assert.deepStrictEqual(
      [19, 18, 10, 5, 0].map(isKept),
      [true, true, true, true, false],
      "two million bytes each, of 32 MiB"
    )
    data.clear()
    assert.isFalse(isKept(19))
  })
})

describe("a client that asks for many lists", () => {
  it.effect(
    "gets twenty lists of two million bytes at once and then two a second, however often it connects again",
    () => {
      const log: Array<string> = []
      return Effect.gen(function* () {
        const node = yield* FakeNode
        yield* node.setTemplate(LARGE)
        let served = 0
        const visit = Effect.gen(function* () {
          const client = yield* connect()
          yield* client.constrain()
          const { template } = yield* client.expectTip
          yield* client.send([request(template.templateId)])
          yield* client.expect("RequestTransactionData.Success")
          served++
        }).pipe(Effect.scoped)
        for (let count = 0; count < 20; count++) yield* visit
        yield* Effect.forkScoped(Effect.forever(visit))
        for (let step = 0; step < 200; step++) {
          yield* TestClock.adjust("100 millis")
          // Sockets and lists take a turn of the event loop each.
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
        assert.isAtLeast(served, 20 + 20)
        assert.isAtMost(served, 20 + 2 * 20 + 1)
        assert.isTrue(
          log.some((line) => line.includes("asks for the transactions of templates too often")),
          log.join("\n")
        )
      }).pipe(Effect.provide(fakeWorld({}, { log })))
    }
  )

  it.effect("can submit a solution while it waits for them", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      node.settings.verdict = "inconclusive"
      yield* node.setTemplate(LARGE)
      const client = yield* connect()
      yield* client.constrain()
      const { prevHash, template } = yield* client.expectTip
      yield* client.send([...Array.from({ length: 30 }, () => request(template.templateId)), solve(template, prevHash)])
      for (let count = 0; count < 20; count++) yield* client.expect("RequestTransactionData.Success")
      yield* TestClock.adjust(0)
      assert.lengthOf(node.submitted, 1)
      assert.strictEqual(yield* client.waiting, 0)
    }).pipe(Effect.provide(fakeWorld({ emptyTemplates: false })))
  )
})

describe("a list of transactions", () => {
  const announced = Effect.gen(function* () {
    const node = yield* FakeNode
    node.settings.longPolling = false
    yield* node.setTemplate(templateAt(100))
    const client = yield* connect()
    yield* client.constrain()
    const { template } = yield* client.expectTip
    // The node announces a block and does not build on it yet.
    const hash = hashFromDisplay(templateAt(101).previousblockhash)
    yield* PubSub.publish(node.pubsub, { _tag: "NewBlock", hash })
    yield* TestClock.adjust(0)
    yield* client.send([request(template.templateId)])
    yield* TestClock.adjust(0)
    assert.strictEqual(yield* client.waiting, 0)
    return { node, client }
  })

  it.effect("is sent behind the templates of an announced block", () =>
    Effect.gen(function* () {
      const { client, node } = yield* announced
      yield* node.setTemplate(templateAt(101))
      yield* TestClock.adjust("1 second")
      yield* client.expectTip
      assert.strictEqual((yield* client.expect("RequestTransactionData.Error")).errorCode, "stale-template-id")
    }).pipe(Effect.provide(fakeWorld({ emptyTemplates: false })))
  )

  it.effect("does not wait for ever for a node that announced a block and gives no template", () =>
    Effect.gen(function* () {
      const { client } = yield* announced
      yield* TestClock.adjust("2 seconds")
      yield* client.expect("RequestTransactionData.Success")
    }).pipe(Effect.provide(fakeWorld({ emptyTemplates: false })))
  )
})
