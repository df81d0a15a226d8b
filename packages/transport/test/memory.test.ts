import { assert, describe, it } from "@effect/vitest"
import { Dialer, type Duplex, Listener, Memory } from "@sluice/transport"
import { Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"

/** Both ends of one connection. */
const connect = Effect.gen(function* () {
  const listener = yield* Listener
  const dialer = yield* Dialer
  const accepted = yield* Deferred.make<Duplex>()
  yield* Effect.forkScoped(listener.run((duplex) => Effect.andThen(Deferred.succeed(accepted, duplex), Effect.never)))
  const clientScope = yield* Scope.make()
  const client = yield* Scope.provide(dialer.dial(listener.address), clientScope)
  const server = yield* Deferred.await(accepted)
  return { client, server, closeClient: Scope.close(clientScope, Exit.void) }
})

const write = (duplex: Duplex, ...bytes: ReadonlyArray<number>) => duplex.write(() => Uint8Array.from(bytes))

describe("Memory", () => {
  it.effect("carries bytes both ways, in order, and copies them", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connect
      const bytes = Uint8Array.of(1, 2)
      yield* client.write(() => bytes)
      yield* write(client, 3)
      const [first, second] = yield* server.pull
      first[0] = 99
      assert.deepStrictEqual([...bytes], [1, 2])
      assert.deepStrictEqual([...second!], [3])
      yield* write(server, 4)
      assert.deepStrictEqual(yield* client.pull, [Uint8Array.of(4)])
    }).pipe(Effect.provide(Memory.network()))
  )

  it.effect("delivers what was written before the close, and then fails", () =>
    Effect.gen(function* () {
      const { client, closeClient, server } = yield* connect
      yield* write(client, 1)
      yield* closeClient
      assert.deepStrictEqual(yield* server.pull, [Uint8Array.of(1)])
      assert.strictEqual((yield* Effect.flip(server.pull)).reason._tag, "Closed")
      assert.strictEqual((yield* Effect.flip(write(server, 1))).reason._tag, "Closed")
      assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
    }).pipe(Effect.provide(Memory.network()))
  )

  it.effect("fails a waiting pull when the peer closes", () =>
    Effect.gen(function* () {
      const { closeClient, server } = yield* connect
      const waiting = yield* Effect.forkChild(Effect.flip(server.pull))
      yield* Effect.yieldNow
      yield* closeClient
      assert.strictEqual((yield* Fiber.join(waiting)).reason._tag, "Closed")
    }).pipe(Effect.provide(Memory.network()))
  )

  it.effect("makes a writer wait while the window is full, until the peer reads", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connect
      const order: Array<string> = []
      const writer = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let i = 0; i < 4; i++) {
            yield* write(client, i, i, i)
            order.push(`wrote ${i}`)
          }
        })
      )
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(order, ["wrote 0", "wrote 1"])
      assert.deepStrictEqual((yield* server.pull).length, 2)
      yield* Fiber.join(writer)
      assert.deepStrictEqual(order, ["wrote 0", "wrote 1", "wrote 2", "wrote 3"])
    }).pipe(Effect.provide(Memory.network({ capacity: 4 })))
  )

  it.effect("calls for the bytes of a write only when it sends them, in the order of sending", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connect
      let produced = 0
      const write = client.write(() => Uint8Array.of(produced++))
      const writers = yield* Effect.forEach([1, 2, 3, 4, 5], () => Effect.forkChild(write))
      yield* TestClock.adjust(1)
      assert.strictEqual(produced, 1)
      yield* Fiber.interrupt(writers[2]!)
      const received: Array<number> = []
      while (received.length < 4) received.push(...(yield* server.pull).flatMap((chunk) => [...chunk]))
      assert.deepStrictEqual(received, [0, 1, 2, 3])
      assert.strictEqual(produced, 4)
    }).pipe(Effect.provide(Memory.network({ capacity: 1 })))
  )

  it.effect("ends a connection whose peer reads nothing for too long", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connect
      yield* write(client, 1)
      const stuck = yield* Effect.forkChild(Effect.flip(write(client, 2)))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(stuck.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(stuck)
      assert.strictEqual(error.reason._tag, "SendTimeout")
      assert.include(error.message, "5 s")
      assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "SendTimeout")
      yield* server.pull
      assert.strictEqual((yield* Effect.flip(server.pull)).reason._tag, "Closed")
    }).pipe(Effect.provide(Memory.network({ capacity: 1, sendTimeout: "5 seconds" })))
  )

  it.effect("cuts writes with the given function, and gives one chunk a pull", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connect
      yield* write(client, 1, 2, 3)
      assert.deepStrictEqual(yield* server.pull, [Uint8Array.of(1)])
      assert.deepStrictEqual(yield* server.pull, [Uint8Array.of(2, 3)])
    }).pipe(Effect.provide(Memory.network({ split: (bytes) => [bytes.subarray(0, 1), bytes.subarray(1)] })))
  )

  it.effect("refuses to dial an address without a listener, and to listen twice at one address", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const address = { host: "pool", port: 3333 }
      yield* Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.flatMap(Dialer, (dialer) => dialer.dial(address)))
        assert.strictEqual(error.code, "ECONNREFUSED")
      }).pipe(Effect.provide(network.dialer))
      const error = yield* Effect.flip(
        Effect.scoped(
          Effect.andThen(Layer.build(network.listener(address)), Layer.build(Layer.fresh(network.listener(address))))
        )
      )
      assert.include(error.message, "cannot listen on pool:3333: the port is in use")
    })
  )

  it.effect("keeps connections that came before the listener was run", () =>
    Effect.gen(function* () {
      const dialer = yield* Dialer
      const listener = yield* Listener
      const client = yield* dialer.dial(listener.address)
      yield* write(client, 5)
      yield* Effect.forkScoped(
        listener.run((duplex) =>
          Effect.flatMap(duplex.pull, ([chunk]) =>
            Effect.andThen(
              duplex.write(() => chunk),
              Effect.never
            )
          )
        )
      )
      assert.deepStrictEqual(yield* client.pull, [Uint8Array.of(5)])
    }).pipe(Effect.provide(Memory.network()))
  )
})
