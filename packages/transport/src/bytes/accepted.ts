/** A connection of a TCP listener, as the limits see it that all connections share. */
import type { Effect } from "effect"
import type * as Net from "node:net"
import type { Endpoint } from "../endpoint.ts"
import { addressGroup, type NoPlace } from "../limits/connection-limits.ts"
import type { UnreadBytes } from "../limits/unread.ts"
import type { Standing } from "./duplex.ts"
import type { SocketSource } from "./sockets.ts"
import { GaveWay, TooMuchUnread, TransportError } from "./transport-error.ts"

/** The limits that the connections of a listener share. */
export interface Shared {
  readonly places: SocketSource["places"]
  readonly unread: UnreadBytes
  readonly maxConnections: number
  readonly maxUnreadBytes: number
}

/** How often the listener is told of a connection's work: whoever worked last gives way last, but seconds make no difference. */
const WORKED_EVERY_MS = 5000

/** A connection of a listener: it holds a place, and bytes that its peer has not read. */
export class Accepted implements Standing {
  /** The peer; behind a load balancer, its client. */
  remote: Endpoint
  address: string
  /** Why the listener closed the connection, if it did. */
  ended: TransportError | undefined
  #socket: Net.Socket
  readonly #shared: Shared
  /** Bytes of writes that wait for the socket. */
  #waiting = 0
  /** Bytes that the role has queued and not written yet. */
  #queued = 0
  #workedAt = -Infinity

  constructor(socket: Net.Socket, remote: Endpoint, shared: Shared) {
    this.remote = remote
    this.address = addressGroup(remote.host)
    this.#socket = socket
    this.#shared = shared
    socket.once("close", () => shared.unread.remove(this))
  }

  get host(): string {
    return this.remote.host
  }

  /** The socket has become one with TLS. */
  secured(socket: Net.Socket): void {
    this.#socket = socket
  }

  /** The peer is a load balancer: the limits apply to its client from now on. Gives the reason if there is no place for it. */
  isOf(client: Endpoint): Effect.Effect<NoPlace | undefined> {
    return this.#shared.places.move(this, () => {
      this.remote = client
      this.address = addressGroup(client.host)
    })
  }

  giveWay(): void {
    this.#end(new GaveWay({ limit: this.#shared.maxConnections }))
  }

  end(): void {
    this.#end(new TooMuchUnread({ limit: this.#shared.maxUnreadBytes }))
  }

  worked(): void {
    const now = performance.now()
    if (now - this.#workedAt < WORKED_EVERY_MS) return
    this.#workedAt = now
    this.#shared.places.worked(this)
  }

  queued(bytes: number): void {
    this.#queued = bytes
    this.written()
  }

  /** Changes the number of bytes of writes that wait for the socket. */
  waits(bytes: number): void {
    this.#waiting += bytes
    this.written()
  }

  /** Counts all waiting bytes, also if they are fewer than Node's high-water mark: thousands of connections have that many. */
  written(): void {
    const { destroyed, writableLength } = this.#socket
    // If the socket is empty, waiting bytes are about to be written.
    if (writableLength > 0 && !destroyed) this.#shared.unread.wait(this, writableLength + this.#waiting + this.#queued)
  }

  /** The peer has read a write. */
  readonly taken = (): void => {
    const { destroyed, writableLength } = this.#socket
    const bytes = destroyed || writableLength === 0 ? 0 : writableLength + this.#waiting + this.#queued
    this.#shared.unread.taken(this, bytes)
  }

  #end(reason: TransportError["reason"]): void {
    this.ended ??= new TransportError({ remote: this.remote, reason })
    this.#socket.destroy()
  }
}
