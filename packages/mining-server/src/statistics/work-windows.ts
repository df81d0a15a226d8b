/** Measures hash rates for people, in 400 bytes: over the last 1, 5 and 60 minutes, and since the start. */
import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import { Schema } from "effect"

/** Hashes a second, estimated from accepted shares. A window that began before the start counts from the start. */
export const HashRates = Schema.Struct({
  oneMinute: Schema.Finite,
  fiveMinutes: Schema.Finite,
  oneHour: Schema.Finite,
  sinceStart: Schema.Finite
})
export type HashRates = typeof HashRates.Type

/** Each window has twelve slots, so a rate covers at least eleven twelfths of its window. */
const SLOTS = 12
const SLOT_MS = [5_000, 25_000, 300_000] as const

export class WorkWindows {
  readonly #startedAt: number
  /** Difficulty by slot, one window after the other. Made with the first work: a plain array takes half of a typed one's memory. */
  #work: Array<number> | undefined
  /** When the next slot of the first window begins; slots of the other windows are multiples of it. */
  #until = 0
  /** Difficulty since the last slot of the first window began. It is in no slot yet, so that a share touches this object only. */
  #recent = 0
  #total = 0

  /** `now` is in milliseconds since 1970, as in all methods. */
  constructor(now: number) {
    this.#startedAt = now
    this.#until = endOfSlot(SLOT_MS[0], now)
  }

  /** Adds work of this difficulty. If the clock was set back, the work is added to the newest slots until the clock catches up. */
  add(difficulty: number, now: number): void {
    if (now >= this.#until) this.#advance(now)
    this.#recent += difficulty
  }

  rates(now: number): HashRates {
    if (now >= this.#until) this.#advance(now)
    else this.#settle()
    const work = this.#work
    if (work === undefined) return NO_WORK
    const [oneMinute = 0, fiveMinutes = 0, oneHour = 0] = SLOT_MS.map((slotMs, window) => {
      let difficulty = 0
      for (let slot = 0; slot < SLOTS; slot++) difficulty += work[window * SLOTS + slot]!
      const begun = endOfSlot(slotMs, this.#until - 1) - SLOTS * slotMs
      return rate(difficulty, now - Math.max(begun, this.#startedAt))
    })
    return { oneMinute, fiveMinutes, oneHour, sinceStart: rate(this.#total, now - this.#startedAt) }
  }

  /** Adds the recent difficulty to the newest slot of each window. */
  #settle(): void {
    if (this.#recent === 0) return
    this.#total += this.#recent
    const newest = this.#until - 1
    const work = (this.#work ??= Array.from({ length: SLOT_MS.length * SLOTS }, () => 0))
    for (let window = 0; window < SLOT_MS.length; window++) {
      const slot = window * SLOTS + (Math.floor(newest / SLOT_MS[window]!) % SLOTS)
      work[slot] = work[slot]! + this.#recent
    }
    this.#recent = 0
  }

  /** Goes over to the slots of `now`. */
  #advance(now: number): void {
    this.#settle()
    if (this.#work !== undefined) this.#emptySlots(this.#work, now)
    this.#until = endOfSlot(SLOT_MS[0], now)
  }

  /** Empties the slots between the last one used and `now`. */
  #emptySlots(work: Array<number>, now: number): void {
    for (let window = 0; window < SLOT_MS.length; window++) {
      const newest = Math.floor((this.#until - 1) / SLOT_MS[window]!)
      const slot = Math.floor(now / SLOT_MS[window]!)
      for (let passed = Math.max(newest + 1, slot - SLOTS + 1); passed <= slot; passed++) {
        work[window * SLOTS + (passed % SLOTS)] = 0
      }
    }
  }
}

const NO_WORK: HashRates = { oneMinute: 0, fiveMinutes: 0, oneHour: 0, sinceStart: 0 }

const endOfSlot = (slotMs: number, now: number): number => (Math.floor(now / slotMs) + 1) * slotMs

const rate = (difficulty: number, ms: number): number =>
  ms <= 0 ? 0 : (difficulty * HASHES_PER_DIFFICULTY * 1000) / ms
