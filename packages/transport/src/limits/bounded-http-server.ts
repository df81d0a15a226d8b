/**
 * Node's HTTP server with a limit on its connections that keeps nobody out: when all are taken, a new connection takes the
 * place of the one that has asked nothing for longest, so that silent clients, or clients that do not read, cannot hold them.
 * Connections that the program trusts, such as those with a password, are not closed for others.
 */
import { createServer, type Server, type ServerOptions } from "node:http"
import type { Socket } from "node:net"

export interface BoundedHttpServer {
  readonly http: Server
  /** Keeps this connection until its peer closes it or a time limit ends it. */
  readonly trust: (socket: Socket) => void
}

export const makeBoundedHttpServer = (
  maxConnections: number,
  { headersTimeout, requestTimeout }: Required<Pick<ServerOptions, "headersTimeout" | "requestTimeout">>
): BoundedHttpServer => {
  // Node looks at its time limits every 30 seconds unless told.
  const http = createServer({ headersTimeout, requestTimeout, connectionsCheckingInterval: 1_000 })
  /** In the order in which they connected or asked last. */
  const open = new Set<Socket>()
  const trusted = new Set<Socket>()
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
  http.on("request", ({ socket }) => {
    if (open.delete(socket)) open.add(socket)
  })
  return {
    http,
    trust: (socket) => {
      if (open.delete(socket)) trusted.add(socket)
    }
  }
}
