/** Limits, over real sockets: each ends only the connection of its peer, with its own error. */
import { assert, describe, it } from "@effect/vitest"
import { CertificateAuthority } from "@sluice/noise"
import { Frame, Mining } from "@sluice/protocol"
import {
  Dialer,
  type Duplex,
  type Endpoint,
  FrameDialer,
  type FrameLimits,
  type ListenError,
  MiningDialer,
  MiningListener,
  Noise,
  Plain,
  Setup,
  Tcp
} from "@sluice/transport"
import { Effect, Layer, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { setupFrame } from "@sluice/testing/setup-frame"
import { logTo, mining, noise, secretKey } from "./fixture.ts"

const SETUP = setupFrame()
const close = (reasonCode = "") => Mining.CloseChannel.codec.encode({ _tag: "CloseChannel", channelId: 1, reasonCode })
const CLOSE = Mining.CloseChannel.make({ channelId: 1, reasonCode: "" })
const join = (...frames: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(frames))

const server = (
  options: Setup.ServerOptions & FrameLimits,
  tcp: Partial<Tcp.ListenerOptions> = {}
): Layer.Layer<MiningListener | Dialer | MiningDialer, ListenError> =>
  Layer.merge(
    Setup.server(MiningListener, options).pipe(
      Layer.provide(Plain.listenerWith(options)),
      Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0, ...tcp }))
    ),
    Setup.client(MiningDialer).pipe(Layer.provide(Plain.dialer), Layer.provideMerge(Tcp.dialer))
  )

/** An attack on these limits, and the log line about its end. */
interface Attack {
  readonly name: string
  readonly options: Setup.ServerOptions & FrameLimits
  readonly tcp?: Partial<Tcp.ListenerOptions>
  readonly attack: (duplex: Duplex) => Effect.Effect<void, unknown, Scope.Scope>
  readonly reason: RegExp
}

const write = (duplex: Duplex, bytes: Uint8Array) => duplex.write(() => bytes)
const untilEnded = (duplex: Duplex) => Effect.ignore(Effect.forever(duplex.pull))
/** Sends the chunks one after the other until the server ends the connection. */
const drip = (duplex: Duplex, chunks: Iterable<Uint8Array>, pause: number) =>
  Effect.raceFirst(
    untilEnded(duplex),
    Effect.andThen(
      Effect.ignore(
        Effect.forEach(chunks, (chunk) => Effect.andThen(write(duplex, chunk), Effect.sleep(pause)), { discard: true })
      ),
      Effect.never
    )
  )

const attacks: ReadonlyArray<Attack> = [
  {
    name: "a SetupConnection that is longer than the limit before setup",
    options: { maxSetupPayload: 20 },
    attack: (duplex) => Effect.andThen(write(duplex, setupFrame({ vendor: "somebody" })), untilEnded(duplex)),
    reason: /a frame \(extension 0x0, type 0x0\) of \d+ bytes; at most 20 are allowed here$/
  },
  {
    name: "a message that is longer than the limit after it",
    options: { maxPayload: 100 },
    attack: (duplex) =>
      Effect.gen(function* () {
        yield* write(duplex, SETUP)
        yield* duplex.pull
        yield* write(duplex, close("x".repeat(200)))
        yield* untilEnded(duplex)
      }),
    reason: /a frame \(extension 0x8000, type 0x18\) of 205 bytes; at most 100 are allowed here$/
  },
  {
    name: "a frame that comes a byte at a time",
    options: { frameTimeout: "200 millis" },
    attack: (duplex) =>
      Effect.andThen(
        write(duplex, SETUP),
        drip(
          duplex,
          Array.from(close("x".repeat(200)), (byte) => Uint8Array.of(byte)),
          20
        )
      ),
    reason: /the peer has sent only \d+ bytes of a frame within 0.2 s$/
  },
  {
    name: "half a header and then nothing",
    options: { frameTimeout: "200 millis" },
    attack: (duplex) => Effect.andThen(write(duplex, join(SETUP, close().subarray(0, 3))), untilEnded(duplex)),
    reason: /the peer has sent only 3 bytes of a frame within 0.2 s/
  },
  {
    name: "nothing after the setup",
    options: { idleTimeout: "200 millis" },
    attack: (duplex) => Effect.andThen(write(duplex, SETUP), untilEnded(duplex)),
    reason: /the peer has sent no message for 0.2 s$/
  },
  {
    name: "bytes, but no whole message",
    options: { idleTimeout: "200 millis" },
    attack: (duplex) =>
      Effect.andThen(
        write(duplex, SETUP),
        drip(
          duplex,
          Array.from(close("x".repeat(200)), (byte) => Uint8Array.of(byte)),
          20
        )
      ),
    reason: /the peer has sent no message for 0.2 s$/
  },
  {
    name: "no SetupConnection, a byte at a time",
    options: { setupTimeout: "200 millis" },
    attack: (duplex) =>
      drip(
        duplex,
        Array.from(SETUP, (byte) => Uint8Array.of(byte)),
        20
      ),
    reason: /SetupConnection with .*: the client sent no SetupConnection within 0.2 s$/
  },
  {
    name: "requests, and reads none of the answers",
    options: {},
    tcp: { sendTimeout: "200 millis" },
    attack: (duplex) =>
      Effect.gen(function* () {
        const many = join(...Array.from({ length: 1000 }, () => close()))
        yield* write(duplex, SETUP)
        // Reads nothing, so that the server's writes fill all windows.
        yield* Effect.ignore(Effect.forever(write(duplex, many)))
      }),
    reason: /the peer has read nothing of what we sent for 0.2 s$/
  }
]

describe("a server ends the connection of a peer that sends", () => {
  it.live.each(attacks)("$name", ({ attack, options, reason, tcp }) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const { address, run } = yield* MiningListener
        yield* Effect.forkScoped(
          run((connection) =>
            Stream.runForEachArray(connection.receive, (batch) =>
              connection.send(batch.map(() => ({ _tag: "Reconnect", newHost: "x".repeat(200), newPort: 0 })))
            )
          )
        )
        const serves = serve(address)
        yield* serves
        yield* Effect.scoped(Effect.flatMap((yield* Dialer).dial(address), attack))
        yield* serves
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(server(options, tcp), logTo(lines))))
      const ends = lines.filter((line) => line.includes(" ended: ") && !line.endsWith("the peer closed the connection"))
      assert.strictEqual(ends.length, 1, lines.join("\n"))
      assert.match(ends[0]!, /^Info /)
      assert.match(ends[0]!, reason)
    })
  )

  /** Checks that a client within the rules and limits gets its answer. */
  const serve = (address: Endpoint) =>
    Effect.gen(function* () {
      const { dial } = yield* Dialer
      const duplex = yield* dial(address)
      yield* write(duplex, join(SETUP, close()))
      let bytes = new Uint8Array(0)
      while (bytes.length < 12 + 6 + 203) bytes = join(bytes, ...(yield* duplex.pull)) as Uint8Array<ArrayBuffer>
      assert.strictEqual(Frame.read(bytes)?.messageType, 0x01)
    }).pipe(Effect.scoped)
})

describe("limits over Noise", () => {
  it.live("end a connection as they do without Noise", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const { address, run } = yield* MiningListener
        yield* Effect.forkScoped(run((connection) => Stream.runDrain(connection.receive)))
        const device = { deviceId: "x".repeat(100) }
        const client = yield* (yield* MiningDialer).dial({ ...address, security: noise }, { device })
        const error = yield* Effect.flip(Stream.runDrain(client.receive))
        assert.strictEqual(error._tag, "TransportError")
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.merge(
            Setup.server(MiningListener, { idleTimeout: "100 millis" }).pipe(
              Layer.provide(Noise.responder({ maxSetupPayload: 300 })),
              Layer.provide(CertificateAuthority.layer({ secretKey })),
              Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
            ),
            Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
          ).pipe(Layer.provideMerge(logTo(lines)))
        )
      )
      assert.match(lines.join("\n"), /Info .* ended: the peer has sent no message for 0.1 s/)
    })
  )
})

describe("a connection within its limits", () => {
  it.effect("may be silent for ever by default, and for the idle timeout if there is one", () =>
    Effect.gen(function* () {
      const { address, run } = yield* MiningListener
      let ended = 0
      yield* Effect.forkScoped(
        run((connection) =>
          Effect.ensuring(
            Stream.runDrain(connection.receive),
            Effect.sync(() => ended++)
          )
        )
      )
      const client = yield* (yield* MiningDialer).dial({ ...address, security: noise })
      for (let minute = 0; minute < 5; minute++) {
        yield* TestClock.adjust("59 seconds")
        yield* client.send([CLOSE])
      }
      assert.strictEqual(ended, 0)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(ended, 0)
      yield* TestClock.adjust("1 second")
      yield* Effect.yieldNow
      assert.strictEqual(ended, 1)
    }).pipe(Effect.provide(mining({ idleTimeout: "1 minute" })))
  )

  it.effect("may wait for any time before it begins a frame", () =>
    Effect.gen(function* () {
      const { address, run } = yield* MiningListener
      let received = 0
      yield* Effect.forkScoped(
        run((connection) =>
          Stream.runForEachArray(connection.receive, (batch) => Effect.sync(() => (received += batch.length)))
        )
      )
      const client = yield* (yield* MiningDialer).dial({ ...address, security: noise })
      yield* TestClock.adjust("1 day")
      yield* client.send([CLOSE])
      yield* Effect.yieldNow
      assert.strictEqual(received, 1)
    }).pipe(Effect.provide(mining()))
  )

  for (const [what, payload, count] of [
    ["short ones", 0, 20_000],
    ["long ones", 63 * 1024, 300]
  ] as const) {
    it.effect(`is read from more slowly if it sends many messages of unknown types: ${what}`, () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const { address, run } = yield* MiningListener
        let received = 0
        yield* Effect.forkScoped(
          run((connection) =>
            Stream.runForEachArray(connection.receive, (batch) => Effect.sync(() => (received += batch.length)))
          )
        )
        const client = yield* (yield* FrameDialer).dial({ ...address, security: noise })
        yield* client.write([SETUP])
        const unknown = new Uint8Array(6 + payload)
        unknown.set([0, 0, 0xee, payload & 0xff, payload >> 8])
        yield* Effect.forkScoped(
          Effect.gen(function* () {
            for (let sent = 0; sent < count; sent += 100) {
              yield* client.write([unknown, ...Array.from({ length: 99 }, () => unknown)])
            }
            yield* client.write([close()])
          })
        )
        for (let round = 0; round < 10; round++) yield* TestClock.adjust(0)
        assert.strictEqual(received, 0, "it waits behind ten seconds' worth")
        yield* TestClock.adjust("15 seconds")
        assert.strictEqual(received, 1)
        assert.strictEqual(
          lines.filter((line) => line.includes("unknown types and is read from more slowly")).length,
          2
        )
      }).pipe(Effect.provide(mining().pipe(Layer.provideMerge(logTo(lines)))))
    })
  }
})
