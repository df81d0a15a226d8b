/** Clients and servers of bare frames around a relay, in memory: what goes in, and what comes out. */
import { Common, Frame, Mining } from "@sluice/protocol"
import {
  FrameDialer,
  type FrameDuplex,
  FrameListener,
  Memory,
  Plain,
  type ServerAddress,
  type TransportError
} from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, Queue, References, Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { setupFrame } from "@sluice/testing/setup-frame"
import { type AnyMessage, relay, Sniffer, type SnifferEvent, type SnifferOptions } from "../src/index.ts"
import { frameBytes } from "../src/frame-bytes.ts"

export const SERVER: ServerAddress = { host: "server", port: 1, security: { _tag: "plain" } }
export const RELAY: ServerAddress = { host: "relay", port: 2, security: { _tag: "plain" } }

export const frame = (extensionType: number, messageType: number, ...payload: ReadonlyArray<number>): Uint8Array =>
  frameBytes({ extensionType, messageType, payload: Uint8Array.from(payload) })

export const setup = (protocol: number): Uint8Array =>
  setupFrame({ protocol, endpointHost: "pool.example", endpointPort: 3333, vendor: "test" })
export const setupSuccess = Common.SetupConnectionSuccess.codec.encode(
  Common.SetupConnectionSuccess.make({ usedVersion: 2, flags: 0 })
)
export const closeChannel = (channelId: number): Uint8Array =>
  Mining.CloseChannel.codec.encode(Mining.CloseChannel.make({ channelId, reasonCode: "done" }))

export interface World {
  readonly dial: (to?: ServerAddress) => Effect.Effect<FrameDuplex, never, Scope.Scope>
  /** The next connection at the server, which stays open until `close`. */
  readonly accept: Effect.Effect<{ readonly frames: FrameDuplex; readonly close: Effect.Effect<void> }>
  readonly sniffer: Sniffer["Service"]
  readonly events: ReadonlyArray<SnifferEvent>
  /** The log lines, as "LEVEL message". */
  readonly log: ReadonlyArray<string>
}

/** A server, a relay that is connected to it, and a dialer, until the Scope closes. */
export const makeWorld = Effect.fnUntraced(function* <ToServer = AnyMessage, ToClient = AnyMessage>(
  options: Memory.NetworkOptions & {
    readonly sniffer?: SnifferOptions<ToServer, ToClient>
    readonly server?: ServerAddress
    readonly maxPayload?: number
  } = {}
) {
  const network = Memory.make(options)
  const events: Array<SnifferEvent> = []
  const log: Array<string> = []
  const logged = Layer.merge(
    Logger.layer([Logger.make(({ logLevel, message }) => void log.push(`${logLevel} ${String(message)}`))]),
    Layer.succeed(References.MinimumLogLevel, "Debug")
  )
  const accepted = yield* Queue.unbounded<Effect.Success<World["accept"]>>()
  const observe = (batch: ReadonlyArray<SnifferEvent>) => Effect.sync(() => void events.push(...batch))
  const sniffed = yield* Layer.build(
    Sniffer.layer({ observe, ...options.sniffer }).pipe(
      Layer.provide(Plain.dialer),
      Layer.provide(network.dialer),
      Layer.provide(logged)
    )
  )
  const listen = (at: ServerAddress) =>
    Layer.build(Plain.listener.pipe(Layer.provide(network.listener(at)), Layer.provide(logged), Layer.orDie))
  const server = Context.get(yield* listen(SERVER), FrameListener)
  yield* Effect.forkScoped(
    server.run(
      Effect.fnUntraced(function* (frames: FrameDuplex) {
        frames.limitPayload(Frame.maxPayload)
        const closed = yield* Queue.unbounded<void>()
        yield* Queue.offer(accepted, { frames, close: Effect.asVoid(Queue.offer(closed, undefined)) })
        yield* Queue.take(closed)
      })
    )
  )
  yield* relay({ server: options.server ?? SERVER, ...options }).pipe(
    Effect.provide(Layer.succeedContext(sniffed)),
    Effect.provide(Layer.succeedContext(yield* listen(RELAY))),
    Effect.provide(logged),
    Effect.forkScoped
  )
  const dialer = Context.get(
    yield* Layer.build(Plain.dialer.pipe(Layer.provide(network.dialer), Layer.provide(logged))),
    FrameDialer
  )
  const world: World = {
    dial: (to = RELAY) =>
      Effect.map(Effect.orDie(dialer.dial(to)), (frames) => {
        frames.limitPayload(Frame.maxPayload)
        return frames
      }),
    accept: Queue.take(accepted),
    sniffer: Context.get(sniffed, Sniffer),
    events,
    log
  }
  return world
})

/** A client and the server's end of its connection, after SetupConnection. */
export const connect = Effect.fnUntraced(function* (world: World, protocol = 0) {
  const scope = yield* Scope.make()
  const client = yield* Scope.provide(world.dial(), scope)
  yield* client.write([setup(protocol)])
  const { close: closeServer, frames: server } = yield* world.accept
  yield* server.pull
  yield* server.write([setupSuccess])
  yield* client.pull
  return { client, server, closeClient: Scope.close(scope, Exit.void), closeServer }
})

/** The bytes of frames until there are as many as wanted. */
export const read = (frames: FrameDuplex, wantedBytes: number): Effect.Effect<Buffer, TransportError> =>
  Effect.gen(function* () {
    const parts: Array<Uint8Array> = []
    for (let size = 0; size < wantedBytes;) {
      for (const each of yield* frames.pull) {
        const bytes = frameBytes(each)
        parts.push(bytes)
        size += bytes.length
      }
    }
    return Buffer.concat(parts)
  })

export const nonEmpty = <A>(all: ReadonlyArray<A>): NonEmptyReadonlyArray<A> =>
  all as unknown as NonEmptyReadonlyArray<A>
