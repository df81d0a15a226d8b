/** A setup for each connection: what `dial` asks for, and how `accept` of `run` decides on a client. */
import { assert, describe, it } from "@effect/vitest"
import { type Common, Extension, Mining, Tlv, U8, WorkerIdentity } from "@sluice/protocol"
import {
  type Connection,
  Memory,
  MiningDialer,
  MiningListener,
  Plain,
  type ServerAddress,
  type ServerSetup,
  Setup,
  SetupRefusal
} from "@sluice/transport"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Ref, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { expectTypeOf } from "vitest"
import { logTo } from "./fixture.ts"

const { UserIdentity, extension: worker } = WorkerIdentity
const UPSTREAM: ServerAddress = { host: "memory", port: 1, security: { _tag: "plain" } }
const PROXY: ServerAddress = { ...UPSTREAM, port: 2 }
const share = Mining.SubmitSharesExtended.make({
  channelId: 1,
  sequenceNumber: 2,
  jobId: 3,
  nonce: 4,
  ntime: 5,
  version: 6,
  extranonce: Uint8Array.of(7)
})

type Upstream = Connection<Mining.ToClient, Mining.ToServer>

/** A network with a dialer, and listeners at both addresses. `lines` is the log. */
const makeWorld = Effect.fnUntraced(function* (options: Setup.ServerOptions = {}) {
  const network = Memory.make()
  const lines: Array<string> = []
  const log = logTo(lines)
  const listen = ({ host, port }: ServerAddress) =>
    Layer.build(
      Setup.server(MiningListener, options).pipe(
        Layer.provide(Plain.listener),
        Layer.provide(network.listener({ host, port }))
      )
    ).pipe(
      Effect.map((context) => Context.get(context, MiningListener)),
      Effect.provide(log)
    )
  const dialing = Setup.client(MiningDialer).pipe(Layer.provide(Plain.dialer), Layer.provide(network.dialer))
  const { dial } = Context.get(yield* Layer.build(dialing), MiningDialer)
  return {
    dial,
    upstream: yield* listen(UPSTREAM),
    proxy: yield* listen(PROXY),
    lines,
    /** Runs a listener in the background. */
    start: <E>(running: Effect.Effect<never, E>) => Effect.forkScoped(Effect.provide(running, log)),
    endings: () => lines.filter((line) => line.includes(" ended"))
  }
})

/** Answers each share with its worker's name, as the host of a Reconnect. */
const echoWorkers = ({ receive, send }: Connection<Mining.ToServer, Mining.ToClient>) =>
  Stream.runForEachArray(receive, (messages) =>
    send(
      messages.map((message) => ({
        _tag: "Reconnect",
        newHost: UserIdentity.get(message)?.userIdentity ?? "nobody",
        newPort: 1
      }))
    )
  )

/** Sends everything on, in both directions. */
const relay = (client: Connection<Mining.ToServer, Mining.ToClient>, upstream: Upstream) =>
  Effect.raceFirst(
    Stream.runForEachArray(client.receive, upstream.send),
    Stream.runForEachArray(upstream.receive, client.send)
  )

/** Dials the upstream as the client dialled the proxy, and answers the client as the upstream answered. */
const mirror = (dial: MiningDialer["Service"]["dial"]) =>
  Effect.fnUntraced(function* ({ deviceId, firmware, flags, hardwareVersion, vendor }: Common.SetupConnection) {
    const device = { vendor, hardwareVersion, firmware, deviceId }
    const upstream = yield* Effect.mapError(
      dial(UPSTREAM, { flags, device, extensions: [worker] }),
      SetupRefusal.passOn
    )
    const extensions = [worker].filter(({ id }) => upstream.setup.extensions.includes(id))
    return { flags: upstream.setup.flags, extensions, with: upstream }
  })

describe("a proxy", () => {
  it.effect("asks its upstream for what its client asked, and tells the client what the upstream answered", () =>
    Effect.gen(function* () {
      const { dial, proxy, start, upstream } = yield* makeWorld()
      const seen = yield* Deferred.make<Connection<Mining.ToServer, Mining.ToClient>["setup"]>()
      yield* start(
        upstream.run(
          (connection) => Effect.andThen(Deferred.succeed(seen, connection.setup), echoWorkers(connection)),
          {
            supportedFlags: 0b111,
            flags: Mining.REQUIRES_EXTENDED_CHANNELS,
            extensions: [worker]
          }
        )
      )
      yield* start(proxy.run(relay, { supportedFlags: 0xffffffff, accept: mirror(dial) }))
      const client = yield* dial(PROXY, { flags: 0b101, device: { vendor: "maker" }, extensions: [worker] })
      assert.deepInclude(yield* Deferred.await(seen), { flags: 0b101 })
      assert.deepInclude((yield* Deferred.await(seen)).device, { vendor: "maker" })
      assert.deepInclude(client.setup, { flags: Mining.REQUIRES_EXTENDED_CHANNELS, extensions: [worker.id] })
      yield* client.send([UserIdentity.put(share, { userIdentity: "Worker_001" }), share])
      const answers = yield* client.receive.pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(
        answers.map((answer) => answer._tag === "Reconnect" && answer.newHost),
        ["Worker_001", "nobody"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("agrees to no extension that its upstream does not support", () =>
    Effect.gen(function* () {
      const { dial, proxy, start, upstream } = yield* makeWorld()
      yield* start(upstream.run(echoWorkers))
      yield* start(proxy.run(relay, { extensions: [worker], accept: mirror(dial) }))
      const client = yield* dial(PROXY, { extensions: [worker] })
      assert.deepStrictEqual(client.setup.extensions, [])
    }).pipe(Effect.scoped)
  )

  it.effect("passes on the error code and the flags with which its upstream refused", () =>
    Effect.gen(function* () {
      const { dial, endings, proxy, start, upstream } = yield* makeWorld()
      yield* start(upstream.run(() => Effect.never, { supportedFlags: 0b001 }))
      yield* start(proxy.run(relay, { supportedFlags: 0b111, accept: mirror(dial) }))
      const error = yield* Effect.flip(dial(PROXY, { flags: 0b101 }))
      assert.deepInclude(error._tag === "SetupError" && { ...error.reason }, {
        _tag: "RefusedByServer",
        errorCode: "unsupported-feature-flags",
        flags: 0b100
      })
      yield* TestClock.adjust(0)
      const refused = /^Info .* the client was refused with "unsupported-feature-flags", because of flags 0x4$/
      assert.lengthOf(
        endings().filter((line) => refused.test(line)),
        1
      )
    }).pipe(Effect.scoped)
  )
})

describe("accept", () => {
  it.effect("is not asked about a client whose flags are not supported", () =>
    Effect.gen(function* () {
      const { dial, proxy, start } = yield* makeWorld()
      const asked = yield* Ref.make(0)
      yield* start(
        proxy.run(() => Effect.never, {
          accept: () =>
            Effect.as(
              Ref.update(asked, (n) => n + 1),
              {}
            )
        })
      )
      assert.include((yield* Effect.flip(dial(PROXY, { flags: 1 }))).message, "unsupported-feature-flags")
      yield* dial(PROXY)
      assert.strictEqual(yield* Ref.get(asked), 1)
    }).pipe(Effect.scoped)
  )

  it.effect("may refuse only some clients, with a code of its own; a code cannot forge a line of the log", () =>
    Effect.gen(function* () {
      const { dial, endings, proxy, start } = yield* makeWorld()
      yield* start(
        proxy.run(() => Effect.never, {
          accept: ({ vendor }: Common.SetupConnection) =>
            vendor === "bad" ? Effect.fail(new SetupRefusal({ errorCode: "no\nWARN" })) : Effect.succeed({})
        })
      )
      yield* dial(PROXY, { device: { vendor: "good" } })
      const error = yield* Effect.flip(dial(PROXY, { device: { vendor: "bad" } }))
      assert.deepInclude(error._tag === "SetupError" && { ...error.reason }, { errorCode: "no\nWARN", flags: 0 })
      assert.match(endings().at(-1)!, /^Info .* was refused with "no\ufffdWARN"$/)
    }).pipe(Effect.scoped)
  )

  it.effect("ends the connection with an EncodeError when its refusal or its flags do not fit the message", () =>
    Effect.gen(function* () {
      const { dial, endings, proxy, start } = yield* makeWorld()
      yield* start(
        proxy.run(() => Effect.never, {
          accept: ({ vendor }: Common.SetupConnection) =>
            vendor === "refused"
              ? Effect.fail(new SetupRefusal({ errorCode: "x".repeat(256) }))
              : Effect.succeed({ flags: -1 })
        })
      )
      for (const vendor of ["refused", "accepted"]) {
        const error = yield* Effect.flip(dial(PROXY, { device: { vendor } }))
        assert.strictEqual(error._tag === "TransportError" && error.reason._tag, "Closed")
        assert.match(endings().at(-1)!, /^Info .* ended: SetupConnection\.(Error: errorCode|Success: flags) must be /)
        yield* TestClock.adjust("20 seconds")
      }
    }).pipe(Effect.scoped)
  )

  it.effect.each([
    ["a failure", Effect.fail(new Error("the database is away")), /^Info .* ended: the database is away$/],
    ["a defect", Effect.die(new Error("a mistake")), /^Error .* ended in a defect \+ cause$/]
  ] as const)("that ends in %s closes that connection alone, and the log says why", ([, outcome, line]) =>
    Effect.gen(function* () {
      const { dial, endings, proxy, start } = yield* makeWorld()
      yield* start(
        proxy.run(echoWorkers, {
          accept: ({ vendor }: Common.SetupConnection) => (vendor === "bad" ? outcome : Effect.succeed({}))
        })
      )
      const good = yield* dial(PROXY)
      const error = yield* Effect.flip(dial(PROXY, { device: { vendor: "bad" } }))
      assert.strictEqual(error._tag === "TransportError" && error.reason._tag, "Closed")
      assert.lengthOf(endings(), 1)
      assert.match(endings()[0]!, line)
      yield* good.send([share])
      assert.lengthOf(yield* good.receive.pipe(Stream.take(1), Stream.runCollect), 1)
    }).pipe(Effect.scoped)
  )

  /** Holds a resource of the connection's Scope, and decides when `decide` is done. */
  const holding = Effect.fnUntraced(function* () {
    const decide = yield* Deferred.make<void>()
    const held = yield* Ref.make(0)
    const accept = () =>
      Effect.acquireRelease(
        Ref.update(held, (n) => n + 1),
        () => Ref.update(held, (n) => n - 1)
      ).pipe(Effect.andThen(Deferred.await(decide)), Effect.as({}))
    return { accept, decide: Deferred.succeed(decide, undefined), held: Ref.get(held) }
  })

  it.effect("counts into the setup timeout, and is interrupted at its end", () =>
    Effect.gen(function* () {
      const { dial, endings, proxy, start } = yield* makeWorld({ setupTimeout: "3 seconds" })
      const { accept, held } = yield* holding()
      yield* start(proxy.run(() => Effect.never, { accept }))
      const dialing = yield* Effect.forkChild(Effect.flip(dial(PROXY)))
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual(yield* held, 1)
      assert.lengthOf(endings(), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(dialing))._tag, "TransportError")
      assert.strictEqual(yield* held, 0)
      assert.match(endings()[0]!, /^Info .* the server did not decide whether to accept the client within 3 s$/)
    }).pipe(Effect.scoped)
  )

  it.effect("leaves less of the setup timeout to a client that has to ask for extensions", () =>
    Effect.gen(function* () {
      const { dial, endings, proxy, start } = yield* makeWorld({ setupTimeout: "3 seconds" })
      const { accept, decide } = yield* holding()
      yield* start(proxy.run(() => Effect.never, { accept, extensions: [worker], requiredExtensions: [worker.id] }))
      const dialing = yield* Effect.forkChild(dial(PROXY))
      yield* TestClock.adjust("2 seconds")
      yield* decide
      yield* Fiber.join(dialing)
      assert.lengthOf(endings(), 0)
      yield* TestClock.adjust("1 second")
      assert.match(endings()[0]!, /the client did not request the extensions that the server requires within 3 s$/)
    }).pipe(Effect.scoped)
  )

  it.effect("gives back what it acquired when the server stops, and when the client is gone", () =>
    Effect.gen(function* () {
      const { dial, proxy, start } = yield* makeWorld()
      const { accept, decide, held } = yield* holding()
      const running = yield* start(proxy.run(() => Effect.never, { accept }))
      const left = yield* Scope.make()
      const leaving = yield* Effect.forkChild(Scope.provide(dial(PROXY), left))
      const staying = yield* Effect.forkChild(dial(PROXY))
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* held, 2)
      yield* Fiber.interrupt(leaving)
      yield* Scope.close(left, Exit.void)
      yield* decide
      yield* TestClock.adjust(0)
      yield* Fiber.join(staying)
      assert.strictEqual(yield* held, 1, "SetupConnection.Success could not be sent to the client that left")

      const undecided = yield* holding()
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* held, 0)
      const again = yield* start(proxy.run(() => Effect.never, { accept: undecided.accept }))
      yield* Effect.forkChild(Effect.ignore(dial(PROXY)))
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* undecided.held, 1)
      yield* Fiber.interrupt(again)
      assert.strictEqual(yield* undecided.held, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("of one client does not hold up others, and each handler gets what its own client was accepted with", () =>
    Effect.gen(function* () {
      const { dial, proxy, start } = yield* makeWorld()
      const slow = yield* Deferred.make<void>()
      yield* start(
        proxy.run((connection, name) => connection.send([{ _tag: "Reconnect", newHost: name, newPort: 1 }]), {
          accept: ({ vendor }: Common.SetupConnection) =>
            Effect.as(vendor === "0" ? Deferred.await(slow) : Effect.void, { with: `with ${vendor}` })
        })
      )
      const nameOf = Effect.fnUntraced(function* (index: number) {
        const { receive } = yield* dial(PROXY, { device: { vendor: String(index) } })
        const [message] = yield* receive.pipe(Stream.take(1), Stream.runCollect)
        return message?._tag === "Reconnect" ? message.newHost : undefined
      })
      const first = yield* Effect.forkChild(nameOf(0))
      const names = yield* Effect.forEach([1, 2, 3, 4, 5], nameOf, { concurrency: "unbounded" })
      assert.deepStrictEqual(names, ["with 1", "with 2", "with 3", "with 4", "with 5"])
      assert.isUndefined(first.pollUnsafe())
      yield* Deferred.succeed(slow, undefined)
      assert.strictEqual(yield* Fiber.join(first), "with 0")
    }).pipe(Effect.scoped)
  )
})

describe("dial", () => {
  it.effect("uses the setup of each call", () =>
    Effect.gen(function* () {
      const { dial, start, upstream } = yield* makeWorld()
      yield* start(
        upstream.run(
          ({ send, setup }) => send([{ _tag: "Reconnect", newHost: setup.device.vendor, newPort: setup.flags }]),
          { supportedFlags: 0b111 }
        )
      )
      for (const [vendor, flags] of [
        ["a", 1],
        ["b", 6]
      ] as const) {
        const { receive } = yield* dial(UPSTREAM, { flags, device: { vendor } })
        const messages = yield* receive.pipe(Stream.take(1), Stream.runCollect)
        assert.deepStrictEqual(messages, [{ _tag: "Reconnect", newHost: vendor, newPort: flags }])
      }
    }).pipe(Effect.scoped)
  )

  it.effect("tells two extensions with one id apart", () =>
    Effect.gen(function* () {
      const { dial, start, upstream } = yield* makeWorld()
      const tlv = (name: string, type: number) =>
        Tlv.make(name, { extension: 0x4abc, type, on: [Mining.CloseChannel], spec: "test", fields: { value: U8 } })
      const [heat, noise] = [tlv("Heat", 1), tlv("Noise", 2)]
      const extensionOf = (field: typeof heat) =>
        Extension.make({ id: 0x4abc, name: field.name, spec: "test", messages: [], tlvs: [field] })
      const seen: Array<readonly [number | undefined, number | undefined]> = []
      const both = Extension.make({ id: 0x4abc, name: "both", spec: "test", messages: [], tlvs: [heat, noise] })
      yield* start(
        upstream.run(
          ({ receive, send }) =>
            Stream.runForEachArray(receive, (messages) => {
              for (const message of messages) seen.push([heat.get(message)?.value, noise.get(message)?.value])
              return send([{ _tag: "Reconnect", newHost: "", newPort: 0 }])
            }),
          { extensions: [both] }
        )
      )
      const close = Mining.CloseChannel.make({ channelId: 1, reasonCode: "" })
      for (const field of [heat, noise, heat]) {
        const client = yield* dial(UPSTREAM, { extensions: [extensionOf(field)] })
        yield* client.send([heat.put(noise.put(close, { value: 2 }), { value: 1 })])
        yield* client.receive.pipe(Stream.take(1), Stream.runDrain)
      }
      assert.deepStrictEqual(seen, [
        [1, undefined],
        [undefined, 2],
        [1, undefined]
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("fails with an EncodeError when its device description does not fit the message", () =>
    Effect.gen(function* () {
      const { dial, start, upstream } = yield* makeWorld()
      yield* start(upstream.run(() => Effect.never))
      const error = yield* Effect.flip(dial(UPSTREAM, { device: { vendor: "x".repeat(256) } }))
      assert.strictEqual(error._tag, "EncodeError")
      assert.match(error.message, /^SetupConnection: vendor must be /)
    }).pipe(Effect.scoped)
  )
})

it("infers the handler's second argument, the services and the errors of accept", () => {
  class Database extends Context.Service<Database, { readonly name: string }>()("test/Database") {}
  const run = MiningListener.use(({ run }) =>
    run((_, name) => Effect.log(name.toUpperCase()), {
      accept: (client: Common.SetupConnection) =>
        Effect.map(Database, ({ name }) => ({ flags: client.flags, with: name }))
    })
  )
  expectTypeOf(run).toExtend<Effect.Effect<never, unknown, MiningListener | Database>>()
  expectTypeOf<Effect.Services<typeof run>>().toEqualTypeOf<MiningListener | Database>()
  expectTypeOf<ServerSetup>().toExtend<Parameters<MiningListener["Service"]["run"]>[1]>()
  // @ts-expect-error without accept there is no second argument
  MiningListener.use(({ run }) => run((_, upstream: Upstream) => upstream.send([])))
})
