/** Several listeners as one: the addresses of all, one handler and setup, and each one's failures its own. */
import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import {
  type ConnectionListener,
  ListenError,
  Memory,
  mergeListeners,
  MiningDialer,
  MiningListener,
  Plain,
  Security,
  Setup
} from "@sluice/transport"
import { Context, Effect, Fiber, Layer, Stream } from "effect"
import { logTo, noise, plain, responder } from "./fixture.ts"

const FIRST = { host: "memory", port: 1 }
const SECOND = { host: "memory", port: 2 }

/** A network with a dialer for both kinds of addresses, and layers of listeners on it. */
const makeWorld = Effect.gen(function* () {
  const network = Memory.make()
  const dialing = Setup.client(MiningDialer).pipe(Layer.provide(Security.dialer()), Layer.provide(network.dialer))
  const { dial } = Context.get(yield* Layer.build(dialing), MiningDialer)
  const withNoise = Setup.server(MiningListener).pipe(
    Layer.provide(responder()),
    Layer.provide(network.listener(FIRST))
  )
  const withoutNoise = Setup.server(MiningListener).pipe(
    Layer.provide(Plain.listener),
    Layer.provide(network.listener(SECOND))
  )
  return { dial, withNoise, withoutNoise }
})

const build = <E>(layer: Layer.Layer<MiningListener, E>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, MiningListener))

const reconnect = { _tag: "Reconnect", newHost: "", newPort: 0 } as const

/** Sends one message and waits for the client to go. */
const greet = ({ receive, send }: Parameters<Parameters<MiningListener["Service"]["run"]>[0]>[0]) =>
  Effect.andThen(send([reconnect]), Stream.runDrain(receive))

/** A listener that fails with `code` when it runs. */
const failing = (code: string, address = SECOND) =>
  Layer.succeed(MiningListener, {
    address,
    addresses: [address],
    run: () => Effect.fail(new ListenError({ address, code, cause: new Error(code) })),
    stopAccepting: Effect.void
  } satisfies ConnectionListener<Mining.ToServer, Mining.ToClient>)

describe("mergeListeners", () => {
  it.effect("serves the clients of each listener with the same handler and setup", () =>
    Effect.gen(function* () {
      const { dial, withNoise, withoutNoise } = yield* makeWorld
      const { address, addresses, run } = yield* build(mergeListeners(MiningListener, [withNoise, withoutNoise]))
      assert.deepStrictEqual(address, FIRST)
      assert.deepStrictEqual(addresses, [FIRST, SECOND])
      yield* Effect.forkScoped(run(greet, { supportedFlags: 0b1, flags: Mining.REQUIRES_EXTENDED_CHANNELS }))
      for (const server of [
        { ...FIRST, security: noise },
        { ...SECOND, security: plain }
      ]) {
        const { receive, setup } = yield* dial(server, { flags: 0b1 })
        assert.strictEqual(setup.flags, Mining.REQUIRES_EXTENDED_CHANNELS)
        assert.deepStrictEqual(yield* receive.pipe(Stream.take(1), Stream.runCollect), [reconnect])
      }
    }).pipe(Effect.scoped, Effect.provide(logTo([])))
  )

  it.effect("goes on with the others when one fails while it runs, and logs it", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const { dial, withNoise } = yield* makeWorld
      const { run } = yield* build(mergeListeners(MiningListener, [failing("EMFILE"), withNoise]))
      yield* Effect.forkScoped(run(greet))
      const { receive } = yield* dial({ ...FIRST, security: noise })
      assert.deepStrictEqual(yield* receive.pipe(Stream.take(1), Stream.runCollect), [reconnect])
      const errors = lines.filter((line) => line.startsWith("Error"))
      assert.lengthOf(errors, 1)
      assert.match(errors[0]!, /^Error The server no longer listens at memory:2, only elsewhere: .*EMFILE/)
    }).pipe(Effect.scoped, Effect.provide(logTo(lines)))
  })

  it.effect("fails with the last error when none runs any longer", () =>
    Effect.gen(function* () {
      const { run } = yield* build(mergeListeners(MiningListener, [failing("EMFILE", FIRST), failing("ENOBUFS")]))
      const error = yield* Effect.flip(run(greet))
      assert.deepInclude(error, { address: SECOND, code: "ENOBUFS" })
    }).pipe(Effect.scoped, Effect.provide(logTo([])))
  )

  it.effect("stops accepting at all addresses, and keeps the connections that are open", () =>
    Effect.gen(function* () {
      const { dial, withNoise, withoutNoise } = yield* makeWorld
      const { run, stopAccepting } = yield* build(mergeListeners(MiningListener, [withNoise, withoutNoise]))
      const running = yield* Effect.forkScoped(
        run(({ receive, send }) => Stream.runForEachArray(receive, () => send([reconnect])))
      )
      const { receive, send } = yield* dial({ ...SECOND, security: plain })
      yield* stopAccepting
      for (const server of [
        { ...FIRST, security: noise },
        { ...SECOND, security: plain }
      ]) {
        assert.strictEqual((yield* Effect.flip(Effect.scoped(dial(server))))._tag, "DialError")
      }
      yield* send([{ _tag: "CloseChannel", channelId: 1, reasonCode: "" }])
      assert.deepStrictEqual(yield* receive.pipe(Stream.take(1), Stream.runCollect), [reconnect])
      // The end of the listeners ends the connections of both.
      yield* Fiber.interrupt(running)
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(receive)))._tag, "TransportError")
    }).pipe(Effect.scoped, Effect.provide(logTo([])))
  )

  it.effect("cannot be built if one of the listeners cannot, and frees the addresses of the others", () =>
    Effect.gen(function* () {
      const { withNoise, withoutNoise } = yield* makeWorld
      const { address } = yield* Effect.flip(
        Effect.scoped(build(mergeListeners(MiningListener, [withNoise, withoutNoise, Layer.fresh(withoutNoise)])))
      )
      assert.deepStrictEqual(address, SECOND)
      yield* build(withNoise)
    }).pipe(Effect.scoped, Effect.provide(logTo([])))
  )
})
