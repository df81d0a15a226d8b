/** The negotiation of extensions right after SetupConnection (extension 0x0001). */
import { assert, describe, it } from "@effect/vitest"
import {
  Common,
  Extension,
  ExtensionsNegotiation,
  Frame,
  Message,
  Mining,
  Protocol,
  U32,
  U8,
  WorkerIdentity
} from "@sluice/protocol"
import {
  type Connection,
  type ConnectionListener,
  FrameDialer,
  type FrameDuplex,
  FrameListener,
  MiningDialer,
  MiningListener,
  type ServerSetup
} from "@sluice/transport"
import { Context, Deferred, Effect, Fiber, Layer, Metric, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { listenerWith } from "@sluice/testing/bound-setup"
import { setupFrame } from "@sluice/testing/setup-frame"
import { discardedMessages } from "../src/metrics.ts"
import { connectMining, logTo, mining, noise, noiseOverMemory, type ServerConnection } from "./fixture.ts"

const { RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess } = ExtensionsNegotiation
const { UserIdentity } = WorkerIdentity
const worker = WorkerIdentity.extension

const SetFanSpeed = Message.make("SetFanSpeed", {
  type: 0x00,
  to: "both",
  channel: true,
  extension: 0x4abc,
  spec: "ours",
  fields: { channelId: U32, percent: U8 }
})
const fans = Extension.make({ id: 0x4abc, name: "fans", spec: "ours", messages: [SetFanSpeed] })

/** Mining with an extension, as a user would declare it. */
const withFans = Protocol.extend(Mining.protocol, fans.messages)
type FanIn = Parameters<typeof withFans.toServer.encode>[0]
type FanOut = Parameters<typeof withFans.toClient.encode>[0]
class FanListener extends Context.Service<FanListener, ConnectionListener<FanIn, FanOut>>()("test/FanListener") {
  static readonly protocol = withFans
}

const share = Mining.SubmitSharesExtended.make({
  channelId: 1,
  sequenceNumber: 2,
  jobId: 3,
  nonce: 4,
  ntime: 5,
  version: 6,
  extranonce: Uint8Array.of(7)
})
const named = UserIdentity.put(share, { userIdentity: "Worker_001" })
const closeChannel = (channelId: number): Mining.CloseChannel => ({ _tag: "CloseChannel", channelId, reasonCode: "" })

const successFrame = Common.SetupConnectionSuccess.codec.encode({
  _tag: "SetupConnection.Success",
  usedVersion: 2,
  flags: 0
})
const request = (...requestedExtensions: ReadonlyArray<number>) =>
  RequestExtensions.codec.encode(RequestExtensions.make({ requestId: 77, requestedExtensions }))
const negotiation = Protocol.make({ id: 0, name: "", messages: ExtensionsNegotiation.messages })

const received = <In, Out>(connection: Connection<In, Out>, count: number) =>
  connection.receive.pipe(Stream.take(count), Stream.runCollect)

describe("both ends", () => {
  /** Connects a client, and collects what the server reads: a server answers requests when it reads. */
  const connectBoth = Effect.gen(function* () {
    const { address, run } = yield* MiningListener
    const { dial } = yield* MiningDialer
    const accepted = yield* Deferred.make<ServerConnection>()
    const messages = yield* Queue.unbounded<Mining.ToServer>()
    yield* Effect.forkScoped(
      run((connection) =>
        Effect.andThen(
          Deferred.succeed(accepted, connection),
          Stream.runForEachArray(connection.receive, (batch) => Queue.offerAll(messages, batch))
        )
      )
    )
    const client = yield* dial({ ...address, security: noise })
    return { client, server: yield* Deferred.await(accepted), next: Queue.take(messages) }
  })

  it.effect("use the extensions that both support, whatever their order", () =>
    Effect.gen(function* () {
      const { client, next, server } = yield* connectBoth
      assert.deepStrictEqual(client.setup.extensions, [worker.id])
      yield* client.send([named, share])
      const first = yield* next
      assert.deepStrictEqual(server.setup.extensions, [worker.id])
      assert.strictEqual(UserIdentity.get(first)?.userIdentity, "Worker_001")
      assert.isUndefined(UserIdentity.get(yield* next))
      assert.deepInclude(first, { ...share })
    }).pipe(Effect.provide(mining({ extensions: [worker, fans] }, { extensions: [worker] })))
  )

  it.effect("continue without extensions if the server supports none, and leave out TLVs", () =>
    Effect.gen(function* () {
      const { client, next, server } = yield* connectBoth
      assert.deepStrictEqual(client.setup.extensions, [])
      yield* client.send([named])
      assert.isUndefined(UserIdentity.get(yield* next))
      assert.deepStrictEqual(server.setup.extensions, [])
    }).pipe(Effect.provide(mining({}, { extensions: [worker] })))
  )

  it.effect("do not negotiate if the client requests no extensions", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connectMining
      yield* client.send([named])
      const [only] = yield* received(server, 1)
      assert.deepStrictEqual(server.setup.extensions, [])
      assert.isUndefined(UserIdentity.get(only!))
    }).pipe(Effect.provide(mining({ extensions: [worker] })))
  )

  it.effect("end if the client requires an extension that the server does not support", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(connectBoth)
      assert.strictEqual(error._tag === "SetupError" && error.reason._tag, "MissingExtensions")
      assert.match(error.message, /the server does not support extensions that the client requires: 0x0002$/)
    }).pipe(Effect.provide(mining({}, { extensions: [worker], requiredExtensions: [worker.id] })))
  )

  it.effect("end if the server requires an extension that the client does not support", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(connectBoth)
      assert.match(error.message, /the server requires extensions that the client did not request: 0x4abc$/)
    }).pipe(
      Effect.provide(mining({ extensions: [worker, fans], requiredExtensions: [fans.id] }, { extensions: [worker] }))
    )
  )

  it.effect("connect if the client supports the extension that the server requires", () =>
    Effect.gen(function* () {
      const { client, next, server } = yield* connectBoth
      assert.deepStrictEqual(server.setup.extensions, [worker.id])
      yield* client.send([named])
      assert.strictEqual(UserIdentity.get(yield* next)?.userIdentity, "Worker_001")
    }).pipe(Effect.provide(mining({ extensions: [worker], requiredExtensions: [worker.id] }, { extensions: [worker] })))
  )
})

describe("a server", () => {
  /** Sends frames to a Mining server that answers each message with a Reconnect whose port is the message's channel. */
  const rawClient = Effect.gen(function* () {
    const { address, run } = yield* MiningListener
    yield* Effect.forkScoped(
      run((connection) =>
        Stream.runForEachArray(connection.receive, (batch) =>
          connection.send(
            batch.map((message) => ({
              _tag: "Reconnect",
              newHost: connection.setup.extensions.join(),
              newPort: message._tag === "CloseChannel" ? message.channelId : 0
            }))
          )
        )
      )
    )
    const frames = yield* (yield* FrameDialer).dial({ ...address, security: noise })
    yield* frames.write([setupFrame()])
    yield* frames.pull
    return frames
  })
  const answerTo = Effect.fnUntraced(function* (frames: FrameDuplex, ...sent: readonly [Uint8Array, ...Uint8Array[]]) {
    yield* frames.write(sent)
    const batch = yield* frames.pull
    return batch.map((frame) => negotiation.toClient.decode(frame) ?? Mining.protocol.toClient.decode(frame))
  })
  const serverOnly = (setup: ServerSetup) =>
    listenerWith(MiningListener, setup).pipe(Layer.provideMerge(noiseOverMemory()))

  it.effect("answers a request with the extensions that it supports, before the messages behind it", () =>
    Effect.gen(function* () {
      const client = yield* rawClient
      const close = Mining.CloseChannel.codec.encode(closeChannel(9))
      assert.deepStrictEqual(yield* answerTo(client, request(3, 2, 2), close), [
        RequestExtensionsSuccess.make({ requestId: 77, supportedExtensions: [2] })
      ])
      const [reply] = yield* client.pull
      assert.deepInclude(Mining.protocol.toClient.decode(reply), { newHost: "2", newPort: 9 })
    }).pipe(Effect.provide(serverOnly({ extensions: [worker, fans] })))
  )

  it.effect("answers Error if it supports none of the requested extensions, and accepts more requests", () =>
    Effect.gen(function* () {
      const client = yield* rawClient
      assert.deepStrictEqual(yield* answerTo(client, request(3, 0xffff)), [
        RequestExtensionsError.make({ requestId: 77, unsupportedExtensions: [3, 0xffff], requiredExtensions: [] })
      ])
      assert.deepStrictEqual(yield* answerTo(client, request(3, 2)), [
        RequestExtensionsSuccess.make({ requestId: 77, supportedExtensions: [2] })
      ])
      assert.deepStrictEqual(yield* answerTo(client, request()), [
        RequestExtensionsSuccess.make({ requestId: 77, supportedExtensions: [] })
      ])
    }).pipe(Effect.provide(serverOnly({ extensions: [worker] })))
  )

  it.effect("answers requests even if it supports no extension", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* answerTo(yield* rawClient, request(2)), [
        RequestExtensionsError.make({ requestId: 77, unsupportedExtensions: [2], requiredExtensions: [] })
      ])
    }).pipe(Effect.provide(serverOnly({})))
  )

  it.effect("discards a request that comes behind other messages", () =>
    Effect.gen(function* () {
      const client = yield* rawClient
      const before = (yield* Metric.value(discardedMessages)).count
      const [reply] = yield* answerTo(client, Mining.CloseChannel.codec.encode(closeChannel(1)), request(2))
      assert.deepInclude(reply, { newHost: "" })
      assert.strictEqual((yield* Metric.value(discardedMessages)).count - before, 1)
    }).pipe(Effect.provide(serverOnly({ extensions: [worker] })))
  )

  it.effect("that requires an extension answers Error to a request without it, and accepts a second request", () =>
    Effect.gen(function* () {
      const client = yield* rawClient
      assert.deepStrictEqual(yield* answerTo(client, request(2, 3)), [
        RequestExtensionsError.make({ requestId: 77, unsupportedExtensions: [3], requiredExtensions: [0x4abc] })
      ])
      assert.deepStrictEqual(yield* answerTo(client, request(2, 0x4abc)), [
        RequestExtensionsSuccess.make({ requestId: 77, supportedExtensions: [2, 0x4abc] })
      ])
    }).pipe(Effect.provide(serverOnly({ extensions: [worker, fans], requiredExtensions: [fans.id] })))
  )

  it.effect("ends a client that requests again, without the required extension that was agreed on", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const client = yield* rawClient
      yield* answerTo(client, request(2, 0x4abc))
      assert.deepStrictEqual(yield* answerTo(client, request(2)), [
        RequestExtensionsError.make({ requestId: 77, unsupportedExtensions: [], requiredExtensions: [0x4abc] })
      ])
      assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
      assert.match(lines.join("\n"), /the server requires extensions that the client did not request: 0x4abc/)
    }).pipe(
      Effect.provide(
        Layer.provideMerge(serverOnly({ extensions: [worker, fans], requiredExtensions: [fans.id] }), logTo(lines))
      )
    )
  })

  it.effect.each([
    ["does not request it", [Mining.CloseChannel.codec.encode(closeChannel(1))], /requires extensions .*: 0x4abc$/],
    ["requests others and continues", [request(2), Mining.CloseChannel.codec.encode(closeChannel(1))], /: 0x4abc$/],
    ["requests others again and again", Array.from({ length: 9 }, () => request(2)), /more than 8 messages/],
    ["sends half a request", [request(2).subarray(0, 6 + 3)], /ended: RequestExtensions: requestedExtensions/]
  ] as const)("that requires an extension ends a client that %s", ([, sent, why]) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const client = yield* rawClient
        for (const frame of sent) {
          const bytes = frame.slice()
          bytes[3] = bytes.length - 6
          yield* client.write([bytes])
        }
        yield* Effect.flip(Effect.forever(client.pull))
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.provideMerge(serverOnly({ extensions: [worker, fans], requiredExtensions: [fans.id] }), logTo(lines))
        )
      )
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, why)
    })
  )

  it.effect("that requires an extension does not wait for ever", () =>
    Effect.gen(function* () {
      const client = yield* rawClient
      const ended = yield* Effect.forkChild(Effect.flip(client.pull))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(ended)).reason._tag, "Closed")
    }).pipe(Effect.provide(serverOnly({ extensions: [fans], requiredExtensions: [fans.id] })))
  )

  it.effect("ends a client that sends too many requests", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const client = yield* rawClient
        for (let i = 0; i < 8; i++) yield* answerTo(client, request(2))
        yield* client.write([request(2)])
        yield* Effect.flip(client.pull)
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(serverOnly({ extensions: [worker] }), logTo(lines))))
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^Info .* more than 8 messages came before the negotiation of extensions was complete$/)
    })
  )

  it.effect("decodes an extension's messages if it was negotiated, and discards them otherwise", () =>
    Effect.gen(function* () {
      const { address, run } = yield* FanListener
      yield* Effect.forkScoped(
        run((connection) =>
          Stream.runForEachArray(connection.receive, (batch) =>
            connection.send(
              batch.flatMap((message) =>
                message._tag === "SetFanSpeed" ? [{ ...message, percent: message.percent + 1 }] : []
              )
            )
          )
        )
      )
      const speed = SetFanSpeed.codec.encode(SetFanSpeed.make({ channelId: 1, percent: 50 }))
      const { dial } = yield* FrameDialer
      const asks = yield* dial({ ...address, security: noise })
      yield* asks.write([setupFrame(), request(0x4abc), speed])
      const frames: Array<Frame> = []
      while (frames.length < 3) frames.push(...(yield* asks.pull))
      assert.deepStrictEqual(withFans.toClient.decode(frames[2]!), SetFanSpeed.make({ channelId: 1, percent: 51 }))

      const before = (yield* Metric.value(discardedMessages)).count
      const asksNot = yield* dial({ ...address, security: noise })
      yield* asksNot.write([setupFrame(), speed, speed])
      yield* asksNot.pull
      yield* Effect.yieldNow
      assert.strictEqual((yield* Metric.value(discardedMessages)).count - before, 2)
    }).pipe(
      Effect.provide(listenerWith(FanListener, { extensions: [fans] }).pipe(Layer.provideMerge(noiseOverMemory())))
    )
  )
})

describe("a client", () => {
  /** Dials a scripted server that answers SetupConnection, and the request for extensions with these frames. */
  const dialServer = (...answers: ReadonlyArray<Uint8Array>) =>
    Effect.gen(function* () {
      const { address, run } = yield* FrameListener
      yield* Effect.forkScoped(
        run((duplex) =>
          Effect.gen(function* () {
            yield* duplex.pull
            yield* duplex.write([successFrame])
            const [asked] = yield* duplex.pull
            assert.deepStrictEqual(negotiation.toServer.decode(asked), {
              _tag: "RequestExtensions",
              requestId: 1,
              requestedExtensions: [2, 0x4abc]
            })
            for (const frame of answers) yield* duplex.write([frame])
            // Answers everything else with the numbers of its extension and type.
            yield* Effect.forever(
              Effect.flatMap(duplex.pull, (batch) =>
                duplex.write([reconnect(`${batch[0].extensionType} ${batch[0].messageType}`)])
              )
            )
          })
        )
      )
      return yield* (yield* MiningDialer).dial({ ...address, security: noise })
    })
  const reconnect = (newHost: string) => Common.Reconnect.codec.encode({ _tag: "Reconnect", newHost, newPort: 1 })
  const success = (requestId: number, ...supportedExtensions: ReadonlyArray<number>) =>
    RequestExtensionsSuccess.codec.encode(RequestExtensionsSuccess.make({ requestId, supportedExtensions }))
  const layer = mining({}, { extensions: [worker, fans] })

  it.effect("uses the extensions that the server confirms, and none that it did not request", () =>
    Effect.gen(function* () {
      const connection = yield* dialServer(success(1, 5, 2))
      assert.deepStrictEqual(connection.setup.extensions, [2])
    }).pipe(Effect.provide(layer))
  )

  it.effect("continues without extensions at the timeout if the server does not answer", () =>
    Effect.gen(function* () {
      const dialing = yield* Effect.forkChild(dialServer())
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(dialing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const connection = yield* Fiber.join(dialing)
      assert.deepStrictEqual(connection.setup.extensions, [])
      yield* connection.send([closeChannel(1), named])
      assert.deepInclude((yield* received(connection, 1))[0], { newHost: `${0x8000} ${0x18}` })
      assert.deepStrictEqual((yield* received(connection, 0)).length, 0)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("waits longer for a server that answered SetupConnection slowly", () =>
    Effect.gen(function* () {
      const { address, run } = yield* FrameListener
      yield* Effect.forkScoped(
        run((duplex) =>
          Effect.gen(function* () {
            yield* duplex.pull
            yield* Effect.sleep("900 millis")
            yield* duplex.write([successFrame])
            yield* duplex.pull
            yield* Effect.sleep("4 seconds")
            yield* duplex.write([success(1, 2)])
            yield* Effect.never
          })
        )
      )
      const dialing = yield* Effect.forkChild(
        Effect.flatMap(MiningDialer, ({ dial }) => dial({ ...address, security: noise }))
      )
      yield* TestClock.adjust("900 millis")
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual((yield* Fiber.join(dialing)).setup.extensions, [2])
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("keeps the messages that come before the answer", () =>
    Effect.gen(function* () {
      const connection = yield* dialServer(reconnect("first"), success(99, 2), reconnect("second"), success(1, 2))
      assert.deepStrictEqual(connection.setup.extensions, [2])
      const messages = yield* received(connection, 2)
      assert.deepStrictEqual(
        messages.map((message) => message._tag === "Reconnect" && message.newHost),
        ["first", "second"]
      )
    }).pipe(Effect.provide(layer))
  )

  it.effect("ends a server that sends too many messages before the answer", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(dialServer(...Array.from({ length: 70 }, () => reconnect("x"))))
      assert.match(error.message, /more than 64 messages came before the negotiation of extensions was complete/)
    }).pipe(Effect.provide(layer))
  )

  it.effect("accepts any number of messages behind the answer in one read", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 70 }, () => reconnect("x"))
      const connection = yield* dialServer(success(1, 2), ...many)
      assert.deepStrictEqual(connection.setup.extensions, [2])
      assert.lengthOf(yield* received(connection, 70), 70)
    }).pipe(Effect.provide(layer))
  )

  it.effect("fails with the reason if the answer does not decode", () =>
    Effect.gen(function* () {
      const answer = success(1, 2)
      answer[8] = 9
      const error = yield* Effect.flip(dialServer(answer))
      assert.match(error.message, /^RequestExtensions.Success: supportedExtensions at offset 2/)
    }).pipe(Effect.provide(layer))
  )
})
