import { assert, describe, it } from "@effect/vitest"
import {
  Dialer,
  type DialError,
  type Duplex,
  Listener,
  type ListenError,
  Tcp,
  type TransportError
} from "@sluice/transport"
import { Deferred, Effect, Exit, Fiber, Layer, Metric, Queue, Scope } from "effect"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { connectionsRefused } from "../src/metrics.ts"
import { logTo } from "./fixture.ts"

const HERE = { host: "127.0.0.1", port: 0 }

const tcp = (options: Partial<Tcp.ListenerOptions> = {}): Layer.Layer<Listener | Dialer, ListenError> =>
  Layer.merge(Tcp.listener({ ...HERE, ...options }), Tcp.dialer)

/** Runs the listener with this handler in the background. */
const serve = <E>(handler: (duplex: Duplex) => Effect.Effect<void, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const { address, run } = yield* Listener
    const fiber = yield* Effect.forkScoped(run(handler))
    return { address, stop: Fiber.interrupt(fiber) }
  })

const dial = Effect.fnUntraced(function* (address: Listener["Service"]["address"]) {
  return yield* (yield* Dialer).dial(address)
})

const readAll = (duplex: Duplex) =>
  Effect.gen(function* () {
    let size = 0
    const reason = yield* Effect.forever(
      Effect.map(duplex.pull, (chunks) => {
        for (const chunk of chunks) size += chunk.length
      })
    ).pipe(Effect.flip)
    return { size, reason: reason.reason }
  })

describe("Tcp", () => {
  it.live("carries bytes both ways, each chunk in a buffer of its own", () =>
    Effect.gen(function* () {
      const { address } = yield* serve((duplex) =>
        Effect.forever(
          Effect.flatMap(duplex.pull, ([chunk]) => {
            const reply = chunk.slice()
            chunk.fill(0xff)
            return duplex.write(() => reply)
          })
        )
      )
      assert.strictEqual(address.host, "127.0.0.1")
      assert.isAbove(address.port, 0)
      const client = yield* dial(address)
      const seen: Array<Uint8Array> = []
      for (let i = 0; i < 20; i++) {
        const sent = new Uint8Array(3).fill(i)
        yield* client.write(() => sent)
        const [chunk] = yield* client.pull
        assert.deepStrictEqual(chunk, new Uint8Array(3).fill(i))
        assert.strictEqual(chunk.constructor, Uint8Array)
        seen.push(chunk)
      }
      // Later reads did not overwrite earlier chunks.
      for (const [i, chunk] of seen.entries()) assert.deepStrictEqual(chunk, new Uint8Array(3).fill(i))
    }).pipe(Effect.scoped, Effect.provide(tcp()))
  )

  it.live("gives the handler the peer's address", () =>
    Effect.gen(function* () {
      const remote = yield* Deferred.make<Duplex["remote"]>()
      const { address } = yield* serve((duplex) => Deferred.succeed(remote, duplex.remote))
      const socket = Net.connect(address)
      const seen = yield* Deferred.await(remote)
      assert.deepStrictEqual(seen, { host: "127.0.0.1", port: socket.localPort! })
      socket.destroy()
    }).pipe(Effect.scoped, Effect.provide(tcp()))
  )

  it.live("reports that a port is in use, with the address", () =>
    Effect.gen(function* () {
      const { address } = yield* Listener
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Tcp.listener(address))))
      assert.strictEqual(error._tag, "ListenError")
      assert.strictEqual(error.code, "EADDRINUSE")
      assert.include(error.message, `cannot listen on 127.0.0.1:${address.port}: the port is in use`)
    }).pipe(Effect.scoped, Effect.provide(tcp()))
  )

  it.live("reports that an address is not of this machine", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Tcp.listener({ host: "192.0.2.1", port: 0 }))))
      assert.include(error.message, "no network interface of this machine has that address")
    })
  )

  it.live("reports that nothing listens at the dialled address", () =>
    Effect.gen(function* () {
      const { address } = yield* Effect.provide(Listener, Tcp.listener(HERE))
      const error = yield* Effect.flip(Effect.scoped(dial(address)))
      assert.strictEqual(error._tag, "DialError")
      assert.strictEqual(error.code, "ECONNREFUSED")
      assert.include(error.message, `cannot connect to 127.0.0.1:${address.port}: nothing listens there`)
    }).pipe(Effect.provide(Tcp.dialer))
  )

  it.live("reports that a host with a NUL cannot be dialled", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(dial({ host: "x\0.a.b.c", port: 1 })))
      assert.strictEqual(error._tag, "DialError")
    }).pipe(Effect.provide(Tcp.dialer))
  )

  it.live(
    "delivers everything that was written before the Scope closed, even if the peer reads later and keeps sending",
    () =>
      Effect.gen(function* () {
        const size = 4_000_000
        const { address } = yield* serve((duplex) => duplex.write(() => new Uint8Array(size)))
        const client = yield* dial(address)
        yield* Effect.promise(() => sleep(100))
        yield* Effect.ignore(client.write(() => new Uint8Array(1000)))
        const read = yield* readAll(client)
        assert.strictEqual(read.size, size)
        assert.strictEqual(read.reason._tag, "Closed")
      }).pipe(Effect.scoped, Effect.provide(tcp()))
  )

  it.live("closes a connection within the timeout even if its peer does not read", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const { address } = yield* serve((duplex) => duplex.write(() => new Uint8Array(20_000_000)))
      const socket = Net.connect(address).pause()
      socket.on("error", () => {})
      socket.on("close", () => Deferred.doneUnsafe(closed, Exit.void))
      yield* Effect.promise(() => sleep(300))
      socket.resume()
      yield* Deferred.await(closed)
      assert.isBelow(socket.bytesRead, 20_000_000)
    }).pipe(Effect.scoped, Effect.provide(tcp({ closeTimeout: "100 millis" })))
  )

  it.live("makes a writer wait for a peer that does not read, then ends the connection", () =>
    Effect.gen(function* () {
      const outcome = yield* Deferred.make<{ readonly written: number; readonly reason: string }>()
      const { address } = yield* serve((duplex) => {
        let written = 0
        const chunk = new Uint8Array(100_000)
        return Effect.forever(
          Effect.tap(
            duplex.write(() => chunk),
            () => Effect.sync(() => (written += chunk.length))
          )
        ).pipe(Effect.catch((error) => Deferred.succeed(outcome, { written, reason: error.reason._tag })))
      })
      const socket = Net.connect(address).pause()
      socket.on("error", () => {})
      const { reason, written } = yield* Deferred.await(outcome)
      socket.destroy()
      assert.strictEqual(reason, "SendTimeout")
      // The system buffers this much, and Node at most one write more.
      assert.isBelow(written, 20_000_000)
    }).pipe(Effect.scoped, Effect.provide(tcp({ sendTimeout: "300 millis" })))
  )

  it.live(
    "ends the peers that have not read for the longest time when too many bytes wait in total, and no peer that reads",
    () => {
      const MB = 1 << 20
      return Effect.gen(function* () {
        const ends = yield* Queue.unbounded<string>()
        const write = (duplex: Duplex) =>
          Effect.gen(function* () {
            const [[first]] = [yield* duplex.pull]
            // More than the system buffers for a peer that does not read.
            yield* duplex.write(() => new Uint8Array(16 * MB))
            yield* duplex.write(() => Uint8Array.of(first![0]!))
          }).pipe(
            Effect.catch(({ reason }) => Queue.offer(ends, reason._tag)),
            Effect.andThen(Effect.never)
          )
        const { address } = yield* serve(write)
        const sleepers = []
        for (let count = 0; count < 6; count++) {
          const reader = yield* dial(address)
          yield* reader.write(() => Uint8Array.of(7))
          let read = 0
          while (read < 16 * MB + 1) for (const chunk of yield* reader.pull) read += chunk.length
          sleepers.push(yield* dial(address))
          yield* sleepers.at(-1)!.write(() => Uint8Array.of(7))
          if (count >= 3) assert.strictEqual(yield* Queue.take(ends), "TooMuchUnread")
        }
        assert.strictEqual(yield* Queue.size(ends), 0)
      }).pipe(Effect.scoped, Effect.provide(tcp({ maxUnreadBytes: 52 * MB })))
    }
  )

  it.live("counts the unread bytes of a peer from the first byte on", () => {
    const limit = 4096
    const chunk = new Uint8Array(1024)
    return Effect.gen(function* () {
      const outcome = yield* Deferred.make<{ readonly written: number; readonly reason: string }>()
      let written = 0
      const { address } = yield* serve((duplex) =>
        Effect.forever(
          Effect.tap(
            duplex.write(() => chunk),
            () =>
              Effect.andThen(
                Effect.yieldNow,
                Effect.sync(() => (written += chunk.length))
              )
          )
        ).pipe(Effect.catch(({ reason }) => Deferred.succeed(outcome, { written, reason: reason._tag })))
      )
      const socket = Net.connect(address).pause()
      const { reason } = yield* Deferred.await(outcome)
      assert.strictEqual(reason, "TooMuchUnread")
      // The peer still gets the bytes that the system has buffered.
      socket.resume()
      yield* Effect.promise(() => once(socket, "end"))
      assert.isAtMost(written - socket.bytesRead, limit + chunk.length)
    }).pipe(Effect.scoped, Effect.provide(tcp({ maxUnreadBytes: limit })))
  })

  it.live("counts the bytes of waiting writes and of queued messages as unread", () => {
    const limit = 40 << 20
    const big = () => new Uint8Array(16 << 20)
    const endOf = (then: (duplex: Duplex) => Effect.Effect<void, TransportError>) =>
      Effect.gen(function* () {
        const reason = yield* Deferred.make<string>()
        const { address, stop } = yield* serve((duplex) =>
          Effect.catch(Effect.andThen(duplex.write(big), then(duplex)), (error) =>
            Deferred.succeed(reason, error.reason._tag)
          )
        )
        const socket = Net.connect(address).pause()
        socket.on("error", () => {})
        const ended = yield* Deferred.await(reason)
        socket.destroy()
        yield* stop
        return ended
      })
    return Effect.gen(function* () {
      assert.strictEqual(yield* endOf(({ write }) => write(big, limit)), "TooMuchUnread")
      const queue = ({ pull, standing }: Duplex) =>
        Effect.andThen(
          Effect.sync(() => standing?.queued(limit)),
          pull
        )
      assert.strictEqual(yield* endOf(queue), "TooMuchUnread")
      // Within the limit, the write waits for the peer.
      assert.strictEqual(yield* endOf(({ write }) => write(big, 1 << 20)), "SendTimeout")
    }).pipe(Effect.scoped, Effect.provide(tcp({ maxUnreadBytes: limit, sendTimeout: "300 millis" })))
  })

  it.live("does not read ahead of its handler", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      const received = yield* Deferred.make<number>()
      const { address } = yield* serve((duplex) =>
        Effect.gen(function* () {
          yield* Deferred.await(go)
          yield* Deferred.succeed(received, (yield* readAll(duplex)).size)
        })
      )
      const socket = Net.connect(address)
      const size = 60_000_000
      for (let sent = 0; sent < size; sent += 1_000_000) socket.write(Buffer.alloc(1_000_000))
      yield* Effect.promise(() => sleep(200))
      assert.isAbove(socket.writableLength, 0)
      yield* Deferred.succeed(go, undefined)
      socket.end()
      assert.strictEqual(yield* Deferred.await(received), size)
    }).pipe(Effect.scoped, Effect.provide(tcp()))
  )

  it.live("closes all connections at once when it stops, and frees its port", () =>
    Effect.gen(function* () {
      const address = yield* Effect.gen(function* () {
        const accepted = yield* Queue.unbounded<void>()
        const { address, stop } = yield* serve(() => Effect.andThen(Queue.offer(accepted, undefined), Effect.never))
        const sockets = Array.from({ length: 5 }, () => Net.connect({ ...address, allowHalfOpen: true }))
        yield* Queue.takeN(accepted, sockets.length)
        const stopping = yield* Effect.forkChild(stop)
        // No client closes its side before the server has closed its side of all connections.
        yield* Effect.promise(() => Promise.all(sockets.map((socket) => once(socket.resume(), "end"))))
        for (const socket of sockets) socket.end()
        yield* Fiber.join(stopping)
        return address
      }).pipe(Effect.scoped, Effect.provide(tcp({ closeTimeout: "1 hour" })))
      yield* Effect.scoped(Layer.build(Tcp.listener(address)))
    })
  )

  it.live("closes connections above the limit, and accepts others when places are free", () =>
    Effect.gen(function* () {
      const { address } = yield* serve((duplex) =>
        Effect.andThen(
          duplex.write(() => Uint8Array.of(1)),
          readAll(duplex)
        )
      )
      const first = yield* dial(address)
      yield* first.pull
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* (yield* dial(address)).pull
          assert.strictEqual((yield* readAll(yield* dial(address))).size, 0)
        })
      )
      const again = Effect.scoped(Effect.flatMap(dial(address), ({ pull }) => pull))
      assert.deepStrictEqual(yield* Effect.eventually(again), [Uint8Array.of(1)])
    }).pipe(Effect.scoped, Effect.provide(tcp({ maxConnections: 2 })))
  )

  it.live("closes connections above the limit for one address, and logs it once", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const { address } = yield* serve((duplex) =>
        Effect.andThen(
          duplex.write(() => Uint8Array.of(1)),
          readAll(duplex)
        )
      )
      const first = yield* dial(address)
      yield* first.pull
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* readAll(yield* dial(address))).size, 0)
      const refused = yield* Metric.value(
        Metric.withAttributes(connectionsRefused, { reason: "max_connections_per_address" })
      )
      assert.strictEqual(refused.count, 3)
      assert.strictEqual(lines.length, 1)
      assert.match(
        lines[0]!,
        /^Warn Closed a connection from 127\.0\.0\.1:\d+: 127\.0\.0\.1 has 1 open already, and no address may have more/
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(tcp({ maxConnectionsPerAddress: 1, isExempt: () => false })),
      Effect.provide(logTo(lines)),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  })

  it.live("stops accepting, and keeps the connections that are open", () =>
    Effect.gen(function* () {
      const { address } = yield* serve((duplex) =>
        Effect.forever(Effect.flatMap(duplex.pull, ([chunk]) => duplex.write(() => chunk)))
      )
      const client = yield* dial(address)
      yield* client.write(() => Uint8Array.of(1))
      yield* client.pull
      yield* (yield* Listener).stopAccepting
      const error = yield* Effect.flip(Effect.scoped(dial(address)))
      assert.strictEqual((error as DialError).code, "ECONNREFUSED")
      yield* client.write(() => Uint8Array.of(2))
      assert.deepStrictEqual(yield* client.pull, [Uint8Array.of(2)])
    }).pipe(Effect.scoped, Effect.provide(tcp()))
  )

  it.live("connects from the given local addresses in turn", () =>
    Effect.gen(function* () {
      const from = yield* Queue.unbounded<string>()
      const { address } = yield* serve((duplex) => Effect.andThen(Queue.offer(from, duplex.remote.host), Effect.never))
      for (let i = 0; i < 3; i++) yield* dial(address)
      const seen = yield* Queue.takeN(from, 3)
      assert.deepStrictEqual(seen.toSorted(), ["127.0.0.1", "127.0.0.1", "127.0.0.2"])
    }).pipe(
      Effect.scoped,
      Effect.provide(Tcp.listener(HERE)),
      Effect.provide(Tcp.dialerWith({ localAddresses: ["127.0.0.1", "127.0.0.2"] }))
    )
  )

  // Linux shows the timer of a socket in /proc/net/tcp: 02 is that of keepalive (Documentation/networking/proc_net_tcp.rst).
  it.live.runIf(process.platform === "linux")("has keepalive on at both ends", () =>
    Effect.gen(function* () {
      const opened = yield* Deferred.make<void>()
      const { address, run } = yield* Listener
      yield* Effect.forkScoped(run(() => Effect.andThen(Deferred.succeed(opened, undefined), Effect.never)))
      yield* (yield* Dialer).dial(address)
      yield* Deferred.await(opened)
      const port = address.port.toString(16).toUpperCase().padStart(4, "0")
      const table = yield* Effect.promise(() => readFile("/proc/net/tcp", "utf8"))
      const timers = table
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
        .filter(
          ([, local = "", remote = "", state]) =>
            state === "01" && (local.endsWith(`:${port}`) || remote.endsWith(`:${port}`))
        )
        .map((fields) => fields[5]!.slice(0, 2))
      assert.deepStrictEqual(timers, ["02", "02"])
    }).pipe(Effect.scoped, Effect.provide(tcp()))
  )
})
