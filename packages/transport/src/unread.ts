/**
 * What waits in this process for the peers of one listener to read it. A peer that does not read costs its own connection
 * after a time; thousands of them at once would cost the memory before. So all together have a limit, and above it those go
 * who have taken nothing for longest: who reads is never among them, for what waits for it is gone in a moment.
 */

/** One connection for which bytes wait. */
export interface Unread {
  /** Ends the connection. */
  readonly end: () => void
}

export class UnreadBytes {
  #total = 0
  readonly #max: number
  /** In the order in which their peers took something last. */
  readonly #waiting = new Map<Unread, number>()

  constructor(max: number) {
    this.#max = max
  }

  /** So many bytes wait for the peer from now on. Ends connections until all that waits is within the limit. */
  wait(connection: Unread, bytes: number): void {
    this.#total += bytes - (this.#waiting.get(connection) ?? 0)
    this.#waiting.set(connection, bytes)
    for (const oldest of this.#waiting.keys()) {
      if (this.#total <= this.#max) return
      this.remove(oldest)
      oldest.end()
    }
  }

  /** The peer has taken something, and so many bytes wait for it still. */
  taken(connection: Unread, bytes: number): void {
    this.remove(connection)
    if (bytes > 0) this.wait(connection, bytes)
  }

  /** The connection is over. */
  remove(connection: Unread): void {
    this.#total -= this.#waiting.get(connection) ?? 0
    this.#waiting.delete(connection)
  }
}
