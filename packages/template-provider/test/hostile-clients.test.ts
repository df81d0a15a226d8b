import { assert, describe, it } from "@effect/vitest"
import { Frame, TemplateDistribution } from "@sluice/protocol"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { type CoinbaseConstraints, TemplateMachine, TemplateProvider } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { coinbaseFor } from "@sluice/testing/solution"
import { connect } from "./test-client.ts"
import { RECORDED, templateAt, templateOf } from "./templates.ts"
import { fakeWorld } from "./worlds.ts"

const NOW = 1_700_000_000_000

const constraints = (size: number): CoinbaseConstraints => ({
  coinbaseOutputMaxAdditionalSize: size,
  coinbaseOutputMaxAdditionalSigops: 0
})

const machineOf = (template: ReturnType<typeof templateAt>, emptyTemplates = false) => {
  const machine = new TemplateMachine<unknown>({
    firstTemplateId: 1n,
    feeDelta: 1_000n,
    intervalMs: 0,
    renewAfterMs: 300_000,
    emptyTemplates,
    maxRetained: 4,
    maxRetainedBytes: 1 << 30
  })
  machine.onAnswer(template, machine.beginRequest(), NOW)
  return machine
}

/** As the client reads it. */
const decode = (message: TemplateDistribution.ToClient | undefined): TemplateDistribution.ToClient => {
  const { toClient } = TemplateDistribution.protocol
  return toClient.decode(Frame.read(toClient.encode(message!))!)!
}

const newTemplate = (messages: ReadonlyArray<TemplateDistribution.ToClient>): TemplateDistribution.NewTemplate => {
  const message = decode(messages[0])
  assert.strictEqual(message._tag, "NewTemplate")
  return message as TemplateDistribution.NewTemplate
}

/** A solution for the template makes a block. */
const assertBlockOf = (machine: TemplateMachine<unknown>, template: TemplateDistribution.NewTemplate): void => {
  const { templateId, version } = template
  const coinbaseTx = coinbaseFor(template)
  for (let headerNonce = 0; headerNonce < 64; headerNonce++) {
    const solution = { templateId, version, headerTimestamp: RECORDED.curtime, headerNonce, coinbaseTx }
    const outcome = machine.onSolution(TemplateDistribution.SubmitSolution.make(solution))
    if (outcome._tag === "Block") return
    assert.strictEqual(outcome.reason._tag, "HighHash")
  }
  assert.fail("no hash in 64 met a target that every second one meets")
}

/** One that any hash may meet, and so many transactions of 1,000 weight units, which fill the block. */
const fullBlock = (count: number) => {
  const transactions = Array.from({ length: count }, (_, index) => ({
    ...RECORDED.transactions[0]!,
    txid: index.toString(16).padStart(64, "0"),
    hash: index.toString(16).padStart(64, "1"),
    depends: [],
    weight: 1_000,
    fee: 100
  }))
  return { ...templateOf(transactions), weightlimit: count * 1_000 + 2_000 }
}

describe("clients that all want different room for their coinbase", () => {
  it("share a few dozen templates, each of which leaves out at most a quarter too much", () => {
    const machine = machineOf(fullBlock(1_000))
    const ids = new Set<bigint>()
    for (let leftOut = 0; leftOut <= 900; leftOut++) {
      const size = leftOut === 0 ? 0 : (2_000 - 1_168 + leftOut * 1_000) / 4
      const { templateId } = newTemplate(Result.getOrThrow(machine.onConstraints(leftOut, constraints(size), NOW)))
      ids.add(templateId)
      const answer = decode(machine.onRequest(templateId))
      assert.strictEqual(answer._tag, "RequestTransactionData.Success")
      if (answer._tag !== "RequestTransactionData.Success") continue
      const left = 1_000 - answer.transactionList.length
      assert.isAtLeast(left, leftOut)
      assert.isAtMost(left, leftOut * 1.25)
    }
    assert.isBelow(ids.size, 40)
  })
})

describe("clients that change their constraints all the time", () => {
  it("do not push out the templates of others, whose blocks are not lost", () => {
    const machine = machineOf(templateOf(RECORDED.transactions))
    const template = newTemplate(Result.getOrThrow(machine.onConstraints("honest", constraints(0), NOW)))
    for (let client = 0; client < 12; client++) {
      for (let change = 0; change < 1_000; change++) {
        Result.getOrThrow(machine.onConstraints(client, constraints(change % 2), NOW))
        machine.ahead(client)
      }
    }
    assertBlockOf(machine, template)
  })

  it("do not push out the template that another client mines, nor the one that it holds ahead", () => {
    const machine = machineOf(templateAt(2_400_000), true)
    const change = (client: string, address: string, changes: number) => {
      let messages: ReadonlyArray<TemplateDistribution.ToClient> = []
      for (let size = 0; size < changes; size++) {
        messages = Result.getOrThrow(machine.onConstraints(client, constraints(size), NOW, address))
        ahead.set(client, machine.ahead(client) ?? ahead.get(client)!)
      }
      return newTemplate(messages)
    }
    const ahead = new Map<string, TemplateDistribution.NewTemplate>()
    const mined = change("honest", "192.0.2.1", 2)
    const held = newTemplate([ahead.get("honest")!])
    const flood = (address: (client: number) => string) => {
      for (let client = 0; client < 3_000; client++) change(`flood ${client}`, address(client), 11)
    }
    flood(() => "192.0.2.1")
    flood((client) => `198.51.100.${client % 200}`)
    assertBlockOf(machine, mined)
    const { bits, height, mintime, previousblockhash } = templateAt(2_400_000)
    const header = { hash: "aa".repeat(32), previousblockhash, height, bits, mediantime: mintime, confirmations: 1 }
    const { deliveries } = machine.onHeader(header, NOW)
    const named = decode(deliveries.find(({ client }) => client === "honest")!.messages.at(-1))
    assert.strictEqual(named._tag === "SetNewPrevHash" && named.templateId, held.templateId)
    flood((client) => `203.0.113.${client % 200}`)
    assertBlockOf(machine, held)
  })

  it("get the right previous hash for a template that was dropped", () => {
    const machine = machineOf(templateAt(2_400_000), true)
    Result.getOrThrow(machine.onConstraints("first", constraints(0), NOW))
    machine.ahead("first")
    const held = ["victim", ...Array.from({ length: 3_000 }, (_, index) => index)]
    for (const client of held) {
      Result.getOrThrow(machine.onConstraints(client, constraints(0), NOW))
      machine.ahead(client)
      Result.getOrThrow(machine.onConstraints(client, constraints(1), NOW))
      machine.ahead(client)
    }
    const { bits, height, mintime, previousblockhash } = templateAt(2_400_000)
    const hash = "aa".repeat(32)
    const header = { hash, previousblockhash, height, bits, mediantime: mintime, confirmations: 1 }
    const { deliveries } = machine.onHeader(header, NOW)
    const message = decode(deliveries.find(({ client }) => client === "victim")!.messages.at(-1))
    assert.strictEqual(message._tag, "SetNewPrevHash")
    if (message._tag === "SetNewPrevHash") assert.deepStrictEqual(message.prevHash, new Uint8Array(32).fill(0xaa))
  })
})

describe("a client that asks for too much", () => {
  const settle = TestClock.adjust(0)

  it.effect("waits before its eleventh template", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      for (let size = 1; size < 30; size++) yield* client.constrain(size)
      yield* settle
      assert.strictEqual(yield* client.waiting, 9 * 2)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* client.waiting, 14 * 2)
      assert.strictEqual(log.filter((line) => line.includes("is read from more slowly")).length, 1)
    }).pipe(Effect.provide(fakeWorld({ emptyTemplates: false }, { log })))
  })

  it.effect("that sends invalid solutions does not fill the log", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.expectTip
      const solution = { templateId: 7n, version: 0, headerTimestamp: 0, headerNonce: 0, coinbaseTx: new Uint8Array(9) }
      const message = TemplateDistribution.SubmitSolution.make(solution)
      yield* client.send(Array.from({ length: 3_000 }, () => message))
      yield* TestClock.adjust("9 seconds")
      assert.isAbove((yield* Effect.flatMap(TemplateProvider, ({ stats }) => stats)).solutionsRefused, 2_000)
      const lines = () => log.filter((line) => line.includes("makes no block"))
      assert.strictEqual(lines().length, 1)
      yield* TestClock.adjust("2 seconds")
      assert.match(lines()[1] ?? "", /and \d{4} more like it in 10 s/)
    }).pipe(Effect.provide(fakeWorld({ emptyTemplates: false }, { log })))
  })
})
