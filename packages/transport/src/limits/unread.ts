/**
 * Bytes that wait in this process for the peers of one listener to read them. A peer that does not read costs its own connection
 * after a time; thousands of them at once would cost the memory before. So all together have a limit, and above it the
 * address with most of the large amounts pays: of its connections the one whose peer has taken nothing for longest ends. Where
 * no connection has a large amount, it is the one of all. Peers that read are not among them: what waits for them is small,
 * and gone in a moment.
 */
import { Holdings } from "./holdings.ts"

/** One connection for which bytes wait. */
export interface Unread {
  /** `addressGroup` of its peer. */
  readonly address: string
  /** Ends the connection. */
  readonly end: () => void
}

/** Bytes of a large amount: more than a listener says unasked to a peer that reads. */
const LARGE = 1 << 16

export class UnreadBytes {
  #total = 0
  readonly #max: number
  /** In the order in which their peers took something last. */
  readonly #waiting = new Map<Unread, number>()
  /** Those with large amounts, in as many whole ones. */
  readonly #large = new Holdings<Unread>()

  constructor(max: number) {
    this.#max = max
  }

  /** So many bytes wait for the peer from now on. Ends connections until all that waits is within the limit. */
  wait(connection: Unread, bytes: number): void {
    this.#set(connection, bytes)
    while (this.#total > this.#max) {
      const address = this.#large.heaviest
      const payer = address === undefined ? this.#waiting.keys().next().value! : this.#large.first(address)!
      this.remove(payer)
      payer.end()
    }
  }

  /** The peer has taken something, and so many bytes wait for it still. */
  taken(connection: Unread, bytes: number): void {
    this.remove(connection)
    if (bytes > 0) this.wait(connection, bytes)
  }

  /** The connection is over. */
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
