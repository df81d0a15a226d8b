/** `Listener` and `Dialer` over TCP, on Node's sockets. */
import { Deferred, type Duration, Effect, Exit, FiberSet, Layer, Metric, type Scope } from "effect"
import * as Net from "node:net"
import { type Endpoint, formatEndpoint } from "../endpoint.ts"
import { DialError, ListenError } from "../error.ts"
import { type ConnectionLimits, defaultMaxConnections, type NoPlace, Places } from "../limits/connection-limits.ts"
import { UnreadBytes } from "../limits/unread.ts"
import { connectionsRefused } from "../metrics.ts"
import { makeNotices } from "../notices.ts"
import { Accepted } from "./accepted.ts"
import { Dialer, type Duplex, Listener } from "./duplex.ts"
import { serve } from "./serve.ts"
import { codeOf, openDuplex, type TcpOptions } from "./tcp-duplex.ts"

export type { TcpOptions } from "./tcp-duplex.ts"

export interface ListenerOptions extends Endpoint, TcpOptions, ConnectionLimits {
  /**
   * Bytes that may wait in this process for peers to read them, for all connections together. Default 512 MiB. Above the limit,
   * the address with the most waiting bytes loses connections, first those whose peers have read nothing for the longest time.
   */
  readonly maxUnreadBytes?: number
}

const MAX_UNREAD_BYTES = 512 << 20

export interface DialerOptions extends TcpOptions {
  /** How long connecting may take. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /**
   * Local addresses to connect from, in turn: each has about 28,000 ports (on Linux) for connections to one server. By default
   * the system chooses.
   */
  readonly localAddresses?: ReadonlyArray<string>
}

/** Listens while the layer lives. With port 0 the system chooses a port; `Listener.address` has it. */
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
  /** Connections that came while `run` was not running. */
  const waiting: Array<Net.Socket> = []
  let onConnection = (socket: Net.Socket): void => void waiting.push(socket)
  // Effect's socket server cannot stop listening before its connections end, nor refuse a connection cheaply.
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
      // A FiberSet ends all connections at once.
      const connections = yield* FiberSet.make<void, never>()
      const fork = yield* FiberSet.runtime(connections)<Exclude<R, Scope.Scope>>()
      const accept = (socket: Net.Socket): void => {
        // An error event without a listener would end the process, also before and after the reader listens.
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

/** Connections that may wait to be accepted. The system may lower it (Linux: net.core.somaxconn); Node's default is 511. */
const BACKLOG = 4096

/** Sends small frames at once, and detects within some minutes that a peer has vanished. */
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
    // This listener stays, because an error event without a listener would end the process.
    socket.on("error", (cause) => resume(Effect.fail(new DialError({ endpoint, code: codeOf(cause), cause }))))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: options.connectTimeout ?? "10 seconds",
      orElse: () => Effect.fail(new DialError({ endpoint, code: "TIMEOUT" }))
    })
  )

const remoteOf = (socket: Net.Socket): Endpoint => ({
  host: socket.remoteAddress?.replace(/^::ffff:/, "") ?? "unknown",
  port: socket.remotePort ?? 0
})
