/**
 * Decides when an upstream is told another hash rate (5.3.7): when a channel was opened or closed, or the rate has changed, but not
 * more often than every ten seconds unless it has changed by a factor of two.
 */
import type { DownstreamLoad } from "@sluice/mining-server"

const LEAST_INTERVAL_MS = 10_000
/** A smaller difference is the uncertainty of an estimate. */
const LEAST_CHANGE = 0.05
const LARGE_FACTOR = 2

export class LoadReport {
  #load: DownstreamLoad = { channels: 0, hashRate: 0 }
  #stated = this.#load
  #statedAt = -Infinity

  /** The hash rate of all miners now, in hashes a second. */
  get hashRate(): number {
    return this.#load.hashRate
  }

  observe(load: DownstreamLoad): void {
    this.#load = load
  }

  /** Notes that the present rate is stated, for a reason of its own. */
  state(now: number): number {
    this.#stated = this.#load
    this.#statedAt = now
    return this.#load.hashRate
  }

  /** The rate to state now; `undefined` if there is nothing to state. */
  due(now: number): number | undefined {
    const { channels, hashRate } = this.#load
    const stated = this.#stated
    const change = Math.abs(hashRate - stated.hashRate)
    if (channels === stated.channels && change <= stated.hashRate * LEAST_CHANGE) return undefined
    const isLarge = hashRate >= stated.hashRate * LARGE_FACTOR || hashRate * LARGE_FACTOR <= stated.hashRate
    return isLarge || now - this.#statedAt >= LEAST_INTERVAL_MS ? this.state(now) : undefined
  }
}
