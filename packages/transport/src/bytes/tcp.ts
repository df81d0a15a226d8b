/** `Listener` and `Dialer` over TCP, on Node's sockets. */
import { Deferred, type Duration, Effect, Exit, FiberSet, Layer, Metric, Result, type Scope } from "effect"
import * as Net from "node:net"
import { type Endpoint, formatEndpoint } from "../endpoint.ts"
import { DialError, type ListenError } from "../error.ts"
import { type ConnectionLimits, defaultMaxConnections, type NoPlace } from "../limits/connection-limits.ts"
import { UnreadBytes } from "../limits/unread.ts"
import { connectionsRefused } from "../metrics.ts"
import { makeThrottledLog } from "../throttled-log.ts"
import { Accepted } from "./accepted.ts"
import { Dialer, type Duplex, Listener } from "./duplex.ts"
import { type ProxyProtocolOptions, readClient } from "./proxy-protocol.ts"
import { serve } from "./serve.ts"
import { SOCKET_OPTIONS, Sockets } from "./sockets.ts"
import { codeOf } from "./code-of.ts"
import { openDuplex, type TcpOptions } from "./tcp-duplex.ts"

import { clientHandshake } from "./tls/client-handshake.ts"
import type { ServerCertificate } from "./tls/server-certificate.ts"
import { makeServerHandshake, type ServerHandshakeOptions } from "./tls/server-handshake.ts"
import { type ServerTrust, serverTrust } from "./tls/server-trust.ts"
import { TransportError } from "./transport-error.ts"

export type { TcpOptions } from "./tcp-duplex.ts"

export interface ListenerOptions extends Endpoint, TcpOptions, ConnectionLimits {
  /**
   * Bytes that may wait in this process for peers to read them, for all connections together. Default 512 MiB. Above the limit,
   * the address with the most waiting bytes loses connections, first those whose peers have read nothing for the longest time.
   */
  readonly maxUnreadBytes?: number
  /** Secures the connections with TLS. `Tls.listener` reads the certificate from files. */
  readonly tls?: ServerCertificate & ServerHandshakeOptions
  /** Connections come from load balancers, and begin with a header that names the client (the PROXY protocol). */
  readonly proxyProtocol?: ProxyProtocolOptions
}

export const defaultMaxUnreadBytes = 512 << 20

export interface DialerOptions extends TcpOptions {
  /** How long connecting may take, and then a TLS handshake. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** Which servers are trusted that are dialed with TLS. By default those with a certificate of a well-known authority. */
  readonly trust?: ServerTrust
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
  const { maxConnections = defaultMaxConnections, maxUnreadBytes = defaultMaxUnreadBytes, proxyProtocol, tls } = options
  const throttled = yield* makeThrottledLog()
  const handshake = tls === undefined ? undefined : yield* makeServerHandshake(tls, tls)
  const sockets = yield* (yield* Sockets)(options)
  const { address, places } = sockets
  const shared = { places, unread: new UnreadBytes(maxUnreadBytes), maxConnections, maxUnreadBytes }
  const failed = yield* Deferred.make<never, ListenError>()
  sockets.whenFailed((error) => Deferred.doneUnsafe(failed, Exit.fail(error)))

  if (proxyProtocol !== undefined && proxyProtocol.from === undefined) {
    yield* Effect.logWarning(
      `${formatEndpoint(address)} takes the addresses of clients from headers of the PROXY protocol, whoever sends them: ` +
        "make sure that only the load balancers can connect to it, or name their addresses"
    )
  }

  const refuse = (remote: Endpoint, { message, reason }: NoPlace): Effect.Effect<void> =>
    Effect.andThen(
      Metric.update(Metric.withAttributes(connectionsRefused, { reason }), 1),
      throttled.log(reason, `Closed a connection from ${formatEndpoint(remote)}: ${message}`, "Warn")
    )

  /** Reads the header of a load balancer and does the TLS handshake, where the listener has them. Gives the socket to use. */
  const arrive = (socket: Net.Socket, accepted: Accepted): Effect.Effect<Net.Socket, TransportError> =>
    Effect.gen(function* () {
      if (proxyProtocol !== undefined) {
        const client = yield* readClient(socket, accepted.remote, proxyProtocol)
        const noPlace = yield* accepted.isOf(client)
        if (noPlace !== undefined) {
          yield* refuse(client, noPlace)
          return yield* Effect.interrupt
        }
      }
      if (handshake === undefined) return socket
      const secured = yield* handshake(socket, accepted)
      accepted.secured(secured)
      return secured
    }).pipe(Effect.mapError((reason) => accepted.ended ?? new TransportError({ remote: accepted.remote, reason })))
  const isDirect = proxyProtocol === undefined && handshake === undefined

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
        const open = (socket: Net.Socket) => openDuplex(socket, accepted.remote, options, accepted)
        const opened = isDirect ? open(socket) : Effect.flatMap(arrive(socket, accepted), open)
        fork(
          Effect.ensuring(
            serve(accepted, Effect.flatMap(opened, handler), throttled),
            Effect.sync(() => {
              places.giveBack(accepted)
              // It is open still if there was no Duplex, whose Scope closes it.
              socket.destroy()
            })
          )
        )
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => sockets.take(accept)),
        () => Effect.sync(sockets.keep)
      )
      return yield* Deferred.await(failed)
    }).pipe(Effect.scoped)

  return Listener.of({ address, run, stopAccepting: Effect.sync(sockets.stop) })
})

const makeDialer = (options: DialerOptions): Dialer["Service"] => {
  const { localAddresses = [] } = options
  let turn = 0
  const localAddress = (): string | undefined => localAddresses[turn++ % localAddresses.length]
  // Made at the first use: it has all well-known authorities.
  let trust = options.trust
  const dial = ({ host, port, security }: Parameters<Dialer["Service"]["dial"]>[0]) => {
    const endpoint = { host, port }
    const open = connect(endpoint, localAddress, options)
    const { connectTimeout = CONNECT_TIMEOUT } = options
    const secured = Effect.flatMap(open, (socket) =>
      clientHandshake(socket, endpoint, (trust ??= Result.getOrThrow(serverTrust())), connectTimeout)
    )
    const release = (socket: Net.Socket) => Effect.sync(() => socket.destroy())
    return Effect.acquireRelease(security?._tag === "v1" && security.tls ? secured : open, release, {
      interruptible: true
    }).pipe(
      Effect.flatMap((socket) => openDuplex(socket, endpoint, options)),
      Effect.mapError((error) =>
        error._tag === "DialError" ? error : new DialError({ endpoint, code: error.message, cause: error })
      )
    )
  }
  return { dial }
}

const CONNECT_TIMEOUT: Duration.Input = "10 seconds"

const connect = (
  endpoint: Endpoint,
  localAddress: () => string | undefined,
  options: DialerOptions
): Effect.Effect<Net.Socket, DialError> =>
  Effect.callback<Net.Socket, DialError>((resume) => {
    const from = localAddress()
    const to = { host: endpoint.host, port: endpoint.port, ...SOCKET_OPTIONS }
    const failed = (cause: unknown) => resume(Effect.fail(new DialError({ endpoint, code: codeOf(cause), cause })))
    let socket: Net.Socket
    try {
      socket = Net.createConnection(from === undefined ? to : { ...to, localAddress: from })
    } catch (cause) {
      // Node looks for no host whose name has a NUL.
      return failed(cause)
    }
    socket.once("connect", () => resume(Effect.succeed(socket)))
    // This listener stays, because an error event without a listener would end the process.
    socket.on("error", failed)
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: options.connectTimeout ?? CONNECT_TIMEOUT,
      orElse: () => Effect.fail(new DialError({ endpoint, code: "TIMEOUT" }))
    })
  )

const remoteOf = (socket: Net.Socket): Endpoint => ({
  host: socket.remoteAddress?.replace(/^::ffff:/, "") ?? "unknown",
  port: socket.remotePort ?? 0
})
