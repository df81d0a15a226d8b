/** The window that is kept up to date is the one that is read anew. */
import { assert, it } from "@effect/vitest"
import { Clock, Context, Effect, Fiber, Layer, Logger } from "effect"
import * as fc from "fast-check"
import { TestClock } from "effect/testing"
import { databases } from "./databases.ts"
import { type BlockPolicy, Ledger, type NewShare, readWindow, WindowTracker } from "../src/index.ts"

const users = ["alice", "bob", "carol"] as const
const shares = fc.array(
  fc.record({ user: fc.constantFrom(...users), work: fc.bigInt(1n, 40n), pause: fc.constantFrom(0, 0, 7_000, 30_000) }),
  { minLength: 1, maxLength: 30 }
)
const batches = fc.array(shares, { minLength: 1, maxLength: 8 })
const policies: ReadonlyArray<BlockPolicy> = [
  { version: 1, scheme: "pplns", window: 2_000, fee: 0 },
  { version: 1, scheme: "tides", fee: 0 },
  { version: 1, scheme: "prop", fee: 0 },
  { version: 1, scheme: "pplns-time", minutes: 1, fee: 0 }
]

const plain = (weights: ReadonlyMap<string, bigint>) => [...weights].toSorted(([a], [b]) => (a < b ? -1 : 1))

for (const database of databases)
  for (const policy of policies) {
    it.effect(
      `the window of ${policy.scheme} on ${database.name} is the same when shares are added to it as when it is read anew`,
      () =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(batches, fc.bigInt(1n, 300n), (batches, networkWork) =>
              Effect.gen(function* () {
                const place = database.name === "SQLite" ? { file: ":memory:" } : yield* database.fresh
                const ledger = Context.get(
                  yield* Layer.build(Ledger.layer({ ...place, commitInterval: 10, slice: "20 seconds" })),
                  Ledger
                )
                const tracker = new WindowTracker(ledger.sql, policy, ledger.lastSeq)
                yield* tracker.load(networkWork)
                ledger.onCommit((shares) => tracker.add(shares))
                let number = 0
                for (const batch of batches) {
                  const stored: Array<NewShare> = []
                  for (const { pause, user, work } of batch) {
                    yield* TestClock.adjust(pause)
                    const hash = new Uint8Array(32)
                    new DataView(hash.buffer).setUint32(0, ++number)
                    const at = yield* Clock.currentTimeMillis
                    stored.push({ at, user, worker: "", work, height: 1, hash, isBlock: false })
                  }
                  // The second one ends when the tracker has the shares.
                  const both = Effect.all([ledger.append(stored), ledger.refresh], { concurrency: 2 })
                  const appended = yield* Effect.forkChild(both, { startImmediately: true })
                  yield* TestClock.adjust(10)
                  yield* Fiber.join(appended)
                  yield* tracker.add([])
                  const window = yield* readWindow(ledger.sql, tracker.last, tracker.limits)
                  assert.strictEqual(tracker.last, number)
                  assert.strictEqual(tracker.work, window.work)
                  assert.deepStrictEqual(plain(tracker.weights), plain(window.weights))
                }
              }).pipe(
                Effect.scoped,
                Effect.provide(Layer.mergeAll(Logger.layer([]), TestClock.layer())),
                Effect.runPromise
              )
            ),
            // A schema takes PostgreSQL long to make.
            { numRuns: database.name === "SQLite" ? 20 : 3 }
          )
        )
    )
  }
