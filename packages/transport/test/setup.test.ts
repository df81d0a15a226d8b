import { assert, describe, it } from "@effect/vitest"
import { Common, Mining, TemplateDistribution } from "@sluice/protocol"
import {
  type ConnectionError,
  FrameDialer,
  type FrameDuplex,
  FrameListener,
  MiningDialer,
  MiningListener,
  SetupRefusal,
  type ServerSetup,
  Setup,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { Effect, Fiber, Layer, Metric, Stream } from "effect"
import { TestClock } from "effect/testing"
import { listenerWith } from "@sluice/testing/bound-setup"
import packageJson from "../package.json" with { type: "json" }
import { discardedMessages } from "../src/metrics.ts"
import { connectMining, logTo, mining, noise, noiseOverMemory } from "./fixture.ts"

const SETUP: Common.SetupConnection = {
  _tag: "SetupConnection",
  protocol: Common.MINING_PROTOCOL,
  minVersion: 2,
  maxVersion: 2,
  flags: 0,
  endpointHost: "pool",
  endpointPort: 3333,
  vendor: "maker",
  hardwareVersion: "S1",
  firmware: "fw 2",
  deviceId: "id"
}
const setupFrame = (change: Partial<Common.SetupConnection> = {}): Uint8Array =>
  Common.SetupConnection.codec.encode({ ...SETUP, ...change })

const closeChannel = (channelId: number): Mining.CloseChannel => ({
  _tag: "CloseChannel",
  channelId,
  reasonCode: "done"
})

/** A frame of any type with this payload. */
const rawFrame = (extensionType: number, messageType: number, payload: ReadonlyArray<number> = []): Uint8Array =>
  Uint8Array.of(extensionType, extensionType >> 8, messageType, payload.length, payload.length >> 8, 0, ...payload)

/** A client on the floor of frames, of a Mining server whose handler answers each batch with its size. */
const rawClient = Effect.gen(function* () {
  const { address, run } = yield* MiningListener
  yield* Effect.forkScoped(
    run((connection) =>
      Stream.runForEachArray(connection.receive, (batch) =>
        connection.send(
          batch.map(() => ({ _tag: "Reconnect", newHost: connection.setup.device.vendor, newPort: batch.length }))
        )
      )
    )
  )
  return yield* (yield* FrameDialer).dial({ ...address, security: noise })
})

/** Sends the frames and decodes the first answer. */
const answerOf = Effect.fnUntraced(function* (
  frames: FrameDuplex,
  ...sent: readonly [Uint8Array, ...Array<Uint8Array>]
) {
  yield* frames.write(sent)
  const [first] = yield* frames.pull
  return Common.setup.toClient.decode(first)
})

const serverOnly = (setup: ServerSetup = {}) =>
  listenerWith(MiningListener, setup).pipe(Layer.provideMerge(noiseOverMemory()))

describe("Setup, the server", () => {
  it.effect("agrees with a client, and gives the handler the client's flags and device", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connectMining
      assert.deepStrictEqual(server.setup, {
        version: 2,
        flags: Mining.REQUIRES_VERSION_ROLLING,
        extensions: [],
        device: { vendor: "maker", hardwareVersion: "S1", firmware: "fw 2", deviceId: "" }
      })
      assert.deepStrictEqual(client.setup, { ...server.setup, flags: Mining.REQUIRES_EXTENDED_CHANNELS })
      yield* client.send([closeChannel(1), closeChannel(2)])
      const received = yield* server.receive.pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(received, [closeChannel(1), closeChannel(2)])
      yield* server.send([])
      yield* server.send([{ _tag: "Reconnect", newHost: "", newPort: 0 }])
      assert.deepStrictEqual(yield* client.receive.pipe(Stream.take(1), Stream.runCollect), [
        { _tag: "Reconnect", newHost: "", newPort: 0 }
      ])
    }).pipe(
      Effect.provide(
        mining(
          { supportedFlags: 0b111, flags: Mining.REQUIRES_EXTENDED_CHANNELS },
          {
            flags: Mining.REQUIRES_VERSION_ROLLING,
            device: { vendor: "maker", hardwareVersion: "S1", firmware: "fw 2" }
          }
        )
      )
    )
  )

  it.effect("answers Success, and delivers messages that came with SetupConnection", () =>
    Effect.gen(function* () {
      const client = yield* rawClient
      const answer = yield* answerOf(client, setupFrame(), Mining.CloseChannel.codec.encode(closeChannel(1)))
      assert.deepStrictEqual(answer, { _tag: "SetupConnection.Success", usedVersion: 2, flags: 0 })
      const [reply] = yield* client.pull
      assert.deepStrictEqual(Mining.protocol.toClient.decode(reply), {
        _tag: "Reconnect",
        newHost: "maker",
        newPort: 1
      })
    }).pipe(Effect.provide(serverOnly()))
  )

  it.effect.each([
    ["another protocol", { protocol: 2, flags: 0xff }, "unsupported-protocol", 0],
    ["a protocol that does not exist", { protocol: 255 }, "unsupported-protocol", 0],
    ["only later versions", { minVersion: 3, maxVersion: 9 }, "protocol-version-mismatch", 0],
    ["only earlier versions", { minVersion: 0, maxVersion: 1 }, "protocol-version-mismatch", 0],
    ["an inverted version range", { minVersion: 9, maxVersion: 1 }, "protocol-version-mismatch", 0],
    ["features that are not supported", { flags: 0xffffffff }, "unsupported-feature-flags", 0xfffffffa],
    ["what `accept` refuses", { firmware: "bad" }, "missing-declare-tx-data-flag", 0]
  ] as const)("refuses %s with an error code, and closes", ([, change, errorCode, flags]) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const client = yield* rawClient
        const answer = yield* answerOf(client, setupFrame(change))
        assert.deepStrictEqual(answer, { _tag: "SetupConnection.Error", flags, errorCode })
        assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
      }).pipe(
        Effect.scoped,
        Effect.provide(
          serverOnly({
            supportedFlags: 0b101,
            accept: ({ firmware }) =>
              firmware === "bad"
                ? Effect.fail(new SetupRefusal({ errorCode: "missing-declare-tx-data-flag" }))
                : Effect.succeed({})
          }).pipe(Layer.provideMerge(logTo(lines)))
        )
      )
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^Info The connection from memory-client:\d+ ended: SetupConnection with /)
    })
  )

  it.effect("accepts a client that also supports later versions", () =>
    Effect.gen(function* () {
      const client = yield* rawClient
      assert.deepInclude(yield* answerOf(client, setupFrame({ maxVersion: 7 })), { usedVersion: 2 })
    }).pipe(Effect.provide(serverOnly()))
  )

  it.effect.each([
    [
      "another message",
      Mining.CloseChannel.codec.encode(closeChannel(1)),
      "the first message is of type 0x18 (extension 0x8000); expected SetupConnection"
    ],
    ["a message of unknown type", rawFrame(0, 0xee), "the first message is of type 0xee"],
    ["SetupConnection of an extension", rawFrame(5, 0), "(extension 0x5)"],
    ["half of a SetupConnection", rawFrame(0, 0, [0, 2, 0, 2]), "SetupConnection"],
    [
      "a frame of 5,000 bytes",
      rawFrame(
        0,
        0,
        Array.from({ length: 5000 }, () => 0)
      ),
      "of 5000 bytes; at most 4096"
    ]
  ] as const)("ends a connection that begins with %s, without an answer", ([, frame, why]) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const client = yield* rawClient
        yield* client.write([frame])
        assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(serverOnly(), logTo(lines))))
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^Info /)
      assert.include(lines[0], why)
    })
  )

  it.effect("ends a client that sends no SetupConnection at the timeout", () =>
    Effect.gen(function* () {
      const client = yield* rawClient
      const ended = yield* Effect.forkChild(Effect.flip(client.pull))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(ended.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(ended)).reason._tag, "Closed")
    }).pipe(Effect.provide(serverOnly()))
  )
})

describe("Setup, the client", () => {
  /** Dials a scripted server that answers SetupConnection with these frames and then waits. */
  const dialServer = (...frames: ReadonlyArray<Uint8Array>) =>
    Effect.gen(function* () {
      const { address, run } = yield* FrameListener
      yield* Effect.forkScoped(
        run((duplex) =>
          Effect.gen(function* () {
            const [first] = yield* duplex.pull
            assert.deepStrictEqual(Common.setup.toServer.decode(first), {
              ...SETUP,
              endpointHost: "memory",
              endpointPort: 1,
              vendor: "Sluice",
              hardwareVersion: "software",
              firmware: `sluice-${packageJson.version}`,
              deviceId: ""
            })
            for (const frame of frames) yield* duplex.write([frame])
            yield* Effect.never
          })
        )
      )
      return yield* (yield* MiningDialer).dial({ ...address, security: noise })
    })

  const errorOf = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) => Effect.flip(effect)
  const client = mining()

  it.effect("reports the code and the flags with which a server refused", () =>
    Effect.gen(function* () {
      const refusal = { _tag: "SetupConnection.Error", flags: 6, errorCode: "unsupported-feature-flags" } as const
      const error = yield* errorOf(dialServer(Common.SetupConnectionError.codec.encode(refusal)))
      assert.strictEqual(error._tag === "SetupError" && error.reason._tag, "RefusedByServer")
      assert.include(error.message, 'the server refused with "unsupported-feature-flags", because of flags 0x6')
    }).pipe(Effect.provide(client))
  )

  it.effect("replaces characters of an error code that could forge a log line", () =>
    Effect.gen(function* () {
      const refusal = { _tag: "SetupConnection.Error", flags: 0, errorCode: "no\r\nERROR \u001b[2J" } as const
      const error = yield* errorOf(dialServer(Common.SetupConnectionError.codec.encode(refusal)))
      assert.include(error.message, 'the server refused with "no\ufffd\ufffdERROR \ufffd[2J"')
    }).pipe(Effect.provide(client))
  )

  it.effect("refuses a version that it did not offer", () =>
    Effect.gen(function* () {
      const success = { _tag: "SetupConnection.Success", usedVersion: 3, flags: 0 } as const
      const error = yield* errorOf(dialServer(Common.SetupConnectionSuccess.codec.encode(success)))
      assert.include(error.message, "the peer supports versions 3 to 3; we support 2")
    }).pipe(Effect.provide(client))
  )

  it.effect("refuses any other answer than Success or Error", () =>
    Effect.gen(function* () {
      const error = yield* errorOf(
        dialServer(Common.Reconnect.codec.encode({ _tag: "Reconnect", newHost: "", newPort: 0 }))
      )
      assert.include(error.message, "expected SetupConnection.Success (0x1) or SetupConnection.Error (0x2)")
    }).pipe(Effect.provide(client))
  )

  it.effect("does not wait for ever", () =>
    Effect.gen(function* () {
      const dialing = yield* Effect.forkChild(errorOf(dialServer()))
      yield* TestClock.adjust("10 seconds")
      assert.include((yield* Fiber.join(dialing)).message, "the server did not answer SetupConnection within 10 s")
    }).pipe(Effect.provide(client))
  )
})

describe("a connection", () => {
  const connectRaw = Effect.gen(function* () {
    const client = yield* rawClient
    yield* answerOf(client, setupFrame())
    return client
  })

  it.effect("discards messages of unknown type or extension, and counts them", () =>
    Effect.gen(function* () {
      const before = (yield* Metric.value(discardedMessages)).count
      const client = yield* connectRaw
      yield* client.write([rawFrame(0, 0xee)])
      yield* client.write([
        rawFrame(0x4001, 0x18, [1, 2, 3]),
        Mining.CloseChannel.codec.encode(closeChannel(1)),
        rawFrame(0xc001, 0x18)
      ])
      const [reply] = yield* client.pull
      assert.deepInclude(Mining.protocol.toClient.decode(reply), { newPort: 1 })
      assert.strictEqual((yield* Metric.value(discardedMessages)).count - before, 3)
    }).pipe(Effect.provide(serverOnly()))
  )

  it.effect("accepts messages with bytes of an extension behind their fields", () =>
    Effect.gen(function* () {
      const client = yield* connectRaw
      yield* client.write([Mining.protocol.toServer.encode(closeChannel(1), new Uint8Array(100))])
      assert.strictEqual((yield* client.pull).length, 1)
    }).pipe(Effect.provide(serverOnly()))
  )

  it.effect("delivers the messages before bytes that do not decode, then fails with the reason", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const client = yield* connectRaw
        yield* client.write([
          Mining.CloseChannel.codec.encode(closeChannel(1)),
          rawFrame(0x8000, 0x18, [1, 0, 0, 0, 200, 65]),
          Mining.CloseChannel.codec.encode(closeChannel(2))
        ])
        assert.strictEqual((yield* client.pull).length, 1)
        assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(serverOnly(), logTo(lines))))
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^Info .* ended: CloseChannel/)
    })
  )

  it.effect.each([
    ["SetupConnection", setupFrame()],
    [
      "SetupConnection.Success",
      Common.SetupConnectionSuccess.codec.encode(Common.SetupConnectionSuccess.make({ usedVersion: 2, flags: 0 }))
    ]
  ] as const)("delivers the messages before a repeated %s, then fails", ([, again]) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const client = yield* connectRaw
        yield* client.write([Mining.CloseChannel.codec.encode(closeChannel(1)), again])
        assert.strictEqual((yield* client.pull).length, 1)
        assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(serverOnly(), logTo(lines))))
      assert.strictEqual(lines.length, 1)
      assert.match(
        lines[0]!,
        /^Info .* ended: .*a message of the setup, type 0x[01], came after the setup was complete/
      )
    })
  )

  it.effect("fails with an EncodeError and stays open when a sent message does not fit its fields", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connectMining
      const error: ConnectionError = yield* Effect.flip(
        client.send([{ _tag: "CloseChannel", channelId: 1, reasonCode: "x".repeat(256) }])
      )
      assert.strictEqual(error._tag, "EncodeError")
      yield* client.send([closeChannel(3)])
      assert.deepStrictEqual(yield* server.receive.pipe(Stream.take(1), Stream.runCollect), [closeChannel(3)])
    }).pipe(Effect.provide(mining()))
  )

  it.effect("ends alone when its handler fails or dies", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const { address, run } = yield* MiningListener
        const { dial } = yield* MiningDialer
        yield* Effect.forkScoped(
          run((connection) =>
            Stream.runForEachArray(connection.receive, ([first]) =>
              first._tag === "CloseChannel" && first.channelId === 1
                ? Effect.fail(new Error("an error of the handler's own"))
                : first._tag === "CloseChannel" && first.channelId === 2
                  ? Effect.die(new Error("a defect"))
                  : connection.send([{ _tag: "Reconnect", newHost: "", newPort: 0 }])
            )
          )
        )
        const server = { ...address, security: noise }
        const clients = [yield* dial(server), yield* dial(server), yield* dial(server)]
        for (const [i, client] of clients.entries()) yield* client.send([closeChannel(i + 1)])
        const ends = yield* Effect.forEach(clients.slice(0, 2), (client) =>
          Effect.flip(Stream.runDrain(client.receive))
        )
        assert.deepStrictEqual(
          ends.map((error) => error.message),
          ["the peer closed the connection", "the peer closed the connection"]
        )
        assert.strictEqual((yield* clients[2]!.receive.pipe(Stream.take(1), Stream.runCollect)).length, 1)
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(mining(), logTo(lines))))
      assert.strictEqual(lines.filter((line) => /^Info .* ended: an error of the handler's own$/.test(line)).length, 1)
      assert.strictEqual(lines.filter((line) => /^Error .* ended in a defect.* \+ cause$/.test(line)).length, 1)
    })
  )

  it.effect("works with Template Distribution over the same layers", () =>
    Effect.gen(function* () {
      const { address, run } = yield* TemplateListener
      yield* Effect.forkScoped(
        run((connection) =>
          Stream.runForEachArray(connection.receive, (batch) =>
            connection.send([
              {
                _tag: "RequestTransactionData.Error",
                templateId: BigInt(batch.length),
                errorCode: "template-id-not-found"
              }
            ])
          )
        )
      )
      const client = yield* (yield* TemplateDialer).dial({ ...address, security: noise })
      const constraints: TemplateDistribution.ToServer = {
        _tag: "CoinbaseOutputConstraints",
        coinbaseOutputMaxAdditionalSize: 100,
        coinbaseOutputMaxAdditionalSigops: 1
      }
      yield* client.send([constraints])
      const [answer] = yield* client.receive.pipe(Stream.take(1), Stream.runCollect)
      assert.deepInclude(answer, { templateId: 1n })
    }).pipe(
      Effect.provide(
        Layer.merge(Setup.server(TemplateListener), Setup.client(TemplateDialer)).pipe(Layer.provide(noiseOverMemory()))
      )
    )
  )
})
