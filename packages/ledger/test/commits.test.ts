/** When the writer of the ledger commits. */
import { assert, describe, it } from "@effect/vitest"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Ledger } from "../src/index.ts"

/** With a user whom the ledger knows. */
const ledger = Effect.gen(function* () {
  const { append, lastSeq, sink } = yield* Ledger
  const number = yield* Effect.forkChild(
    append([{ at: 0, user: "alice", worker: "", work: 1n, height: 1, hash: new Uint8Array(32), isBlock: false }]),
    { startImmediately: true }
  )
  yield* TestClock.adjust("20 millis")
  assert.isDefined(number.pollUnsafe())
  const record = (count: number) =>
    Array.from({ length: count }, (_, index) => sink.recordLater([acceptedShare(index)]))
  /** Lets time pass. Gives the number of shares that are committed then. */
  const after = (ms: number) => Effect.as(TestClock.adjust(ms), lastSeq).pipe(Effect.map((count) => count() - 1))
  return { record, after }
})

const run = <E>(test: Effect.Effect<void, E, Ledger>) =>
  test.pipe(Effect.provide(Ledger.layer({ file: ":memory:" })), Effect.provide(Logger.layer([])))

describe("a commit", () => {
  it.effect("comes an interval after the first share, if something waits for one of them", () =>
    run(
      Effect.gen(function* () {
        const { after, record } = yield* ledger
        const [first, second] = record(2)
        assert.strictEqual(first, second)
        second!.hurry()
        assert.strictEqual(yield* after(19), 0)
        assert.isFalse(first!.isEnded)
        assert.strictEqual(yield* after(1), 2)
        assert.isTrue(first!.isRecorded)
      })
    )
  )

  it.effect("comes after twenty intervals, if nothing waits for its shares", () =>
    run(
      Effect.gen(function* () {
        const { after, record } = yield* ledger
        record(2)
        assert.strictEqual(yield* after(300), 0)
        const [later] = record(1)
        assert.strictEqual(yield* after(99), 0)
        assert.strictEqual(yield* after(1), 3)
        assert.isTrue(later!.isRecorded)
      })
    )
  )

  it.effect("comes at once, if something begins to wait after an interval", () =>
    run(
      Effect.gen(function* () {
        const { after, record } = yield* ledger
        const [recording] = record(1)
        assert.strictEqual(yield* after(50), 0)
        recording!.hurry()
        assert.strictEqual(yield* after(0), 1)
        // The next one takes its time again.
        record(1)
        assert.strictEqual(yield* after(399), 1)
        assert.strictEqual(yield* after(1), 2)
      })
    )
  )

  it.effect.each([
    { took: 8, next: 12 },
    { took: 15, next: 10 }
  ])(
    "that took $took ms has the next one come $next ms after a share, half an interval at the least",
    ({ next, took }) =>
      run(
        Effect.gen(function* () {
          const { after, record } = yield* ledger
          const { onCommit } = yield* Ledger
          let commits = 0
          onCommit(() => (commits++ === 0 ? Effect.sleep(took) : Effect.void))
          const hurry = () => record(1)[0]!.hurry()
          hurry()
          assert.strictEqual(yield* after(20), 1)
          yield* after(took)
          hurry()
          assert.strictEqual(yield* after(next - 1), 1)
          assert.strictEqual(yield* after(1), 2)
        })
      )
  )

  it.effect("does not wait for more than 1,000 shares", () =>
    run(
      Effect.gen(function* () {
        const { after, record } = yield* ledger
        record(999)
        assert.strictEqual(yield* after(20), 0)
        record(1)
        assert.strictEqual(yield* after(0), 1_000)
      })
    )
  )

  it.effect("goes on after a listener's defect", () =>
    run(
      Effect.gen(function* () {
        const { after, record } = yield* ledger
        let commits = 0
        const { onCommit } = yield* Ledger
        onCommit(() => (commits++ === 0 ? Effect.die(new Error("a defect")) : Effect.void))
        record(1)
        assert.strictEqual(yield* after(400), 1)
        const [later] = record(1)
        assert.strictEqual(yield* after(400), 2)
        assert.isTrue(later!.isRecorded)
      })
    )
  )

  it.effect("goes on after a defect of something that waited for its shares, and tells the others", () =>
    run(
      Effect.gen(function* () {
        const { after, record } = yield* ledger
        const [recording] = record(1)
        let hasHeard = false
        recording!.onEnd(() => {
          throw new Error("a defect")
        })
        recording!.onEnd(() => (hasHeard = true))
        assert.strictEqual(yield* after(400), 1)
        assert.isTrue(hasHeard)
        const [later] = record(1)
        assert.strictEqual(yield* after(400), 2)
        assert.isTrue(later!.isRecorded)
      })
    )
  )
})
