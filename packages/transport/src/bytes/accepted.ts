/** A connection of a TCP listener, as the limits that all of them share see it. */
import type * as Net from "node:net"
import type { Endpoint } from "../endpoint.ts"
import { addressGroup, type Places } from "../limits/connection-limits.ts"
import type { UnreadBytes } from "../limits/unread.ts"
import type { Standing } from "./duplex.ts"
import { GaveWay, TooMuchUnread, TransportError } from "./transport-error.ts"

/** What the connections of a listener share. */
export interface Shared {
  readonly places: Places
  readonly unread: UnreadBytes
  readonly maxConnections: number
  readonly maxUnreadBytes: number
}

/** A connection of a listener: its place, and what waits for its peer to read. */
export class Accepted implements Standing {
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
