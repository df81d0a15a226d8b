/** Computes the hash rate that a channel's accepted shares prove. Forgets old work with a half-life. */
import { HASHES_PER_DIFFICULTY } from "./hash-rate.ts"

/** Work counts as if it had taken at least this time. */
const SHORTEST_MS = 250

export class ProvenHashRate {
  readonly #startedAt: number
  readonly #timeConstantMs: number
  /** Sum of the difficulties and sum of their squares, which is the variance of the first. Both decay. */
  #level = 0
  #squares = 0
  /** The highest sum that was proven. Decays, too. */
  #proven = 0
  /** The moment to which these three have decayed. It begins as a number, as in `Vardiff`. */
  #updatedAt = 0

  /** `now` is in milliseconds, here and in all methods. */
  constructor(now: number, halfLifeMs = 300_000) {
    this.#startedAt = now
    this.#updatedAt = now
    this.#timeConstantMs = halfLifeMs / Math.LN2
  }

  /** Adds work of this difficulty. */
  add(difficulty: number, now: number): void {
    this.#decay(now)
    this.#level += difficulty
    this.#squares += difficulty * difficulty
    // A much harder share has a large variance. It must not lower what is proven already.
    const proven = this.#level - 2 * Math.sqrt(this.#squares)
    if (proven > this.#proven) this.#proven = proven
  }

  get hasWork(): boolean {
    return this.#level > 0
  }

  /**
   * The proven rate in hashes a second: two standard deviations below the average, because luck proves nothing. Fewer than five
   * shares prove nothing. Shares of one read count as the work of `SHORTEST_MS`.
   */
  rate(now: number): number {
    this.#decay(now)
    return this.#proven * this.#hashesPerSecond(now)
  }

  /** Adds the average rate that the work shows, lucky or not, and its variance. */
  addTo(sum: { shown: number; variance: number }, now: number): void {
    this.#decay(now)
    const perSecond = this.#hashesPerSecond(now)
    sum.shown += this.#level * perSecond
    sum.variance += this.#squares * perSecond * perSecond
  }

  /** Hashes a second for each unit of decayed difficulty. */
  #hashesPerSecond(now: number): number {
    const ageMs = Math.max(now - this.#startedAt, SHORTEST_MS)
    return (HASHES_PER_DIFFICULTY * 1000) / (this.#timeConstantMs * (1 - Math.exp(-ageMs / this.#timeConstantMs)))
  }

  #decay(now: number): void {
    if (now <= this.#updatedAt) return
    const kept = Math.exp((this.#updatedAt - now) / this.#timeConstantMs)
    this.#level *= kept
    this.#squares *= kept * kept
    this.#proven *= kept
    this.#updatedAt = now
  }
}
