/**
 * Limits the shares of one connection that may be accepted, or hashed: a rate for each of its channels, with a burst of a
 * minute's worth. A miner that states far too low a hash rate needs that burst until its difficulty has followed.
 */

const BURST_SECONDS = 60

export class ShareAllowance {
  readonly #perSecond: number
  #level = Number.POSITIVE_INFINITY
  #at = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** Whether there is room for one more now, in milliseconds, on a connection with so many channels. */
  hasRoom(channels: number, now: number): boolean {
    const perSecond = this.#perSecond * channels
    const earned = (Math.max(0, now - this.#at) * perSecond) / 1000
    this.#level = Math.min(perSecond * BURST_SECONDS, this.#level + earned)
    this.#at = now
    return this.#level >= 1
  }

  /** Takes one; a block is accepted even where there is no room. */
  take(): void {
    this.#level = Math.max(0, this.#level - 1)
  }
}
