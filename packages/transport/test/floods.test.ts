/** Two addresses take all that they can get of the shared resources of a listener, over real sockets, beside modest ones. */
import { assert, describe, it } from "@effect/vitest"
import {
  Dialer,
  type Duplex,
  type Endpoint,
  FrameDialer,
  FrameListener,
  Listener,
  Noise,
  type ServerAddress,
  Tcp
} from "@sluice/transport"
import { Effect, Layer, Queue } from "effect"
import { randomBytes } from "node:crypto"
import * as Net from "node:net"
import { logTo, noise, responder } from "./fixture.ts"

const FLOODS = ["127.0.0.2", "127.0.0.3"]
const EACH = 150

/** Keeps this many connections from each of two addresses. Each connects again as soon as it is ended. */
const flood = (to: Endpoint, say: () => Uint8Array | undefined = () => undefined) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const sockets = new Set<Net.Socket>()
      let isOver = false
      const come = (localAddress: string): void => {
        if (isOver) return
        const socket = Net.connect({ ...to, localAddress })
        sockets.add(socket)
        socket.on("error", () => {})
        // The flood only needs the server to have answered.
        socket.once("data", () => socket.destroy())
        socket.once("connect", () => {
          const bytes = say()
          if (bytes !== undefined) socket.write(bytes)
        })
        socket.once("close", () => {
          sockets.delete(socket)
          setTimeout(() => come(localAddress), 1)
        })
      }
      for (const address of FLOODS) for (let count = 0; count < EACH; count++) come(address)
      return () => {
        isOver = true
        for (const socket of sockets) socket.destroy()
      }
    }),
    (stop) => Effect.sync(stop)
  )

const dialerFrom = (address: string) => Tcp.dialerWith({ localAddresses: [address] })

/** Waits until a line of the log matches. */
const logged = (lines: ReadonlyArray<string>, pattern: RegExp) =>
  Effect.sleep(10).pipe(Effect.repeat({ until: () => lines.some((line) => pattern.test(line)) }))

describe("two addresses with 150 connections each", () => {
  it.live(
    "do not keep a third address from its handshakes",
    () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const { address, run } = yield* FrameListener
        yield* Effect.forkScoped(run((frames) => Effect.ignore(frames.pull)))
        yield* flood(address, () => randomBytes(64))
        yield* logged(lines, /others wait for their handshakes/)
        const server: ServerAddress = { ...address, security: noise }
        const { dial } = yield* FrameDialer
        for (let count = 0; count < 24; count++) yield* Effect.scoped(dial(server))
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.merge(
            responder({ maxHandshakesPerSecond: 50 }).pipe(Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))),
            Noise.initiator().pipe(Layer.provide(dialerFrom("127.0.0.4")))
          )
        ),
        Effect.provide(logTo(lines))
      )
    },
    60_000
  )

  it.live(
    "do not keep other addresses from service, and no working connection is ended",
    () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const { address, run } = yield* Listener
        const serve = (duplex: Duplex) =>
          Effect.gen(function* () {
            while (true) {
              const [chunk] = yield* duplex.pull
              duplex.standing?.worked()
              yield* duplex.write(() => chunk)
            }
          })
        yield* Effect.forkScoped(run(serve))
        const ask = Effect.fnUntraced(function* (duplex: Duplex) {
          yield* duplex.write(() => Uint8Array.of(7))
          assert.deepStrictEqual(yield* duplex.pull, [Uint8Array.of(7)])
        })
        const dialFrom = (from: string) =>
          Effect.provide(
            Effect.flatMap(Dialer, ({ dial }) => dial(address)),
            dialerFrom(from)
          )
        const miner = yield* dialFrom("127.0.0.4")
        yield* ask(miner)
        yield* flood(address)
        yield* logged(lines, /Closed a connection from 127\.0\.0\.[23]:\d+: 200 connections are open, the most allowed/)
        const others: Array<Duplex> = []
        for (let count = 0; count < 20; count++) {
          others.push(yield* dialFrom(`127.0.0.${5 + (count % 3)}`))
          yield* ask(others.at(-1)!)
        }
        for (const duplex of [miner, ...others]) yield* ask(duplex)
        assert.match(
          lines.join("\n"),
          /from 127\.0\.0\.[23]:\d+ ended: all 200 places for connections are taken \(maxCon/
        )
      }).pipe(
        Effect.scoped,
        Effect.provide(Tcp.listener({ host: "127.0.0.1", port: 0, maxConnections: 200 })),
        Effect.provide(logTo(lines))
      )
    },
    60_000
  )

  it.live(
    "lose connections for their unread bytes, before a peer that has fewer unread bytes for a longer time",
    () => {
      const MB = 1 << 20
      return Effect.gen(function* () {
        const ends = yield* Queue.unbounded<string>()
        // More than the system buffers for a peer that does not read.
        const write = (duplex: Duplex) =>
          Effect.gen(function* () {
            yield* duplex.write(() => new Uint8Array(16 * MB))
            yield* duplex.write(() => new Uint8Array(1))
          }).pipe(
            Effect.catch(({ reason }) => Queue.offer(ends, `${duplex.remote.host} ${reason._tag}`)),
            Effect.andThen(Effect.never)
          )
        const { address, run } = yield* Listener
        yield* Effect.forkScoped(run(write))
        const comeFrom = (localAddress: string) =>
          Effect.acquireRelease(
            Effect.callback<Net.Socket>((resume) => {
              const socket = Net.connect({ ...address, localAddress }, () => resume(Effect.succeed(socket))).pause()
              socket.on("error", () => {})
            }),
            (socket) => Effect.sync(() => socket.destroy())
          )
        const slow = yield* comeFrom("127.0.0.4")
        for (let count = 0; count < 4; count++) for (const from of FLOODS) yield* comeFrom(from)
        // The limit has room for about four.
        for (let count = 0; count < 3; count++) assert.match(yield* Queue.take(ends), /^127\.0\.0\.[23] TooMuchUnread$/)
        let read = 0
        yield* Effect.callback<void>((resume) => {
          slow.on("data", (chunk) => {
            read += chunk.length
            if (read === 16 * MB + 1) resume(Effect.void)
          })
          slow.resume()
        })
      }).pipe(
        Effect.scoped,
        Effect.provide(Tcp.listener({ host: "127.0.0.1", port: 0, maxUnreadBytes: 52 * MB })),
        Effect.provide(logTo([]))
      )
    },
    60_000
  )
})
