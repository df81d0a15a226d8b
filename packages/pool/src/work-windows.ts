/** How much work was done in the last 1, 5 and 60 minutes, and since the start, in 400 bytes: hash rates for people. */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"

/** Hashes a second, from accepted shares. Where there has been less time than that, over what there has been. */
export interface HashRates {
  readonly oneMinute: number
  readonly fiveMinutes: number
  readonly oneHour: number
  readonly sinceStart: number
}

/** Each window is twelve slots of time, so that a rate is over eleven twelfths of its window at least. */
const SLOTS = 12
const SLOT_MS = [5_000, 25_000, 300_000] as const

export class WorkWindows {
  readonly #startedAt: number
  /** Difficulty by slot, one window after the other. */
  readonly #work = new Float64Array(SLOT_MS.length * SLOTS)
  /** The newest slot of each window, counted from 1970. */
  readonly #newest: Array<number>
  #total = 0

  /** `now` in milliseconds since 1970, as everywhere in here. */
  constructor(now: number) {
    this.#startedAt = now
    this.#newest = SLOT_MS.map((slotMs) => Math.floor(now / slotMs))
  }

  /** Work of this difficulty was done. */
  add(difficulty: number, now: number): void {
    this.#total += difficulty
    for (let window = 0; window < SLOT_MS.length; window++) {
      this.#advance(window, now)
      const slot = window * SLOTS + (this.#newest[window]! % SLOTS)
      this.#work[slot] = this.#work[slot]! + difficulty
    }
  }

  rates(now: number): HashRates {
    const [oneMinute = 0, fiveMinutes = 0, oneHour = 0] = SLOT_MS.map((slotMs, window) => {
      this.#advance(window, now)
      let difficulty = 0
      for (let slot = 0; slot < SLOTS; slot++) difficulty += this.#work[window * SLOTS + slot]!
      const begun = (this.#newest[window]! - SLOTS + 1) * slotMs
      return rate(difficulty, now - Math.max(begun, this.#startedAt))
    })
    return { oneMinute, fiveMinutes, oneHour, sinceStart: rate(this.#total, now - this.#startedAt) }
  }

  /** Empties the slots that time has passed over. A clock that went back adds to the newest slot until it is there again. */
  #advance(window: number, now: number): void {
    const slot = Math.floor(now / SLOT_MS[window]!)
    const newest = this.#newest[window]!
    if (slot <= newest) return
    for (let passed = Math.max(newest + 1, slot - SLOTS + 1); passed <= slot; passed++) {
      this.#work[window * SLOTS + (passed % SLOTS)] = 0
    }
    this.#newest[window] = slot
  }
}

const rate = (difficulty: number, ms: number): number =>
  ms <= 0 ? 0 : (difficulty * HASHES_PER_DIFFICULTY * 1000) / ms
