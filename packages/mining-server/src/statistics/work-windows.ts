/** How much work was done in the last 1, 5 and 60 minutes, and since the start, in 400 bytes: hash rates for people. */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import { Schema } from "effect"

/** Hashes a second, from accepted shares. Where there has been less time than that, over what there has been. */
export const HashRates = Schema.Struct({
  oneMinute: Schema.Finite,
  fiveMinutes: Schema.Finite,
  oneHour: Schema.Finite,
  sinceStart: Schema.Finite
})
export type HashRates = typeof HashRates.Type

/** Each window is twelve slots of time, so that a rate is over eleven twelfths of its window at least. */
const SLOTS = 12
const SLOT_MS = [5_000, 25_000, 300_000] as const

export class WorkWindows {
  readonly #startedAt: number
  /** Difficulty by slot, one window after the other. */
  readonly #work = new Float64Array(SLOT_MS.length * SLOTS)
  /** When the next slot of the first window begins; the others' are made of whole ones of it. */
  #until = 0
  #total = 0

  /** `now` in milliseconds since 1970, as everywhere in here. */
  constructor(now: number) {
    this.#startedAt = now
    this.#until = endOfSlot(SLOT_MS[0], now)
  }

  /** Work of this difficulty was done. A clock that goes back adds to the newest slots until it is there again. */
  add(difficulty: number, now: number): void {
    if (now >= this.#until) this.#advance(now)
    this.#total += difficulty
    const newest = this.#until - 1
    for (let window = 0; window < SLOT_MS.length; window++) {
      const slot = window * SLOTS + (Math.floor(newest / SLOT_MS[window]!) % SLOTS)
      this.#work[slot] = this.#work[slot]! + difficulty
    }
  }

  rates(now: number): HashRates {
    if (now >= this.#until) this.#advance(now)
    const [oneMinute = 0, fiveMinutes = 0, oneHour = 0] = SLOT_MS.map((slotMs, window) => {
      let difficulty = 0
      for (let slot = 0; slot < SLOTS; slot++) difficulty += this.#work[window * SLOTS + slot]!
      const begun = endOfSlot(slotMs, this.#until - 1) - SLOTS * slotMs
      return rate(difficulty, now - Math.max(begun, this.#startedAt))
    })
    return { oneMinute, fiveMinutes, oneHour, sinceStart: rate(this.#total, now - this.#startedAt) }
  }

  /** Empties the slots that time has passed over. */
  #advance(now: number): void {
    for (let window = 0; window < SLOT_MS.length; window++) {
      const newest = Math.floor((this.#until - 1) / SLOT_MS[window]!)
      const slot = Math.floor(now / SLOT_MS[window]!)
      for (let passed = Math.max(newest + 1, slot - SLOTS + 1); passed <= slot; passed++) {
        this.#work[window * SLOTS + (passed % SLOTS)] = 0
      }
    }
    this.#until = endOfSlot(SLOT_MS[0], now)
  }
}

const endOfSlot = (slotMs: number, now: number): number => (Math.floor(now / slotMs) + 1) * slotMs

const rate = (difficulty: number, ms: number): number =>
  ms <= 0 ? 0 : (difficulty * HASHES_PER_DIFFICULTY * 1000) / ms
