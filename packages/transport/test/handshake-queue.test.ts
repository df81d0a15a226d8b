import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type HandshakeLane, makeHandshakeQueue } from "../src/limits/handshake-queue.ts"

describe("handshakes", () => {
  it.effect("run one at a time on the event loop, and addresses take turns", () =>
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

  it.effect("run in threads when more than a number wait, up to the capacity of the threads", () =>
    Effect.gen(function* () {
      // One runs on the event loop and three may wait for it: of the other six, two are in threads and four wait.
      assert.deepStrictEqual(yield* lanes({ slots: 2, above: 3 }, 9), ["event loop", "thread", "thread"])
      assert.deepStrictEqual(yield* lanes({ slots: 2, above: 3 }, 4), ["event loop"])
    })
  )

  it.effect("all run in threads if the event loop must not compute any", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* lanes({ slots: 2, above: 0 }, 1), ["thread"])
      assert.deepStrictEqual(yield* lanes({ slots: 2, above: 0 }, 5), ["thread", "thread"])
    })
  )

  it.effect("begin at the limited rate", () =>
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

  /** One handshake runs for ever, and with `maxPerSecond` 2 ten may wait: those of these hosts, in this order. */
  const waiting = Effect.fnUntraced(function* (hosts: ReadonlyArray<string>) {
    const { run } = yield* makeHandshakeQueue({ maxPerSecond: 2 })
    const refused: Array<string> = []
    const come = (host: string) =>
      Effect.forkChild(
        Effect.catchTag(
          run(host, () => Effect.never),
          "QueueFull",
          ({ waiting }) => Effect.sync(() => refused.push(`${host} ${waiting}`))
        )
      ).pipe(Effect.andThen(Effect.yieldNow), Effect.andThen(Effect.yieldNow))
    for (const host of ["busy", ...hosts]) yield* come(host)
    assert.deepStrictEqual(refused, [])
    return { come, refused }
  })
  const times = (count: number, host: string) => Array.from({ length: count }, () => host)

  it.effect("are refused when too many wait: the newest of the address with the most waiting", () =>
    Effect.gen(function* () {
      const { come, refused } = yield* waiting([...times(6, "192.0.2.1"), ...times(4, "192.0.2.2")])
      yield* come("192.0.2.1")
      assert.deepStrictEqual(refused, ["192.0.2.1 10"], "its own line is the longest")
      for (let count = 0; count < 3; count++) yield* come("192.0.2.3")
      yield* come("192.0.2.2")
      assert.deepStrictEqual(refused.slice(1), ["192.0.2.1 10", "192.0.2.1 10", "192.0.2.2 10", "192.0.2.2 10"])
    })
  )

  it.effect("are never refused to an address without waiting ones, however many others wait", () =>
    Effect.gen(function* () {
      const { come, refused } = yield* waiting(Array.from({ length: 10 }, (_, index) => `192.0.2.${index}`))
      yield* come("192.0.2.9")
      assert.deepStrictEqual(refused, ["192.0.2.9 10"])
      yield* come("192.0.2.10")
      assert.deepStrictEqual(refused.slice(1), ["192.0.2.0 10"])
    })
  )

  it.effect("of one address may take all places while no other address comes", () =>
    Effect.gen(function* () {
      const { refused } = yield* waiting(times(10, "192.0.2.1"))
      assert.deepStrictEqual(refused, [])
    })
  )

  it.effect("that are interrupted, waiting or running, make room for others", () =>
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
