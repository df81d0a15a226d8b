/** How much a peer may make us do: a rate, above which it has to wait. */

/** How many seconds' worth may come at once, as when a proxy opens all its channels. */
const BURST_SECONDS = 10

/** A bucket that fills at a rate and may be overdrawn: how far it is says how long to wait. */
export class Allowance {
  readonly #perMs: number
  readonly #most: number
  #level: number
  #at: number

  /** Full at `now`, in milliseconds as everywhere in here. */
  constructor(perSecond: number, now: number) {
    this.#perMs = perSecond / 1000
    this.#most = perSecond * BURST_SECONDS
    this.#level = this.#most
    this.#at = now
  }

  /** Takes `count` at `now`, and gives the milliseconds until as much was earned: 0 within the rate. */
  take(count: number, now: number): number {
    const passed = Math.max(0, now - this.#at)
    this.#at = now
    this.#level = Math.min(this.#most, this.#level + passed * this.#perMs) - count
    return this.#level >= 0 ? 0 : Math.ceil(-this.#level / this.#perMs)
  }
}
