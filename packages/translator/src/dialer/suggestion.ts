/** The difficulty that a pool is asked for, by the hash rate of the channels. */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import { wholeDifficulty } from "@sluice/stratum-v1"

/** Pools aim at about as many. */
const SHARES_PER_MINUTE = 6

export class Suggestion {
  #rate = 0

  /** The difficulty to suggest; `undefined` where the rate is 0, or within a factor of two of the last. */
  next(hashesPerSecond: number): number | undefined {
    if (hashesPerSecond === 0) return undefined
    if (hashesPerSecond < this.#rate * 2 && hashesPerSecond > this.#rate / 2) return undefined
    this.#rate = hashesPerSecond
    return wholeDifficulty((hashesPerSecond * 60) / SHARES_PER_MINUTE / HASHES_PER_DIFFICULTY)
  }
}
