/**
 * Node's HTTP server with a limit on its connections. At the limit, a new connection replaces the one without a request for the
 * longest time, so that clients that send or read nothing cannot keep others out. Connections that the program trusts, such as
 * those with a password, are not replaced. With a certificate it speaks HTTPS; a connection counts from its beginning, also while its
 * handshake is not done.
 */
import { createServer, type Server, type ServerOptions } from "node:http"
import type { Socket } from "node:net"
import { TLSSocket } from "node:tls"
import type { ServerCertificate } from "../bytes/tls/server-certificate.ts"

export interface BoundedHttpServer {
  readonly http: Server
  /** Exempts this connection from replacement. Timeouts still end it. */
  readonly trust: (socket: Socket) => void
}

export const makeBoundedHttpServer = (
  maxConnections: number,
  { headersTimeout, requestTimeout }: Required<Pick<ServerOptions, "headersTimeout" | "requestTimeout">>,
  certificate?: ServerCertificate
): BoundedHttpServer => {
  // By default Node checks its timeouts only every 30 seconds.
  const http = createServer({ headersTimeout, requestTimeout, connectionsCheckingInterval: 1_000 })
  /** In the order of their last request, or of the connection if they sent none. */
  const open = new Set<Socket>()
  const trusted = new Set<Socket>()
  /** The connections below those of TLS. */
  const below = new WeakMap<Socket, Socket>()
  const tcpOf = (socket: Socket): Socket => below.get(socket) ?? socket
  if (certificate !== undefined) {
    const [answer] = http.listeners("connection") as [(socket: Socket) => void]
    http.removeAllListeners("connection")
    http.on("connection", (socket) => {
      const secured = new TLSSocket(socket, { isServer: true, secureContext: certificate.context() })
      below.set(secured, socket)
      const timer = setTimeout(() => socket.destroy(), headersTimeout)
      secured
        .on("error", () => socket.destroy())
        .once("close", () => clearTimeout(timer))
        .once("secure", () => {
          clearTimeout(timer)
          answer.call(http, secured)
        })
    })
  }
  http.on("connection", (socket) => {
    if (open.size + trusted.size >= maxConnections) {
      const idlest = open.values().next().value
      if (idlest === undefined) return void socket.destroy()
      open.delete(idlest)
      idlest.destroy()
    }
    open.add(socket)
    socket.once("close", () => {
      open.delete(socket)
      trusted.delete(socket)
    })
  })
  http.on("request", (request) => {
    const socket = tcpOf(request.socket)
    if (open.delete(socket)) open.add(socket)
  })
  return {
    http,
    trust: (given) => {
      const socket = tcpOf(given)
      if (open.delete(socket)) trusted.add(socket)
    }
  }
}
