/** Frames through a relay, in memory: nothing is lost, changed, or held for ever. */
import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { Effect, Exit, Fiber, Scope } from "effect"
import { closeChannel, connect, frame, makeWorld, nonEmpty, read, SERVER, setup, setupSuccess } from "./raw.ts"

/** All sorts: unknown extensions and types, fields cut short, TLVs and padding behind them, nothing at all, 100 KB. */
const sorts = [
  setup(0),
  frame(0x4abc, 0x00, 1, 2, 3),
  frame(0xcabc, 0x77, 1, 0, 0, 0, 9),
  frame(0x8000, 0x1a, 1, 2, 3),
  frame(0x0000, 0xff),
  Buffer.from(
    "00801b2a0000010000000200000003000000efbeadde40d6645fe0ffff3f02abcd0200010a00576f726b65725f303031",
    "hex"
  ),
  Buffer.from("00801b210000010000000200000003000000efbeadde40d6645fe0ffff3f02abcd0200010aff41", "hex"),
  Buffer.concat([closeChannel(7).fill(20, 3, 4), Buffer.alloc(20 - closeChannel(7).length + 6)]),
  frame(0x4abc, 0x01, ...Array.from({ length: 100_000 }, (_, index) => index & 0xff)),
  setupSuccess
]

const split = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const size = 1 + (bytes.length % 911)
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size)
  )
}

/** Lets everybody else go on for so many turns. */
const turns = (count: number) => Effect.repeat(Effect.yieldNow, { times: count })

describe("frames", () => {
  it.effect.each([undefined, split])("of any kind pass byte for byte in both directions (cut by %s)", (split) =>
    Effect.gen(function* () {
      const world = yield* makeWorld(split === undefined ? {} : { split })
      const { client, server } = yield* connect(world)
      const all = Buffer.concat(sorts)
      for (const [from, to] of [
        [client, server],
        [server, client]
      ] as const) {
        const writing = yield* Effect.forkChild(Effect.forEach(sorts, (each) => from.write([each])))
        assert.isTrue((yield* read(to, all.length)).equals(all))
        yield* Fiber.join(writing)
        yield* from.write(nonEmpty(sorts.slice(0, 8)))
        const some = Buffer.concat(sorts.slice(0, 8))
        assert.isTrue((yield* read(to, some.length)).equals(some))
      }
      const seen = world.events.flatMap((event) => (event._tag === "Message" ? [event] : []))
      assert.lengthOf(seen, 2 + 4 * sorts.length - 4)
      assert.isTrue(seen.every(({ fate }) => fate === "passed"))
    })
  )

  it.effect("of one write are forwarded in one write", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld()
      const { client, server } = yield* connect(world)
      for (const [from, to] of [
        [client, server],
        [server, client]
      ] as const) {
        yield* from.write([closeChannel(1), closeChannel(2), closeChannel(3)])
        assert.lengthOf(yield* to.pull, 3)
      }
    })
  )

  it.effect.each(["server", "client"] as const)(
    "that the %s does not take hold up who sends them, and none is lost",
    (to) =>
      Effect.gen(function* () {
        const world = yield* makeWorld({ capacity: 1000 })
        const ends = yield* connect(world)
        const [from, reader] = to === "server" ? [ends.client, ends.server] : [ends.server, ends.client]
        let written = 0
        yield* Effect.suspend(() => from.write([closeChannel(written)])).pipe(
          Effect.tap(() => Effect.sync(() => written++)),
          Effect.forever,
          Effect.forkScoped
        )
        yield* turns(2000)
        const stuck = written
        yield* turns(100)
        assert.strictEqual(written, stuck)
        // Two pipes of 1,000 bytes, and what the relay has read and not yet written.
        assert.isBelow(stuck * closeChannel(0).length, 5000)
        for (let channelId = 0; channelId < stuck + 100;) {
          for (const { payload } of yield* reader.pull)
            assert.strictEqual(payload[0]! | (payload[1]! << 8), channelId++)
        }
      })
  )

  it.effect("may be long only after the server has answered", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld({ maxPayload: 10_000 })
      const { client, server } = yield* connect(world)
      yield* client.write([frame(0x4abc, 0, ...Buffer.alloc(10_000))])
      assert.lengthOf((yield* server.pull)[0].payload, 10_000)
      yield* client.write([frame(0x4abc, 0, ...Buffer.alloc(10_001))])
      assert.strictEqual((yield* Effect.flip(server.pull)).reason._tag, "Closed")
      const other = yield* world.dial()
      yield* other.write([setup(0), frame(0x4abc, 0, ...Buffer.alloc(5000))])
      assert.strictEqual((yield* Effect.flip(Effect.forever(other.pull))).reason._tag, "Closed")
      const reasons = world.events.flatMap((event) => (event._tag === "Closed" ? [`${event.by}: ${event.reason}`] : []))
      assert.lengthOf(reasons, 2)
      assert.match(reasons[0]!, /^client: the peer sent a frame .* of 10001 bytes; at most 10000/)
      assert.match(reasons[1]!, /^client: the peer sent a frame .* of 5000 bytes; at most 4096/)
    })
  )
})

describe("a connection", () => {
  it.effect.each(["server", "client"] as const)(
    "that the %s closes is closed at the other end, and it is told why",
    (by) =>
      Effect.gen(function* () {
        const world = yield* makeWorld()
        const { client, closeClient, closeServer, server } = yield* connect(world)
        const [closing, other] = by === "server" ? [server, client] : [client, server]
        yield* closing.write([closeChannel(1)])
        yield* by === "server" ? closeServer : closeClient
        // Frames sent before the end still arrive.
        assert.strictEqual((yield* other.pull)[0].messageType, 0x18)
        assert.strictEqual((yield* Effect.flip(other.pull)).reason._tag, "Closed")
        const last = world.events.at(-1)
        assert.deepInclude(last, { _tag: "Closed", connectionId: 1, by, reason: "the peer closed the connection" })
        assert.strictEqual(
          (yield* Effect.flip(world.sniffer.inject(1, Mining.SetExtranoncePrefix, PREFIX)))._tag,
          "NoConnection"
        )
      })
  )

  it.effect("that is closed in this process ends for its reader, and is reported as closed here", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld()
      const scope = yield* Scope.make()
      const { pull } = yield* Scope.provide(world.sniffer.dial(SERVER), scope)
      const reading = yield* Effect.forkChild(Effect.flip(pull))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(reading)).reason._tag, "Closed")
      assert.deepInclude(world.events.at(-1), { _tag: "Closed", by: "here", reason: "it was closed" })
      assert.isFalse(world.events.some((event) => "client" in event))
    })
  )

  it.effect("to an unreachable server ends, with a line in the log", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld({ server: { host: "nowhere", port: 9, security: { _tag: "plain" } } })
      const client = yield* world.dial()
      assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
      assert.deepInclude(world.events.at(-1), { _tag: "Closed", by: "server" })
      assert.match(
        world.log.at(-1)!,
        /^Info The connection from memory-client:\d+ ended: cannot connect to nowhere:9: nothing/
      )
    })
  )

  it.effect("is one of many independent ones", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld()
      const all = yield* Effect.forEach(Array.from({ length: 50 }), () => connect(world))
      yield* Effect.forEach(all, ({ client, server }, index) =>
        Effect.andThen(client.write([closeChannel(index)]), server.write([closeChannel(100 + index)]))
      )
      for (const [index, { client, server }] of all.entries()) {
        assert.strictEqual((yield* server.pull)[0].payload[0], index)
        assert.strictEqual((yield* client.pull)[0].payload[0], 100 + index)
      }
      const opened = world.events.flatMap((event) => (event._tag === "Opened" ? [event] : []))
      assert.deepStrictEqual(
        opened.map(({ connectionId }) => connectionId),
        all.map((_, index) => index + 1)
      )
      assert.strictEqual(new Set(opened.map(({ client }) => client?.port)).size, 50)
    })
  )
})

const PREFIX = { channelId: 1, extranoncePrefix: new Uint8Array(1) }
