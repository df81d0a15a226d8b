/** Twelve hours of the test clock in one test: what is kept must not grow. */
import { assert, describe, it } from "@effect/vitest"
import { hex } from "@scure/base"
import { heldBytes } from "@sluice/testing/memory"
import { Effect, PubSub } from "effect"
import { TestClock } from "effect/testing"
import { TemplateProvider } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { connect } from "./test-client.ts"
import { RECORDED, templateAt } from "./templates.ts"
import { fakeWorld } from "./worlds.ts"

/** Heights between two adjustments of the difficulty, which are 2,016 apart. */
const FIRST = 2_016 * 1_190 + 1
const BLOCKS = 1_800

describe("twelve hours with a block every 24 seconds", () => {
  it.effect(
    "end with as much memory as the first",
    () =>
      Effect.gen(function* () {
        const node = yield* FakeNode
        yield* node.setTemplate(templateAt(FIRST))
        const client = yield* connect()
        yield* client.constrain()
        yield* client.expectTip
        const sizes: Array<number> = []
        for (let height = FIRST + 1; height < FIRST + BLOCKS; height++) {
          const before = templateAt(height - 1)
          const next = templateAt(height)
          node.headers.clear()
          node.headers.set(next.previousblockhash, {
            hash: next.previousblockhash,
            previousblockhash: before.previousblockhash,
            height: height - 1,
            bits: before.bits,
            mediantime: before.mintime,
            confirmations: 1
          })
          yield* PubSub.publish(node.pubsub, {
            _tag: "NewBlock",
            hash: hex.decode(next.previousblockhash).toReversed()
          })
          const { template } = yield* client.expectTip
          assert.strictEqual(template.merklePath.length, 0)
          yield* node.setTemplate(next)
          yield* TestClock.adjust("12 seconds")
          // Better fees, as a template of their own.
          const better = { ...next, coinbasevalue: RECORDED.coinbasevalue + 50_000, longpollid: `better-${height}` }
          yield* node.setTemplate(better)
          yield* TestClock.adjust("12 seconds")
          if ((height - FIRST) % 300 === 0) sizes.push(heldBytes())
          // A client comes and goes now and then.
          if (height % 50 === 0) yield* Effect.scoped(Effect.flatMap(connect(), (guest) => guest.constrain()))
        }
        const { feeUpdates, tipChanges } = yield* (yield* TemplateProvider).stats
        assert.strictEqual(tipChanges, BLOCKS)
        assert.isAtLeast(feeUpdates, BLOCKS - 1)
        // A hundred answers are kept at most: 300 blocks are beyond that.
        assert.isBelow(sizes.at(-1)! - sizes[0]!, 3_000_000, `held: ${sizes.join(", ")}`)
      }).pipe(Effect.provide(fakeWorld({ interval: "10 seconds" }))),
    60_000
  )
})
