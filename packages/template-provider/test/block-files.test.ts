import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeUnreachable } from "@sluice/node"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { TemplateProvider } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { solve } from "@sluice/testing/solution"
import { connect } from "./test-client.ts"
import { templateAt } from "./templates.ts"
import { fakeWorld } from "./worlds.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-blocks-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** Files are written beside the test clock. */
const until = <R>(is: Effect.Effect<boolean, never, R>) =>
  Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5))).pipe(
    Effect.andThen(TestClock.adjust("1 second")),
    Effect.andThen(is),
    Effect.repeat({ until: (done) => done, times: 400 })
  )

describe("a block found while no node is reachable", () => {
  it.effect("is in a file until the node is back and has accepted it", () =>
    Effect.gen(function* () {
      const path = yield* directory
      yield* Effect.gen(function* () {
        const node = yield* FakeNode
        yield* node.setTemplate(templateAt(100))
        const client = yield* connect()
        yield* client.constrain()
        const { prevHash, template } = yield* client.expectTip
        yield* node.setFailure(new NodeUnreachable({ cause: "ECONNREFUSED" }))
        yield* client.send([solve(template, prevHash)])
        const files = Effect.sync(() => readdirSync(path))
        yield* until(Effect.map(files, (names) => names.length === 1 && names[0]!.endsWith(".hex")))
        const [name] = yield* files
        assert.match(name!, /^block-100-[0-9a-f]{64}\.hex$/)
        const kept = readFileSync(join(path, name!), "utf8").trim()
        yield* node.setFailure(undefined)
        yield* until(Effect.map(files, (names) => names.length === 0))
        assert.deepStrictEqual(node.submitted, [kept])
      }).pipe(Effect.provide(fakeWorld({ blockDirectory: path })))
    })
  )

  it.effect("is submitted by the next provider that starts, which leaves files that are no blocks alone", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const block = "ab".repeat(200)
      writeFileSync(join(path, `block-7-${"01".repeat(32)}.hex`), `${block}\n`)
      writeFileSync(join(path, `block-8-${"02".repeat(32)}.hex`), "half a bl")
      writeFileSync(join(path, "notes.txt"), "mine")
      yield* Effect.gen(function* () {
        const node = yield* FakeNode
        node.settings.verdict = "duplicate"
        yield* until(Effect.sync(() => readdirSync(path).length === 2))
        assert.deepStrictEqual(node.submitted, [block])
        assert.deepStrictEqual((yield* (yield* TemplateProvider).stats).verdicts, { duplicate: 1 })
      }).pipe(Effect.provide(fakeWorld({ blockDirectory: path })))
    })
  )
})
