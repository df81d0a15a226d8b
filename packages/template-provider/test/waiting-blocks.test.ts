/** Blocks that wait for a node: how many, at whose cost, and what becomes of them at the end. */
import { assert, describe, it } from "@effect/vitest"
import { NodeTimeout, NodeUnreachable } from "@sluice/node"
import type { TemplateDistribution } from "@sluice/protocol"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { BlockQueue } from "../src/provider/blocks/block-queue.ts"
import { FakeNode } from "./fake-node.ts"
import { solve } from "@sluice/testing/solution"
import { connect } from "./test-client.ts"
import { templateAt } from "./templates.ts"
import { fakeWorld } from "./worlds.ts"

const settle = TestClock.adjust(0)

const solutions = (
  {
    prevHash,
    template
  }: Readonly<{
    prevHash: TemplateDistribution.SetNewPrevHash
    template: TemplateDistribution.NewTemplate
  }>,
  count: number
) => Array.from({ length: count }, (_, extranonce) => solve(template, prevHash, { extranonce }))

describe("blocks of one height, while the node is away", () => {
  it.effect(
    "are tried by one fiber that logs a line a minute, and are all submitted in order when the node is back",
    () => {
      const log: Array<string> = []
      return Effect.gen(function* () {
        const node = yield* FakeNode
        yield* node.setTemplate(templateAt(100))
        const client = yield* connect()
        yield* client.constrain()
        const tip = yield* client.expectTip
        yield* node.setFailure(new NodeUnreachable({ cause: "ECONNREFUSED" }))
        yield* client.send(solutions(tip, 60))
        yield* TestClock.adjust("5 minutes")
        // After 0.25, 0.5, 1, 2, 4, 8 and then every 10 seconds.
        assert.isBelow(node.counts.submits, 40)
        const lines = log.filter((line) => line.includes("Cannot submit"))
        assert.match(lines[0]!, /Cannot submit block 100, [0-9a-f]{64} yet: submitblock: .* cannot be reached/)
        assert.match(lines[1]!, /Cannot submit 60 blocks yet/)
        assert.isAtMost(lines.length, 6)
        assert.isAtMost(log.filter((line) => line.includes("No node is reachable to take")).length, 2)
        yield* node.setFailure(undefined)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(node.submitted.length, 60)
        // The extranonce's first byte, in the order in which they came.
        const coinbases = node.submitted.map((block) => block.slice(162))
        const expected = solutions(tip, 60).map(({ coinbaseTx }) => Buffer.from(coinbaseTx).toString("hex"))
        assert.isTrue(coinbases.every((coinbase, index) => coinbase.startsWith(expected[index]!)))
      }).pipe(Effect.provide(fakeWorld({}, { log })))
    }
  )

  it.effect("do not wait behind a block that the node never answers for", () =>
    Effect.gen(function* () {
      const node = yield* FakeNode
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      const tip = yield* client.expectTip
      yield* node.setFailure(new NodeTimeout({ timeoutMs: 30_000 }))
      yield* client.send(solutions(tip, 2))
      yield* settle
      yield* node.setFailure(undefined)
      yield* TestClock.adjust("1 second")
      const first = Buffer.from(solutions(tip, 1)[0]!.coinbaseTx).toString("hex")
      assert.deepStrictEqual(
        node.submitted.map((block) => block.slice(162).startsWith(first)),
        [false, true]
      )
    }).pipe(Effect.provide(fakeWorld()))
  )

  it.effect("are in files when the provider ends, also a block that the node has not answered for yet", () =>
    Effect.gen(function* () {
      const path = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-waiting-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const log: Array<string> = []
      yield* Effect.gen(function* () {
        const node = yield* FakeNode
        node.settings.hangs = true
        yield* node.setTemplate(templateAt(100))
        const client = yield* connect()
        yield* client.constrain()
        yield* client.send(solutions(yield* client.expectTip, 3))
        yield* settle
        assert.strictEqual(node.counts.submits, 1)
        assert.deepStrictEqual(readdirSync(path), [])
      }).pipe(Effect.provide(fakeWorld({ blockDirectory: path }, { log })))
      const names = readdirSync(path)
      assert.lengthOf(names, 3)
      for (const name of names) assert.match(readFileSync(join(path, name), "utf8"), /^[0-9a-f]{200,}\n$/)
      assert.isTrue(log.some((line) => line.includes(`3 blocks stay in ${path}`)))
    }).pipe(Effect.scoped)
  )

  it.effect("are logged with the first one's bytes when the provider ends and has no directory for them", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const node = yield* FakeNode
      node.settings.hangs = true
      yield* node.setTemplate(templateAt(100))
      const client = yield* connect()
      yield* client.constrain()
      yield* client.send(solutions(yield* client.expectTip, 3))
      yield* settle
    }).pipe(
      Effect.provide(fakeWorld({}, { log })),
      Effect.andThen(
        Effect.sync(() =>
          assert.isTrue(log.some((line) => /without a node's verdict on block 100, [0-9a-f]{64} and 2 more/.test(line)))
        )
      )
    )
  })
})

describe("the queue of blocks for one node", () => {
  const block = (from: string, size = 1_000) => ({ from, size })

  it("drops blocks of the peer that has most in it", () => {
    const queue = new BlockQueue<ReturnType<typeof block>>()
    const early = block("early")
    queue.push(early)
    const flood = Array.from({ length: 1_000 }, () => block("flood"))
    const gone = flood.flatMap((each) => queue.push(each))
    const late = block("late")
    gone.push(...queue.push(late))
    assert.strictEqual(queue.all.length, 100)
    assert.strictEqual(gone.length, 902)
    assert.isTrue(gone.every(({ from }) => from === "flood"))
    assert.deepStrictEqual([queue.first, queue.all.at(-1)], [early, late])
    assert.strictEqual(queue.all[1], flood[0], "the oldest of the flood stay")
  })

  it("is limited in bytes", () => {
    const queue = new BlockQueue<ReturnType<typeof block>>()
    const small = block("small")
    queue.push(small)
    for (let count = 0; count < 40; count++) queue.push(block("large", 8 << 20))
    assert.strictEqual(queue.all.length, 16)
    assert.strictEqual(queue.first, small)
    for (const each of queue.all.slice()) queue.remove(each)
    assert.deepStrictEqual(queue.push(block("large", 8 << 20)), [])
  })
})
