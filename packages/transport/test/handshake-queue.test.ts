import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { makeHandshakeQueue } from "../src/handshake-queue.ts"

describe("handshakes", () => {
  it.effect("are begun so many at a time, and addresses take turns", () =>
    Effect.gen(function* () {
      const { run } = yield* makeHandshakeQueue({ maxPerSecond: 1000, slots: 1 })
      const begun: Array<string> = []
      let atOnce = 0
      const handshake = (name: string) => (isBusy: boolean) =>
        Effect.gen(function* () {
          begun.push(`${name} ${isBusy ? "busy" : "alone"}`)
          atOnce++
          assert.strictEqual(atOnce, 1)
          yield* Effect.sleep(10)
          atOnce--
        })
      const storm = Array.from({ length: 5 }, (_, i) => run("192.0.2.1", handshake(`storm${i}`)))
      const fibers = yield* Effect.forEach([...storm, run("192.0.2.2", handshake("guest"))], (one) =>
        Effect.forkChild(one)
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(fibers)
      // All of them came in one turn of the event loop: the first began alone.
      assert.deepStrictEqual(
        begun.map((line) => line.split(" ")[0]),
        ["storm0", "storm1", "guest", "storm2", "storm3", "storm4"]
      )
      assert.strictEqual(begun[0], "storm0 alone")
      assert.strictEqual(begun[2], "guest busy")
      assert.strictEqual(begun[5], "storm4 alone")
    })
  )

  it.effect("are begun so many a second", () =>
    Effect.gen(function* () {
      const { run } = yield* makeHandshakeQueue({ maxPerSecond: 10, slots: 100 })
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
      const { run } = yield* makeHandshakeQueue({ maxPerSecond: 2, slots: 1 })
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
      const { run } = yield* makeHandshakeQueue({ maxPerSecond: 1000, slots: 1 })
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
