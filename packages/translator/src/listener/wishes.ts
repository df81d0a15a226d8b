/** What a miner asks for: the difficulty in its password, or with mining.suggest_difficulty, as a hash rate and a target of V2. */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import { Target } from "@sluice/core"
import { type Server, targetOfDifficulty } from "@sluice/stratum-v1"

/** A target cannot be harder on any server of ours. */
const MAX_DIFFICULTY = 2 ** 53
/** Six shares a minute, which pools aim at. */
const SECONDS_BETWEEN_SHARES = 10
const ANY_TARGET = new Uint8Array(32).fill(0xff)

export class Wishes {
  readonly #guess: number
  /** The least difficulty: V2's max_target. */
  #least: number | undefined
  /** The difficulty to begin with: V2's nominal_hash_rate. */
  #first: number | undefined

  /** `guess` is the hash rate of a miner that asks for nothing. */
  constructor(guess: number) {
    this.#guess = guess
  }

  get maxTarget(): Uint8Array {
    return this.#least === undefined ? ANY_TARGET : targetOfDifficulty(this.#least)
  }

  get nominalHashRate(): number {
    // A little less than the least difficulty is worth, so that the miner begins with exactly that: the maximum target.
    const difficulty = Math.max(this.#first ?? 0, (this.#least ?? 0) * 0.99)
    return difficulty === 0 ? this.#guess : (difficulty * HASHES_PER_DIFFICULTY) / SECONDS_BETWEEN_SHARES
  }

  /** `d=` in the password, or minimum-difficulty of mining.configure: never less than that. */
  atLeast(difficulty: number): void {
    this.#least = Math.max(this.#least ?? 0, Math.min(difficulty, MAX_DIFFICULTY))
  }

  /** mining.suggest_difficulty or suggest_target: where to begin. Gives whether that is new. */
  suggest({ difficulty, target }: Server.Suggested): boolean {
    const wanted = difficulty ?? Target.targetToDifficulty(target!, 0)
    if (!(wanted > 0)) return false
    const first = Math.min(wanted, MAX_DIFFICULTY)
    if (first === this.#first) return false
    this.#first = first
    return true
  }
}
