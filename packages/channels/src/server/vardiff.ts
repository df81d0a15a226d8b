/**
 * Variable difficulty: from the work that a channel shows to the hash rate that its target is made for.
 *
 * The rule is a table of how far the shown rate may be off, and for how long, before the rate is taken over. The rate is
 * the shown work over the expected one, both with one share added, so that a share or its absence in a short time says
 * little and silence makes the rate fall by a factor that grows with its length.
 */
import { HASHES_PER_DIFFICULTY } from "../hash-rate.ts"

/** After so many seconds since the last change, a rate that is off by this factor is taken over. */
const THRESHOLDS: ReadonlyArray<readonly [afterSeconds: number, factor: number]> = [
  [300, 1.15],
  [240, 1.3],
  [180, 1.45],
  [120, 1.5],
  [60, 1.6],
  [10, 2]
]

/** A flood is acted on at once: with so many expected shares' worth of work more than there should be. */
const FLOOD_SHARES = 20

/** What one channel shows. Times are in milliseconds. */
export class Vardiff {
  /** Hashes a second that the channel is taken to have. */
  hashRate: number
  readonly #minHashRate: number
  #since: number
  /** Work since then, in units of difficulty. */
  #work = 0

  constructor(hashRate: number, minHashRate: number, now: number) {
    // From nothing it could not grow by any factor.
    this.#minHashRate = Math.max(minHashRate, 1)
    this.hashRate = Math.max(hashRate, this.#minHashRate)
    this.#since = now
  }

  /** A share of this difficulty was accepted. */
  record(difficulty: number): void {
    this.#work += difficulty
  }

  /** Begins anew at a rate that is known from elsewhere (UpdateChannel). */
  restart(hashRate: number, now: number): void {
    this.hashRate = Math.max(hashRate, this.#minHashRate)
    this.#since = now
    this.#work = 0
  }

  /** Whether so much work came that it is worth a `review` before the next regular one. */
  isFlooded(difficulty: number, now: number): boolean {
    if (this.#work < FLOOD_SHARES * difficulty) return false
    return this.#work > 2 * this.#expectedWork(now) + FLOOD_SHARES * difficulty
  }

  /**
   * Takes over the shown rate if it is off enough, and says whether it did. `difficulty` is that of the channel's
   * target.
   */
  review(difficulty: number, now: number): boolean {
    const seconds = (now - this.#since) / 1000
    const factor = (this.#work + difficulty) / (this.#expectedWork(now) + difficulty)
    const threshold = this.isFlooded(difficulty, now) ? 2 : THRESHOLDS.find(([after]) => seconds >= after)?.[1]
    if (threshold === undefined) return false
    const isOff = factor >= threshold || factor <= 1 / threshold
    if (isOff) this.restart(this.hashRate * factor, now)
    else if (seconds >= THRESHOLDS[0]![0]) this.restart(this.hashRate, now)
    return isOff
  }

  #expectedWork(now: number): number {
    return (this.hashRate * (now - this.#since)) / (1000 * HASHES_PER_DIFFICULTY)
  }
}
