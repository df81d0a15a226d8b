/**
 * TCP, on Node's sockets: `Listener` and `Dialer` over the operating system.
 *
 * Reading is Effect's `NodeSocket`: nothing is read ahead of a pull but what Node buffers, and every chunk is a buffer of
 * its own, which the caller may change. Writing goes to Node's socket directly, in one step (see `Duplex.write`).
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Deferred, Duration, Effect, Exit, FiberSet, Layer, Metric, type Scope } from "effect"
import type { Socket } from "effect/socket"
import * as Net from "node:net"
import {
  addressGroup,
  type ConnectionLimits,
  defaultMaxConnections,
  type NoPlace,
  Places
} from "./connection-limits.ts"
import { Dialer, type Duplex, Listener, type Standing } from "./duplex.ts"
import { type Endpoint, formatEndpoint } from "./endpoint.ts"
import { DialError, ListenError } from "./error.ts"
import { connectionsRefused } from "./metrics.ts"
import { makeNotices } from "./notices.ts"
import { serve } from "./serve.ts"
import { Closed, GaveWay, SendTimeout, SocketFailed, TooMuchUnread, TransportError } from "./transport-error.ts"
import { UnreadBytes } from "./unread.ts"

export interface TcpOptions {
  /** How long a peer may leave a full window full before the connection ends; 1 minute. */
  readonly sendTimeout?: Duration.Input
  /** How long closing may take: for what was written to leave, and for the peer to close too; 2 seconds. */
  readonly closeTimeout?: Duration.Input
}

export interface ListenerOptions extends Endpoint, TcpOptions, ConnectionLimits {
  /**
   * Bytes that may wait in this process for peers to read them, of all connections together; 512 MiB. Above it connections
   * end of the address for which most waits, those first whose peers have not read for longest.
   */
  readonly maxUnreadBytes?: number
}

const MAX_UNREAD_BYTES = 512 << 20

export interface DialerOptions extends TcpOptions {
  /** How long connecting may take; 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /**
   * Addresses of this machine to connect from, in turns: each has some 28,000 ports (on Linux) for connections to one
   * server. By default the system's choice.
   */
  readonly localAddresses?: ReadonlyArray<string>
}

/** Listens while the layer lives. Port 0 lets the system choose; `Listener.address` has what it chose. */
export const listener = (options: ListenerOptions): Layer.Layer<Listener, ListenError> =>
  Layer.effect(Listener, makeListener(options))

/** Dials with default options. */
export const dialer: Layer.Layer<Dialer> = Layer.sync(Dialer, () => makeDialer({}))

export const dialerWith = (options: DialerOptions): Layer.Layer<Dialer> => Layer.sync(Dialer, () => makeDialer(options))

const makeListener = Effect.fnUntraced(function* (options: ListenerOptions) {
  const { host, port } = options
  const places = new Places(options)
  const { maxConnections = defaultMaxConnections, maxUnreadBytes = MAX_UNREAD_BYTES } = options
  const shared = { places, unread: new UnreadBytes(maxUnreadBytes), maxConnections, maxUnreadBytes }
  const notices = yield* makeNotices()
  /** Who came while nobody runs the listener. */
  const waiting: Array<Net.Socket> = []
  let onConnection = (socket: Net.Socket): void => void waiting.push(socket)
  // Not Effect's socket server: it cannot stop listening before its connections end, nor refuse one for nothing.
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server, ListenError>((resume) => {
      const server = Net.createServer({ pauseOnConnect: true, ...SOCKET_OPTIONS }, (socket) => onConnection(socket))
      server.once("error", (cause) =>
        resume(Effect.fail(new ListenError({ address: { host, port }, code: codeOf(cause), cause })))
      )
      server.listen({ host, port, backlog: BACKLOG }, () => resume(Effect.succeed(server)))
      return Effect.sync(() => server.close())
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        waiting.forEach((socket) => socket.destroy())
        server.close(() => resume(Effect.void))
      })
  )
  const failed = yield* Deferred.make<never, ListenError>()
  const address = { host, port: (server.address() as Net.AddressInfo).port }
  server.on("error", (cause) =>
    Deferred.doneUnsafe(failed, Exit.fail(new ListenError({ address, code: codeOf(cause), cause })))
  )

  const refuse = (remote: Endpoint, { message, reason }: NoPlace): Effect.Effect<void> =>
    Effect.andThen(
      Metric.update(Metric.withAttributes(connectionsRefused, { reason }), 1),
      notices.note(reason, `Closed a connection from ${formatEndpoint(remote)}: ${message}`, "Warn")
    )

  const run = <E, R>(handler: (duplex: Duplex) => Effect.Effect<void, E, R>) =>
    Effect.gen(function* () {
      // In a set of our own, which ends all at once.
      const connections = yield* FiberSet.make<void, never>()
      const fork = yield* FiberSet.runtime(connections)<Exclude<R, Scope.Scope>>()
      const accept = (socket: Net.Socket): void => {
        // Until the reader listens for it, and after: an error that nobody listens for would end the process.
        socket.on("error", () => {})
        const remote = remoteOf(socket)
        const accepted = new Accepted(socket, remote, shared)
        const noPlace = places.take(accepted)
        if (noPlace !== undefined) {
          socket.destroy()
          fork(refuse(remote, noPlace))
          return
        }
        const connection = Effect.flatMap(openDuplex(socket, remote, options, accepted), handler)
        fork(
          Effect.ensuring(
            serve(remote, connection, notices),
            Effect.sync(() => places.giveBack(accepted))
          )
        )
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          onConnection = accept
          waiting.splice(0).forEach(accept)
        }),
        () => Effect.sync(() => (onConnection = (socket) => void waiting.push(socket)))
      )
      return yield* Deferred.await(failed)
    }).pipe(Effect.scoped)

  const stopAccepting = Effect.sync(() => {
    server.close()
    waiting.splice(0).forEach((socket) => socket.destroy())
  })
  return Listener.of({ address, run, stopAccepting })
})

const makeDialer = (options: DialerOptions): Dialer["Service"] => {
  const { localAddresses = [] } = options
  let turn = 0
  const localAddress = (): string | undefined => localAddresses[turn++ % localAddresses.length]
  const dial = (endpoint: Endpoint) =>
    Effect.acquireRelease(connect(endpoint, localAddress, options), (socket) => Effect.sync(() => socket.destroy()), {
      interruptible: true
    }).pipe(
      Effect.flatMap((socket) => openDuplex(socket, endpoint, options)),
      Effect.mapError((error) =>
        error._tag === "DialError" ? error : new DialError({ endpoint, code: error.message, cause: error })
      )
    )
  return { dial }
}

/** Who may wait to be accepted, where the system allows as many (Linux: net.core.somaxconn); Node's own default is 511. */
const BACKLOG = 4096

/** Small frames leave at once; a peer that vanished without a word is noticed after some minutes. */
const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }

const connect = (
  endpoint: Endpoint,
  localAddress: () => string | undefined,
  options: DialerOptions
): Effect.Effect<Net.Socket, DialError> =>
  Effect.callback<Net.Socket, DialError>((resume) => {
    const from = localAddress()
    const to = { host: endpoint.host, port: endpoint.port, ...SOCKET_OPTIONS }
    const socket = Net.createConnection(from === undefined ? to : { ...to, localAddress: from })
    socket.once("connect", () => resume(Effect.succeed(socket)))
    // It stays: an error that nobody listens for would end the process.
    socket.on("error", (cause) => resume(Effect.fail(new DialError({ endpoint, code: codeOf(cause), cause }))))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: options.connectTimeout ?? "10 seconds",
      orElse: () => Effect.fail(new DialError({ endpoint, code: "TIMEOUT" }))
    })
  )

/** An open socket as a `Duplex`; closing the Scope closes it. */
const openDuplex = Effect.fnUntraced(function* (
  socket: Net.Socket,
  remote: Endpoint,
  options: TcpOptions,
  accepted?: Accepted
): Effect.fn.Return<Duplex, TransportError, Scope.Scope> {
  const sendTimeout = Duration.fromInputUnsafe(options.sendTimeout ?? "1 minute")
  const closeTimeoutMs = Duration.toMillis(options.closeTimeout ?? "2 seconds")
  let timedOut: TransportError | undefined
  /** Why this end closed the connection, if it did. */
  const ended = () => timedOut ?? accepted?.ended
  const closed = () => ended() ?? new TransportError({ remote, reason: new Closed({ pendingBytes: 0 }) })
  const failure = (error: Socket.SocketError): TransportError => {
    if (error.reason._tag !== "SocketReadError") return closed()
    return ended() ?? new TransportError({ remote, reason: new SocketFailed({ code: codeOf(error.reason.cause) }) })
  }

  yield* Effect.addFinalizer(() => close(socket, closeTimeoutMs))
  const reader = yield* Effect.mapError(
    Effect.flatMap(NodeSocket.fromDuplex(Effect.succeed(socket)), (adapter) => adapter.reader),
    failure
  )
  // It may have closed before the reader listened for it.
  if (socket.destroyed) return yield* closed()

  const pull = Effect.mapBoth(reader.pull, {
    onFailure: failure,
    onSuccess: (chunks) => {
      const bytes = chunks as unknown as [Buffer, ...Array<Buffer>]
      return bytes.map(
        (chunk) => new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      ) as unknown as readonly [Uint8Array, ...Array<Uint8Array>]
    }
  })

  const room = Effect.timeoutOrElse(drained(socket), {
    duration: sendTimeout,
    orElse: () =>
      Effect.suspend(() => {
        timedOut = new TransportError({ remote, reason: new SendTimeout({ seconds: Duration.toSeconds(sendTimeout) }) })
        socket.destroy()
        return Effect.fail(timedOut)
      })
  })
  const writeLater = (bytes: () => Uint8Array, size: number): Effect.Effect<void, TransportError> => {
    accepted?.waits(size)
    return Effect.flatMap(
      Effect.ensuring(
        room,
        Effect.sync(() => accepted?.waits(-size))
      ),
      () => write(bytes, size)
    )
  }
  const write = (bytes: () => Uint8Array, size = 0): Effect.Effect<void, TransportError> =>
    Effect.suspend(() => {
      const end = ended()
      if (end !== undefined) return Effect.fail(end)
      if (!socket.writable) return Effect.fail(closed())
      if (socket.writableNeedDrain) return writeLater(bytes, size)
      socket.write(bytes(), accepted?.taken)
      accepted?.written()
      return Effect.void
    })
  return { pull, write, remote, standing: accepted }
})

/** What the connections of a listener share. */
interface Shared {
  readonly places: Places
  readonly unread: UnreadBytes
  readonly maxConnections: number
  readonly maxUnreadBytes: number
}

/** A connection of a listener: its place, and what waits for its peer to read. */
class Accepted implements Standing {
  readonly host: string
  readonly address: string
  /** Why the listener closed it, if it did. */
  ended: TransportError | undefined
  readonly #socket: Net.Socket
  readonly #remote: Endpoint
  readonly #shared: Shared
  /** Bytes that wait above the socket: for the end of a write, and to be written at all. */
  #waiting = 0
  #queued = 0

  constructor(socket: Net.Socket, remote: Endpoint, shared: Shared) {
    this.host = remote.host
    this.address = addressGroup(remote.host)
    this.#socket = socket
    this.#remote = remote
    this.#shared = shared
    socket.once("close", () => shared.unread.remove(this))
  }

  giveWay(): void {
    this.#end(new GaveWay({ limit: this.#shared.maxConnections }))
  }

  end(): void {
    this.#end(new TooMuchUnread({ limit: this.#shared.maxUnreadBytes }))
  }

  readonly worked = (): void => this.#shared.places.worked(this)

  readonly queued = (bytes: number): void => {
    this.#queued = bytes
    this.written()
  }

  /** So many bytes more, or fewer, wait for the end of a write. */
  waits(bytes: number): void {
    this.#waiting += bytes
    this.written()
  }

  /** Counts what waits. Also where it is less than Node calls full: thousands of connections have that much. */
  written(): void {
    const { destroyed, writableLength } = this.#socket
    // What waits above an empty socket is on its way.
    if (writableLength > 0 && !destroyed) this.#shared.unread.wait(this, writableLength + this.#waiting + this.#queued)
  }

  /** The peer has taken a write. */
  readonly taken = (): void => {
    const { destroyed, writableLength } = this.#socket
    const bytes = destroyed || writableLength === 0 ? 0 : writableLength + this.#waiting + this.#queued
    this.#shared.unread.taken(this, bytes)
  }

  #end(reason: TransportError["reason"]): void {
    this.ended ??= new TransportError({ remote: this.#remote, reason })
    this.#socket.destroy()
  }
}

/** Waits until the socket's buffer is empty, or the socket closed. */
const drained = (socket: Net.Socket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => Effect.sync(whenDrained(socket, () => resume(Effect.void))))

/** Calls `then` once, unless what this gives is called before. */
const whenDrained = (socket: Net.Socket, then: () => void): (() => void) => {
  const stop = () => {
    socket.off("drain", done)
    socket.off("close", done)
  }
  const done = () => {
    stop()
    then()
  }
  socket.on("drain", done)
  socket.on("close", done)
  return stop
}

/** A peer that sends more than this while it is told that we close, in bytes, does not want to hear it. */
const MAX_DROPPED = 1 << 20

/**
 * Closes in good order: what was written leaves first, and what the peer still sends is read and dropped until it closes
 * too. A socket closed with unread bytes is reset instead, and the reset can overtake the last thing that we said. The time
 * limit is the machine's, not the Clock's: under a test clock, sockets are still real.
 */
const close = (socket: Net.Socket, timeoutMs: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    const timer = setTimeout(() => socket.destroy(), timeoutMs)
    socket.once("close", () => {
      clearTimeout(timer)
      resume(Effect.void)
    })
    let dropped = 0
    const drop = () => {
      let chunk: Uint8Array | null
      while ((chunk = socket.read() as Uint8Array | null) !== null) dropped += chunk.length
      if (dropped > MAX_DROPPED) socket.destroy()
    }
    socket.on("readable", drop)
    socket.end()
    drop()
  })

const remoteOf = (socket: Net.Socket): Endpoint => ({
  host: socket.remoteAddress?.replace(/^::ffff:/, "") ?? "unknown",
  port: socket.remotePort ?? 0
})

const codeOf = (cause: unknown): string =>
  cause instanceof Error
    ? "code" in cause && typeof cause.code === "string"
      ? cause.code
      : cause.message
    : String(cause)
