/** A connection of a TCP listener, as the limits see it that all connections share. */
import type * as Net from "node:net"
import type { Endpoint } from "../endpoint.ts"
import { addressGroup, type Places } from "../limits/connection-limits.ts"
import type { UnreadBytes } from "../limits/unread.ts"
import type { Standing } from "./duplex.ts"
import { GaveWay, TooMuchUnread, TransportError } from "./transport-error.ts"

/** The limits that the connections of a listener share. */
export interface Shared {
  readonly places: Places
  readonly unread: UnreadBytes
  readonly maxConnections: number
  readonly maxUnreadBytes: number
}

/** A connection of a listener: it holds a place, and bytes that its peer has not read. */
export class Accepted implements Standing {
  readonly host: string
  readonly address: string
  /** Why the listener closed the connection, if it did. */
  ended: TransportError | undefined
  readonly #socket: Net.Socket
  readonly #remote: Endpoint
  readonly #shared: Shared
  /** Bytes of writes that wait for the socket. */
  #waiting = 0
  /** Bytes that the role has queued and not written yet. */
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

  worked(): void {
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
    this.ended ??= new TransportError({ remote: this.#remote, reason })
    this.#socket.destroy()
  }
}
