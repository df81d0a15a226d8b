import { assert, describe, it } from "@effect/vitest"
import {
  Dialer,
  type Duplex,
  FrameDialer,
  type FrameDuplex,
  FrameListener,
  Listener,
  Memory,
  Noise,
  Plain,
  Security
} from "@sluice/transport"
import { Clock, Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { authorityKey, logTo, noise, noiseOverMemory, plain, responder, strangerKey } from "./fixture.ts"

const connect = Effect.gen(function* () {
  const { address, run } = yield* FrameListener
  const accepted = yield* Deferred.make<FrameDuplex>()
  yield* Effect.forkScoped(run((frames) => Effect.andThen(Deferred.succeed(accepted, frames), Effect.never)))
  const client = yield* (yield* FrameDialer).dial({ ...address, security: noise })
  const server = yield* Deferred.await(accepted)
  return { client, server }
})

const frameOf = (length: number, messageType = 0x1a): Uint8Array => {
  const frame = new Uint8Array(6 + length)
  frame.set([0x00, 0x80, messageType, length, length >> 8, length >> 16])
  for (let i = 0; i < length; i++) frame[6 + i] = (i * 31) ^ (i >> 8)
  return frame
}

/** Pulls until this many frames have come. */
const take = (frames: FrameDuplex, count: number) =>
  Effect.gen(function* () {
    const taken = [...(yield* frames.pull)]
    while (taken.length < count) taken.push(...(yield* frames.pull))
    return taken
  })

/** Runs a server that answers act 1 with these bytes and then runs `then`. */
const fakeServer = (then: (duplex: Duplex) => Effect.Effect<void, unknown>) =>
  Effect.gen(function* () {
    const { address, run } = yield* Listener
    yield* Effect.forkScoped(run((duplex) => Effect.andThen(duplex.pull, then(duplex))))
    return address
  })

describe("Noise", () => {
  it.effect("carries frames both ways, with all frames of a write in one chunk", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connect
      yield* client.write([frameOf(10, 1), frameOf(0, 2), frameOf(300, 3)])
      const frames = yield* server.pull
      assert.deepStrictEqual(
        frames.map(({ messageType, payload }) => [messageType, payload.length]),
        [
          [1, 10],
          [2, 0],
          [3, 300]
        ]
      )
      assert.deepStrictEqual(frames[2]!.payload, frameOf(300).subarray(6))
      assert.strictEqual(frames[0].extensionType, 0x8000)
      yield* server.write([frameOf(5)])
      assert.strictEqual((yield* client.pull).length, 1)
    }).pipe(Effect.provide(noiseOverMemory()))
  )

  it.effect("does not change the frames that it sends, so that others can send them too", () =>
    Effect.gen(function* () {
      const { client } = yield* connect
      const frame = frameOf(50)
      yield* client.write([frame])
      assert.deepStrictEqual(frame, frameOf(50))
    }).pipe(Effect.provide(noiseOverMemory()))
  )

  it.effect.each([65_519, 65_520, 131_038, 131_039])("carries a payload of %i bytes", (length) =>
    Effect.gen(function* () {
      const { client, server } = yield* connect
      server.limitPayload(length)
      yield* client.write([frameOf(length), frameOf(1)])
      const frames = yield* take(server, 2)
      assert.deepStrictEqual(frames[0]!.payload, frameOf(length).subarray(6))
      assert.deepStrictEqual(frames[1]!.payload, frameOf(1).subarray(6))
    }).pipe(Effect.provide(noiseOverMemory()))
  )

  it.effect("handshakes and reads frames for any cut of the bytes", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connect
      for (let i = 0; i < 5; i++) yield* client.write([frameOf(i), frameOf(40 * i)])
      const frames = yield* take(server, 10)
      assert.deepStrictEqual(
        frames.map(({ payload }) => payload.length),
        [0, 0, 1, 40, 2, 80, 3, 120, 4, 160]
      )
    }).pipe(
      Effect.provide(
        noiseOverMemory({
          split: (bytes) => Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.slice(7 * i, 7 * i + 7))
        })
      )
    )
  )

  it.effect("keeps the order of encryption when many fibers write to a slow reader", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connect
      const writers = yield* Effect.forEach(Array.from({ length: 50 }), (_, i) =>
        Effect.forkChild(client.write([frameOf(i)]))
      )
      yield* Effect.yieldNow
      // Some writers are interrupted while they wait; the stream stays valid without their frames.
      yield* Effect.forEach([20, 30, 49], (i) => Fiber.interrupt(writers[i]!))
      const frames = yield* take(server, 47)
      assert.deepStrictEqual(
        frames.map(({ payload }) => payload.length).toSorted((a, b) => a - b),
        Array.from({ length: 50 }, (_, i) => i).filter((i) => ![20, 30, 49].includes(i))
      )
    }).pipe(Effect.provide(noiseOverMemory({ capacity: 100 })))
  )

  it.effect("serves connected clients while many others do their handshakes", () =>
    Effect.gen(function* () {
      const { address, run } = yield* FrameListener
      const dialer = yield* Dialer
      let accepted = 0
      yield* Effect.forkScoped(
        run((frames) => {
          accepted++
          return Effect.forever(Effect.andThen(frames.pull, frames.write([frameOf(1)])))
        })
      )
      const client = yield* (yield* FrameDialer).dial({ ...address, security: noise })
      for (let i = 0; i < 20; i++) yield* (yield* dialer.dial(address)).write(() => new Uint8Array(64).fill(0x80 + i))
      yield* client.write([frameOf(1)])
      yield* client.pull
      assert.isBelow(accepted, 10)
    }).pipe(Effect.provide(noiseOverMemory()))
  )

  it.effect("ends a client that sends nothing at the timeout, and no other client", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const { client, server } = yield* connect
        const dialer = yield* Dialer
        const silent = yield* dialer.dial(Memory.ADDRESS)
        const half = yield* dialer.dial(Memory.ADDRESS)
        yield* half.write(() => new Uint8Array(63))
        yield* TestClock.adjust("9 seconds")
        assert.deepStrictEqual(lines, [])
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Effect.flip(silent.pull)).reason._tag, "Closed")
        assert.strictEqual((yield* Effect.flip(half.pull)).reason._tag, "Closed")
        yield* client.write([frameOf(1)])
        assert.strictEqual((yield* server.pull).length, 1)
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(noiseOverMemory(), logTo(lines))))
      assert.strictEqual(
        lines.filter((line) => line.includes("sent 0 of the handshake's 64 bytes within 10 s")).length,
        1
      )
      assert.strictEqual(
        lines.filter((line) => line.includes("sent 63 of the handshake's 64 bytes within 10 s")).length,
        1
      )
      assert.isTrue(lines.every((line) => !line.includes("+ cause")))
    })
  )

  it.effect("ends a server that sends nothing at the timeout", () =>
    Effect.gen(function* () {
      const address = yield* fakeServer(() => Effect.never)
      const dialing = yield* Effect.forkChild(Effect.flip((yield* FrameDialer).dial({ ...address, security: noise })))
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(dialing)
      assert.strictEqual(error._tag, "HandshakeError")
      assert.include(
        error.message,
        "Noise handshake with memory:1: the server sent 0 of the handshake's 234 bytes within 3 s"
      )
    }).pipe(Effect.provide(noiseOverMemory({}, { handshakeTimeout: "3 seconds" })))
  )

  it.effect("reports that a server ended the connection during the handshake", () =>
    Effect.gen(function* () {
      const address = yield* fakeServer((duplex) => duplex.write(() => new Uint8Array(100).fill(0x80)))
      const error = yield* Effect.flip((yield* FrameDialer).dial({ ...address, security: noise }))
      assert.strictEqual(error._tag === "HandshakeError" && error.reason._tag, "HandshakeTruncated")
      assert.include(error.message, "after 100 of the handshake's 234 bytes")
    }).pipe(Effect.provide(noiseOverMemory()))
  )

  it.effect("reports that a server's answer is not a handshake", () =>
    Effect.gen(function* () {
      const address = yield* fakeServer((duplex) =>
        Effect.andThen(
          duplex.write(() => new Uint8Array(234).fill(0x80)),
          Effect.never
        )
      )
      const error = yield* Effect.flip((yield* FrameDialer).dial({ ...address, security: noise }))
      assert.strictEqual(error._tag === "HandshakeError" && error.reason._tag, "HandshakeGarbage")
      assert.include(
        error.message,
        "the peer does not speak Noise as Stratum V2 does, or the bytes were changed on the way"
      )
    }).pipe(Effect.provide(noiseOverMemory()))
  )

  it.effect.each([
    ['{"id":1,"method":"mining.subscribe","params":["some miner 1.0 with a long name"]}\n', "Stratum V1 (JSON)"],
    ["GET / HTTP/1.1\r\nHost: pool.example:3333\r\nUser-Agent: some browser\r\n\r\n", "plain text"],
    ["\0\0\0\x52\0\0\0\x02\0\x02\0" + "\0".repeat(77), "without Noise"]
  ] as const)("recognises the protocol of a client that sends %j", ([request, guess]) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const { run } = yield* FrameListener
        yield* Effect.forkScoped(run(() => Effect.never))
        const client = yield* (yield* Dialer).dial(Memory.ADDRESS)
        yield* client.write(() => new TextEncoder().encode(request))
        assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(noiseOverMemory(), logTo(lines))))
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], guess)
    })
  )

  it.effect.each([
    ['{"id":1,"result":null,"error":"unknown method"}\n', "Stratum V1 (JSON)"],
    ["HTTP/1.1 400 Bad Request\r\n\r\n", "plain text"],
    ["\0\0\x02\x19\0\0\0\0\0\0", "without Noise"]
  ] as const)("recognises the protocol of a server that answers %j", ([answer, guess]) =>
    Effect.gen(function* () {
      const address = yield* fakeServer((duplex) => duplex.write(() => new TextEncoder().encode(answer)))
      const error = yield* Effect.flip((yield* FrameDialer).dial({ ...address, security: noise }))
      assert.include(error.message, guess)
    }).pipe(Effect.provide(noiseOverMemory()))
  )

  it.effect("refuses a server with a certificate of another authority, and names the expected key", () =>
    Effect.gen(function* () {
      const { address, run } = yield* FrameListener
      yield* Effect.forkScoped(run(() => Effect.never))
      const security = { _tag: "noise", authorityKey: strangerKey } as const
      const error = yield* Effect.flip((yield* FrameDialer).dial({ ...address, security }))
      assert.strictEqual(error._tag === "HandshakeError" && error.reason._tag, "WrongAuthority")
      assert.include(error.message, "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh")
    }).pipe(Effect.provide(noiseOverMemory()))
  )

  it.effect("refuses a certificate outside its validity and the tolerance, and advises to check the clocks", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 7, 1))
      const { address, run } = yield* FrameListener
      yield* Effect.forkScoped(run(() => Effect.never))
      const dial = Effect.flatMap(FrameDialer, (dialer) => dialer.dial({ ...address, security: noise }))
      // The server makes its certificate at the first handshake. After that, the client's clock changes.
      yield* dial
      const at = (seconds: number) =>
        Effect.flatMap(Clock.Clock, (clock) => {
          const currentTimeMillis = Effect.succeed(Date.UTC(2026, 7, 1) + 1000 * seconds)
          return Effect.provideService(dial, Clock.Clock, Object.assign(Object.create(clock), { currentTimeMillis }))
        })
      yield* at(3610)
      const expired = yield* Effect.flip(at(3611))
      assert.strictEqual(expired._tag === "HandshakeError" && expired.reason._tag, "CertificateNotValidNow")
      assert.include(expired.message, "expired at 2026-08-01T01:00:00Z, and here it is 2026-08-01T01:00:11Z")
      assert.include(expired.message, "check the clocks")
      yield* at(-70)
      const early = yield* Effect.flip(at(-71))
      assert.include(early.message, "is not valid before 2026-07-31T23:59:00Z, and here it is 2026-07-31T23:58:49Z")
    }).pipe(Effect.provide(noiseOverMemory()))
  )
})

describe("Plain", () => {
  it.effect("carries frames, and warns at both ends that it is for trusted networks only", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const { address, run } = yield* FrameListener
        yield* Effect.forkScoped(run((frames) => Effect.andThen(frames.write([frameOf(3), frameOf(0)]), Effect.never)))
        const dialer = yield* FrameDialer
        for (let i = 0; i < 2; i++) {
          const client = yield* dialer.dial({ ...address, security: plain })
          assert.deepStrictEqual(
            (yield* take(client, 2)).map(({ payload }) => payload.length),
            [3, 0]
          )
        }
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.merge(Plain.listener, Plain.dialer).pipe(
            Layer.provide(Memory.network()),
            Layer.provideMerge(logTo(lines))
          )
        )
      )
      assert.strictEqual(
        lines.filter((line) => line.startsWith("Warn") && line.includes("for trusted networks only")).length,
        2
      )
    })
  )
})

describe("Security", () => {
  it.effect("dials with Noise or without, by the address; Noise and Plain refuse each other's addresses", () =>
    Effect.gen(function* () {
      const network = Memory.make()
      const encrypted = { host: "encrypted", port: 1 }
      const open = { host: "open", port: 1 }
      const server = Layer.effectDiscard(
        Effect.flatMap(FrameListener, ({ run }) =>
          Effect.forkScoped(run((frames) => Effect.andThen(frames.write([frameOf(7)]), Effect.never)))
        )
      )
      yield* Layer.build(server.pipe(Layer.provide(responder()), Layer.provide(network.listener(encrypted))))
      yield* Layer.build(server.pipe(Layer.provide(Plain.listener), Layer.provide(network.listener(open))))
      const dialWith = (layer: Layer.Layer<FrameDialer, never, Dialer>, security: typeof noise) =>
        Effect.flatMap(FrameDialer, (dialer) =>
          dialer.dial({ ...(security._tag === "noise" ? encrypted : open), security })
        ).pipe(
          Effect.flatMap(({ pull }) => pull),
          Effect.provide(layer.pipe(Layer.provide(network.dialer)))
        )
      assert.strictEqual((yield* dialWith(Security.dialer(), { _tag: "noise", authorityKey })).length, 1)
      assert.strictEqual((yield* dialWith(Security.dialer(), plain)).length, 1)
      assert.include((yield* Effect.flip(dialWith(Noise.initiator(), plain))).message, "do not agree on Noise")
      assert.include((yield* Effect.flip(dialWith(Plain.dialer, noise))).message, "do not agree on Noise")
    })
  )
})
