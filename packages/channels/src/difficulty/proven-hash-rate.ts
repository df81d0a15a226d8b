/** The hash rate that a channel's accepted shares prove. It forgets old work with a half-life. */
import { HASHES_PER_DIFFICULTY } from "./hash-rate.ts"

/** The shortest time that work is taken to have needed. */
const SHORTEST_MS = 250

export class ProvenHashRate {
  readonly #startedAt: number
  readonly #timeConstantMs: number
  /** Difficulty per time constant, and the squares of the difficulties, which are its variance. */
  #level = 0
  #squares = 0
  /** The highest level that was proven. */
  #proven = 0
  /** All of these are decayed to this moment. */
  #updatedAt: number

  /** `now` in milliseconds, as everywhere in here. */
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
    // A much harder share says little by itself: it does not lower what is proven.
    const proven = this.#level - 2 * Math.sqrt(this.#squares)
    if (proven > this.#proven) this.#proven = proven
  }

  get hasWork(): boolean {
    return this.#level > 0
  }

  /**
   * Hashes a second: two standard deviations below the average, for luck proves nothing. Fewer than five shares prove nothing,
   * and shares of one read are taken for the work of `SHORTEST_MS`.
   */
  rate(now: number): number {
    this.#decay(now)
    const ageMs = Math.max(now - this.#startedAt, SHORTEST_MS)
    const weightMs = this.#timeConstantMs * (1 - Math.exp(-ageMs / this.#timeConstantMs))
    return (this.#proven * HASHES_PER_DIFFICULTY * 1000) / weightMs
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
