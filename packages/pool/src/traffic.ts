/**
 * How much one connection may say. Messages beyond the rate are not refused: the connection is read from later, so that its
 * own window fills and nobody else waits for it. A peer most of whose messages are wrong is ended: what it sends costs
 * work and gives none. Both limits let a burst of ten seconds' worth pass, as when a proxy opens all its channels.
 */

export interface TrafficLimits {
  /** Messages a second of one connection, above which it is read from more slowly; 5,000. */
  readonly maxMessagesPerSecond: number
  /**
   * Answers with an error a second to one connection, above which it is ended; 100. Stale shares do not count: they come
   * with each new block.
   */
  readonly maxErrorsPerSecond: number
}

export const defaultTrafficLimits: TrafficLimits = { maxMessagesPerSecond: 5_000, maxErrorsPerSecond: 100 }

const BURST_SECONDS = 10

/** A bucket that fills at a rate and may be overdrawn: how far it is says how long to wait. */
export class Allowance {
  readonly #perMs: number
  readonly #most: number
  #level: number
  #at: number

  constructor(perSecond: number, now: number) {
    this.#perMs = perSecond / 1000
    this.#most = perSecond * BURST_SECONDS
    this.#level = this.#most
    this.#at = now
  }

  /** Takes `count` at `now` (milliseconds), and gives the milliseconds until as much was earned: 0 within the rate. */
  take(count: number, now: number): number {
    const passed = Math.max(0, now - this.#at)
    this.#at = now
    this.#level = Math.min(this.#most, this.#level + passed * this.#perMs) - count
    return this.#level >= 0 ? 0 : Math.ceil(-this.#level / this.#perMs)
  }
}
