/** Limits the rate of what a peer may do; above it, the peer waits. */

/** The size of a burst in seconds at the full rate, such as a proxy that opens all its channels. */
const BURST_SECONDS = 10

/** A token bucket that may be overdrawn. The missing tokens give the time to wait. */
export class TokenBucket {
  readonly #perMs: number
  readonly #most: number
  // Numbers from the beginning: a field that was something else before keeps each new number as an object.
  #level = 0
  #at = 0

  /** Starts full at `now`. All times are in milliseconds. */
  constructor(perSecond: number, now: number) {
    this.#perMs = perSecond / 1000
    this.#most = perSecond * BURST_SECONDS
    this.#level = this.#most
    this.#at = now
  }

  /** As `Receiver.touch`. */
  touch(): number {
    return this.#level > this.#at ? 1 : 0
  }

  /** Takes `count` tokens at `now`. Gives the milliseconds until the bucket is out of debt: 0 within the rate. */
  take(count: number, now: number): number {
    const passed = Math.max(0, now - this.#at)
    this.#at = now
    this.#level = Math.min(this.#most, this.#level + passed * this.#perMs) - count
    return this.#level >= 0 ? 0 : Math.ceil(-this.#level / this.#perMs)
  }

  /** Gives tokens back. */
  give(count: number): void {
    this.#level = Math.min(this.#most, this.#level + count)
  }
}
