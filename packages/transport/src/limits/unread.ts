/**
 * Limits the bytes that wait in this process for the peers of one listener to read them. A peer that does not read loses its
 * connection after the `sendTimeout`, but thousands of such peers could exhaust the memory before. Above the limit, the address
 * with the most large amounts pays: its connection whose peer has read nothing for the longest time ends. If no connection has a
 * large amount, this applies to all connections. It does not affect peers that read: few bytes wait for them, and only briefly.
 */
import { Holdings } from "./holdings.ts"

/** A connection with waiting bytes. */
export interface Unread {
  /** `addressGroup` of its peer. */
  readonly address: string
  /** Ends the connection. */
  readonly end: () => void
}

/** Size of a large amount in bytes: more than a server sends unasked to a peer that reads. */
const LARGE = 1 << 16

export class UnreadBytes {
  #total = 0
  readonly #max: number
  /** In the order in which their peers last read something. */
  readonly #waiting = new Map<Unread, number>()
  /** The connections with large amounts, with the number of whole large amounts as weight. */
  readonly #large = new Holdings<Unread>()

  constructor(max: number) {
    this.#max = max
  }

  /** Sets the number of waiting bytes of a connection. Then ends connections until the total is within the limit. */
  wait(connection: Unread, bytes: number): void {
    this.#set(connection, bytes)
    while (this.#total > this.#max) {
      const address = this.#large.heaviest
      const payer = address === undefined ? this.#waiting.keys().next().value! : this.#large.first(address)!
      this.remove(payer)
      payer.end()
    }
  }

  /** The peer has read something; `bytes` still wait. */
  taken(connection: Unread, bytes: number): void {
    this.remove(connection)
    if (bytes > 0) this.wait(connection, bytes)
  }

  /** The connection has ended. */
  remove(connection: Unread): void {
    this.#set(connection, 0)
  }

  #set(connection: Unread, bytes: number): void {
    const before = this.#waiting.get(connection) ?? 0
    this.#total += bytes - before
    if (bytes === 0) this.#waiting.delete(connection)
    else this.#waiting.set(connection, bytes)
    const large = Math.floor(bytes / LARGE)
    if (large !== Math.floor(before / LARGE)) this.#large.set(connection.address, connection, large)
  }
}
