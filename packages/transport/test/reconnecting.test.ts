import { assert, describe, it } from "@effect/vitest"
import { Memory, MiningDialer, MiningListener, Noise, reconnecting, type ServerAddress, Setup } from "@sluice/transport"
import { Effect, Fiber, Layer, Random, Stream } from "effect"
import { TestClock } from "effect/testing"
import { logTo, noise, responder } from "./fixture.ts"

const A: ServerAddress = { host: "a", port: 1, security: noise }
const B: ServerAddress = { host: "b", port: 1, security: noise }

/** A server that sends a message and then, if asked to, closes the connection. */
const serverAt = (network: Memory.Network, address: ServerAddress, hangUp: boolean) =>
  Layer.effectDiscard(
    Effect.flatMap(MiningListener, ({ run }) =>
      Effect.forkScoped(
        run((connection) =>
          Effect.andThen(
            connection.send([{ _tag: "Reconnect", newHost: address.host, newPort: 1 }]),
            hangUp ? Effect.void : Effect.never
          )
        )
      )
    )
  ).pipe(
    Layer.provide(Setup.server(MiningListener)),
    Layer.provide(responder()),
    Layer.provide(network.listener(address)),
    Layer.orDie
  )

const client = (network: Memory.Network) =>
  Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(network.dialer))

/** Keeps a connection to the servers. Gives the servers that it reached, in order. */
const keep = Effect.fnUntraced(function* (
  network: Memory.Network,
  ...servers: readonly [ServerAddress, ...Array<ServerAddress>]
) {
  const reached: Array<string> = []
  const dialer = yield* Effect.provide(MiningDialer, client(network))
  const fiber = yield* reconnecting(dialer, servers, (connection) =>
    Stream.runForEachArray(connection.receive, ([first]) =>
      Effect.sync(() => reached.push(first._tag === "Reconnect" ? first.newHost : first._tag))
    )
  ).pipe(Effect.forkScoped)
  return { reached, fiber }
})

const delays = (lines: ReadonlyArray<string>) =>
  lines.flatMap((line) => /Trying again in ([\d.]+) s$/.exec(line)?.[1] ?? []).map(Number)

describe("reconnecting", () => {
  it.effect("waits longer after each failure, up to a limit, with jitter, and logs the delay", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        yield* keep(Memory.make(), A)
        yield* TestClock.adjust("5 minutes")
      }).pipe(Effect.scoped, Effect.provide(logTo(lines)), Random.withSeed("jitter"))
      const waits = delays(lines)
      // Logs the delays of 1, 2, 4, 8, 16 and 30 seconds, and then one line a minute.
      assert.isTrue(waits.length >= 8 && waits.length <= 11, `${waits.length} lines in five minutes`)
      for (const [i, wait] of waits.entries()) {
        const longest = Math.min(30, 2 ** i)
        assert.isTrue(wait >= longest / 2 && wait <= longest, `wait ${i} is ${wait} s`)
      }
      assert.isAbove(new Set(waits).size, 5)
      assert.match(
        lines[0]!,
        /^Warn No connection to stratum2\+tcp:\/\/a:1\/9\w+: cannot connect to a:1: nothing listens there/
      )
    })
  )

  it.effect("connects when the server starts, and again after each loss", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const { reached } = yield* keep(network, A)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(reached, [])
      for (let i = 1; i <= 3; i++) {
        yield* Effect.gen(function* () {
          yield* Layer.build(serverAt(network, A, false))
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual(
            reached,
            Array.from({ length: i }, () => "a")
          )
        }).pipe(Effect.scoped)
      }
    }).pipe(Effect.provide(logTo([])))
  )

  it.effect("tries the servers in turn", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      yield* Layer.build(serverAt(network, A, true))
      yield* Layer.build(serverAt(network, B, true))
      const { reached } = yield* keep(network, A, B)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(reached.slice(0, 4), ["a", "b", "a", "b"])
    }).pipe(Effect.provide(logTo([])))
  )

  it.effect("starts with a short delay again after a long connection", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const network = Memory.make()
        yield* keep(network, A)
        yield* TestClock.adjust("2 minutes")
        yield* Effect.scoped(Effect.andThen(Layer.build(serverAt(network, A, false)), TestClock.adjust("2 minutes")))
        yield* TestClock.adjust("1 second")
      }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
      const lost = lines.findIndex((line) => line.includes("The connection to stratum2+tcp://a:1/"))
      assert.isAbove(lost, 3)
      assert.include(lines[lost], "ended: the peer closed the connection. Trying again in ")
      assert.isAtMost(delays(lines.slice(lost, lost + 1))[0]!, 1)
    })
  )

  it.effect("fails with a defect of the handler, and stops when interrupted", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      yield* Layer.build(serverAt(network, A, false))
      const dialer = yield* Effect.provide(MiningDialer, client(network))
      const exit = yield* Effect.exit(reconnecting(dialer, [A], () => Effect.die("a bug")))
      assert.include(String(exit), "a bug")
      const { fiber } = yield* keep(network, A)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(logTo([])))
  )
})
