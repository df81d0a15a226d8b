/** A mining server that does what a test tells it, and the miner that is connected to it, in memory. */
import type { Extension, Mining } from "@sluice/protocol"
import {
  type Connection,
  Memory,
  MiningDialer,
  MiningListener,
  Plain,
  type ServerAddress,
  Setup
} from "@sluice/transport"
import { Context, Deferred, Effect, Fiber, Layer, Queue, References, Stream } from "effect"
import { TestClock } from "effect/testing"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { DeviceDialer, HashInProcess, type HashWorkers, Miner, type MinerOptions } from "../src/index.ts"
import { bytes } from "./work-fixture.ts"

export const SERVER: ServerAddress = { host: "pool", port: 3333, security: { _tag: "plain" } }
export const OTHER_SERVER: ServerAddress = { host: "other", port: 4444, security: { _tag: "plain" } }

/** One in 256 hashes meets it. */
export const EASY_TARGET = bytes(0xff)
EASY_TARGET[31] = 0x00

export const NTIME = 1_700_000_000

/** A connection at the server's end. */
export interface Client {
  readonly host: string
  readonly flags: number
  readonly received: Queue.Dequeue<Mining.ToServer>
  readonly send: (...messages: ReadonlyArray<Mining.ToClient>) => Effect.Effect<void>
  readonly close: Effect.Effect<void>
}

export class ScriptedServer extends Context.Service<
  ScriptedServer,
  {
    /** The next connection of a miner. */
    readonly accept: Effect.Effect<Client>
  }
>()("test/ScriptedServer") {}

export interface World {
  /** Standard channels on the device module; true. */
  readonly device?: boolean
  /** The flags of the server's SetupConnection.Success. */
  readonly flags?: number
  /** The extensions that the server supports. */
  readonly extensions?: ReadonlyArray<Extension>
  readonly hashing?: HashInProcess.InProcessOptions
  /** Other workers than those in process. */
  readonly workers?: Layer.Layer<HashWorkers>
}

/** A miner and servers at both addresses. `TestClock` has to be moved for anything to be hashed. */
export const world = (options: Partial<MinerOptions> = {}, more: World = {}) => {
  const { miner, servers } = parts(options, more)
  return Layer.provideMerge(miner, servers)
}

export const parts = (
  options: Partial<MinerOptions> = {},
  { device = true, extensions = [], flags = 0, hashing, workers }: World = {}
) => {
  const network = Memory.make()
  const minerOptions: MinerOptions = { servers: [SERVER], user: "miner", ...options }
  const accepted = Effect.runSync(Queue.unbounded<Client>())
  const serve = (server: ServerAddress) =>
    Layer.effectDiscard(
      Effect.gen(function* () {
        const listener = yield* MiningListener
        const setup = { supportedFlags: 7, flags, extensions }
        yield* Effect.forkScoped(listener.run((connection) => handle(server.host, connection, accepted), setup))
      })
    ).pipe(
      Layer.provide(Setup.server(MiningListener)),
      // Fresh: by its name alone, both servers would get the first one's listener.
      Layer.provide(Plain.listener),
      Layer.provide(network.listener(server))
    )
  const dialer = Layer.merge(
    Setup.client(MiningDialer).pipe(Layer.provide(Plain.dialer)),
    device ? DeviceDialer.layer : Layer.empty
  ).pipe(Layer.provide(network.dialer))
  const quiet = Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
  return {
    servers: Layer.mergeAll(
      serve(SERVER),
      serve(OTHER_SERVER),
      Layer.succeed(ScriptedServer, { accept: Queue.take(accepted) })
    ).pipe(quiet),
    miner: Miner.layer(minerOptions).pipe(Layer.provide([dialer, workers ?? HashInProcess.layer(hashing)]), quiet)
  }
}

const handle = (
  host: string,
  connection: Connection<Mining.ToServer, Mining.ToClient>,
  accepted: Queue.Enqueue<Client>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const received = yield* Queue.unbounded<Mining.ToServer>()
    const closed = yield* Deferred.make<void>()
    yield* Queue.offer(accepted, {
      host,
      flags: connection.setup.flags,
      received,
      send: (...messages) => Effect.orDie(connection.send(messages)),
      close: Effect.asVoid(Deferred.succeed(closed, undefined))
    })
    yield* Effect.raceFirst(
      connection.receive.pipe(
        Stream.runForEachArray((batch) => Effect.sync(() => Queue.offerAllUnsafe(received, batch)))
      ),
      Deferred.await(closed)
    ).pipe(Effect.ignore)
  })

/** Lets the clock run, 100 ms at a time, until the effect is done. */
export const advanceUntil = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    for (let step = 0; step < 5000 && fiber.pollUnsafe() === undefined; step++) yield* TestClock.adjust("100 millis")
    return yield* Fiber.join(fiber)
  })

/** Takes what the miner sends until a message of that kind comes. */
export const nextMessage = <Tag extends Mining.ToServer["_tag"]>(
  client: Client,
  tag: Tag
): Effect.Effect<Extract<Mining.ToServer, { _tag: Tag }>> =>
  Effect.gen(function* () {
    for (;;) {
      const message = yield* Queue.take(client.received)
      if (message._tag === tag) return message as Extract<Mining.ToServer, { _tag: Tag }>
    }
  })

/** Accepts the miner and opens a standard channel, 7, with job 1 on a first previous hash. */
export const acceptStandard = (fields: Partial<Mining.OpenStandardMiningChannelSuccess> = {}) =>
  Effect.gen(function* () {
    const server = yield* ScriptedServer
    const client = yield* server.accept
    const { requestId } = yield* nextMessage(client, "OpenStandardMiningChannel")
    yield* client.send(
      {
        _tag: "OpenStandardMiningChannel.Success",
        requestId,
        channelId: 7,
        target: EASY_TARGET,
        extranoncePrefix: bytes(0xaa, 12),
        groupChannelId: 100,
        ...fields
      },
      job(1),
      prevHash(7, 1)
    )
    return client
  })

export const job = (jobId: number, minNtime?: number): Mining.NewMiningJob => ({
  _tag: "NewMiningJob",
  channelId: 7,
  jobId,
  minNtime,
  version: 0x20000000,
  merkleRoot: bytes(jobId)
})

/** Around a full extranonce of 12 bytes unless told otherwise. */
export const extendedJob = (
  channelId: number,
  jobId: number,
  halves = coinbaseHalves(12)
): Mining.NewExtendedMiningJob => ({
  _tag: "NewExtendedMiningJob",
  channelId,
  jobId,
  minNtime: undefined,
  version: 0x20000000,
  versionRollingAllowed: true,
  merklePath: [bytes(3), bytes(4)],
  ...halves
})

/** nBits is mainnet's easiest: none of these tests finds a block by chance. */
export const prevHash = (
  channelId: number,
  jobId: number,
  fields: Partial<Mining.SetNewPrevHash> = {}
): Mining.SetNewPrevHash => ({
  _tag: "SetNewPrevHash",
  channelId,
  jobId,
  prevHash: bytes(0x10 + jobId),
  minNtime: NTIME,
  nbits: 0x1d00ffff,
  ...fields
})
