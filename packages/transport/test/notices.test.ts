import { assert, it } from "@effect/vitest"
import { makeNotices } from "@sluice/transport"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { logTo } from "./fixture.ts"

it.effect("a frequent event is logged at once the first time, and then in one line every few seconds", () => {
  const lines: Array<string> = []
  return Effect.gen(function* () {
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { note } = yield* makeNotices("10 seconds")
        for (let i = 0; i < 100; i++) yield* note("full", `no place for ${i}`)
        yield* note("garbage", "what is that?", "Warn")
        assert.deepStrictEqual(lines, ["Info no place for 0", "Warn what is that?"])
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(lines.slice(2), ["Info no place for 99 (and 98 more like it in 10 s)"])
        // After an interval without events, the next event is logged at once again.
        yield* TestClock.adjust("10 seconds")
        yield* note("full", "no place again")
        assert.deepStrictEqual(lines.slice(3), ["Info no place again"])
        yield* note("full", "nor now")
      })
    )
    assert.deepStrictEqual(lines.slice(4), ["Info nor now"])
  }).pipe(Effect.provide(logTo(lines)))
})
