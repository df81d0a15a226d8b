import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type HandshakeLane, makeHandshakeQueue } from "../src/handshake-queue.ts"

describe("handshakes", () => {
  it.effect("are begun one at a time on the event loop, and addresses take turns", () =>
    Effect.gen(function* () {
      const { run } = yield* makeHandshakeQueue({ maxPerSecond: 1000 })
      const begun: Array<string> = []
      let atOnce = 0
      const handshake = (name: string) => (lane: HandshakeLane) =>
        Effect.gen(function* () {
          begun.push(name)
          atOnce++
          assert.deepStrictEqual([atOnce, lane], [1, "event loop"])
          yield* Effect.sleep(10)
          atOnce--
        })
      const storm = Array.from({ length: 5 }, (_, i) => run("192.0.2.1", handshake(`storm${i}`)))
      const all = [...storm, run("192.0.2.2", handshake("guest"))]
      const fibers = yield* Effect.forEach(all, (one) => Effect.forkChild(one))
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(begun, ["storm0", "storm1", "guest", "storm2", "storm3", "storm4"])
    })
  )

  const lanes = Effect.fnUntraced(function* (
    threads: { readonly slots: number; readonly above: number },
    count: number
  ) {
    const { run } = yield* makeHandshakeQueue({ maxPerSecond: 1000, threads })
    const used: Array<HandshakeLane> = []
    for (let i = 0; i < count; i++) {
      yield* Effect.forkChild(
        run("192.0.2.1", (lane) => {
          used.push(lane)
          return Effect.never
        })
      )
    }
    yield* Effect.yieldNow
    return used
  })

  it.effect("are computed in threads where more than some wait, as many as those can have", () =>
    Effect.gen(function* () {
      // One is computed here and three may wait: two of the other six are in threads, four have to wait.
      assert.deepStrictEqual(yield* lanes({ slots: 2, above: 3 }, 9), ["event loop", "thread", "thread"])
      assert.deepStrictEqual(yield* lanes({ slots: 2, above: 3 }, 4), ["event loop"])
    })
  )

  it.effect("are all computed in threads where the event loop is not to compute any", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* lanes({ slots: 2, above: 0 }, 1), ["thread"])
      assert.deepStrictEqual(yield* lanes({ slots: 2, above: 0 }, 5), ["thread", "thread"])
    })
  )

  it.effect("are begun so many a second", () =>
    Effect.gen(function* () {
      const { run } = yield* makeHandshakeQueue({ maxPerSecond: 10, threads: { slots: 100, above: 0 } })
      let done = 0
      const one = run("192.0.2.1", () => Effect.sync(() => done++))
      yield* Effect.forEach(Array.from({ length: 25 }), () => Effect.forkChild(one))
      yield* TestClock.adjust(1)
      assert.strictEqual(done, 10)
      yield* TestClock.adjust(499)
      assert.strictEqual(done, 15)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(done, 25)
    })
  )

  it.effect("are refused when too many wait, of one address at half of them", () =>
    Effect.gen(function* () {
      const { run } = yield* makeHandshakeQueue({ maxPerSecond: 2 })
      const never = () => Effect.never
      yield* Effect.forkChild(run("192.0.2.9", never))
      yield* Effect.yieldNow
      for (let i = 0; i < 5; i++) yield* Effect.forkChild(run("192.0.2.1", never))
      yield* Effect.yieldNow
      assert.deepStrictEqual(yield* Effect.flip(run("192.0.2.1", never)), { _tag: "QueueFull", waiting: 5 })
      for (let i = 0; i < 5; i++) yield* Effect.forkChild(run(`192.0.2.${i + 2}`, never))
      yield* Effect.yieldNow
      assert.deepStrictEqual(yield* Effect.flip(run("192.0.2.8", never)), { _tag: "QueueFull", waiting: 10 })
    })
  )

  it.effect("that are given up, waiting or begun, make room for others", () =>
    Effect.gen(function* () {
      const { run } = yield* makeHandshakeQueue({ maxPerSecond: 1000 })
      const first = yield* Effect.forkChild(run("a", () => Effect.never))
      yield* Effect.yieldNow
      const second = yield* Effect.forkChild(run("b", () => Effect.never))
      yield* Effect.yieldNow
      let done = false
      const third = yield* Effect.forkChild(run("c", () => Effect.sync(() => (done = true))))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(second)
      assert.isFalse(done)
      yield* Fiber.interrupt(first)
      yield* Fiber.join(third)
      assert.isTrue(done)
    })
  )
})
