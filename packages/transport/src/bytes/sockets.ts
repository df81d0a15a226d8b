/**
 * Where the TCP listeners of a process get their sockets. By default each listens itself, and counts its connections against its own
 * limits. A process that gets its sockets from another one replaces `Sockets`: that process listens, and counts.
 */
import { Context, Effect, type Scope } from "effect"
import * as Net from "node:net"
import type { Endpoint } from "../endpoint.ts"
import { ListenError } from "../error.ts"
import { type ConnectionLimits, type NoPlace, type Place, Places } from "../limits/connection-limits.ts"
import { codeOf } from "./code-of.ts"

/** The places of a listener's connections, in this process or in another one. */
export interface SharedPlaces extends Pick<Places, "take" | "worked" | "giveBack"> {
  /** Takes a place for a connection whose address changes with `change`. */
  readonly move: (place: Place, change: () => void) => Effect.Effect<NoPlace | undefined>
}

/** The sockets of one listener. */
export interface SocketSource {
  readonly address: Endpoint
  /** Counts the connections against the limits. */
  readonly places: SharedPlaces
  /** Gives each new socket to `onSocket`, with those that came before. */
  readonly take: (onSocket: (socket: Net.Socket) => void) => void
  /** Keeps new sockets until the next `take`. */
  readonly keep: () => void
  /** Accepts no more sockets. */
  readonly stop: () => void
  /** Calls `onFailed` when the source can give no more sockets. */
  readonly whenFailed: (onFailed: (error: ListenError) => void) => void
}

/** Opens the sockets of a listener until the Scope closes. */
export type OpenSockets = (
  options: Endpoint & ConnectionLimits
) => Effect.Effect<SocketSource, ListenError, Scope.Scope>

export const Sockets: Context.Reference<OpenSockets> = Context.Reference("sluice/transport/Sockets", {
  defaultValue: (): OpenSockets => (options) =>
    Effect.map(listen(options), (sockets) => ({ ...sockets, places: placesOf(options) }))
})

const placesOf = (options: ConnectionLimits): SharedPlaces => {
  const places = new Places(options)
  return {
    take: (place) => places.take(place),
    worked: (place) => places.worked(place),
    giveBack: (place) => places.giveBack(place),
    move: (place, change) => Effect.sync(() => places.move(place, change))
  }
}

/**
 * Listens until the Scope closes, and then waits for the end of the connections, unless they are handed to other processes. With port 0
 * the system chooses a port. Nobody reads from the sockets.
 */
export const listen = Effect.fnUntraced(function* (
  { host, port }: Endpoint,
  { handsOver = false }: { readonly handsOver?: boolean } = {}
): Effect.fn.Return<Omit<SocketSource, "places">, ListenError, Scope.Scope> {
  const waiting: Array<Net.Socket> = []
  const keep = (socket: Net.Socket): void => void waiting.push(socket)
  let onSocket = keep
  const dropWaiting = (): void => waiting.splice(0).forEach((socket) => socket.destroy())
  // Effect's socket server cannot stop listening before its connections end, nor refuse a connection cheaply.
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server, ListenError>((resume) => {
      const server = Net.createServer({ pauseOnConnect: true, ...SOCKET_OPTIONS }, (socket) => onSocket(socket))
      server.once("error", (cause) =>
        resume(Effect.fail(new ListenError({ address: { host, port }, code: codeOf(cause), cause })))
      )
      server.listen({ host, port, backlog: BACKLOG }, () => resume(Effect.succeed(server)))
      return Effect.sync(() => server.close())
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        dropWaiting()
        server.close(() => resume(Effect.void))
        if (handsOver) resume(Effect.void)
      })
  )
  const address = { host, port: (server.address() as Net.AddressInfo).port }
  return {
    address,
    take: (next) => {
      onSocket = next
      waiting.splice(0).forEach(next)
    },
    keep: () => void (onSocket = keep),
    stop: () => {
      server.close()
      dropWaiting()
    },
    whenFailed: (onFailed) =>
      void server.on("error", (cause) => onFailed(new ListenError({ address, code: codeOf(cause), cause })))
  }
})

/** Connections that may wait to be accepted. The system may lower it (Linux: net.core.somaxconn); Node's default is 511. */
const BACKLOG = 4096

/** Sends small frames at once, and detects within some minutes that a peer has vanished. */
export const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }
