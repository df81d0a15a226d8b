/**
 * Variable difficulty: estimates a channel's hash rate from its shares, to choose its target. docs/vardiff.md gives the reasons
 * for the rule, with curves and a comparison.
 *
 * Shares come as a Poisson process, so n of them give the rate with a relative error of about 1/sqrt(n). The rule has two
 * states. While *watching*, it detects a change with two of Page's cumulative sums, one for a higher and one for a lower rate
 * than expected, and follows small differences by an average over a long time. When a sum raises an alarm, the rule starts
 * *measuring*: it makes the target easier, so that many shares come soon. The first of them may show that the alarm was false.
 * Otherwise the rule takes the rate of a hundred shares.
 */
import { HASHES_PER_DIFFICULTY } from "./hash-rate.ts"

/** The sums test for the rate multiplied and divided by this factor. */
const CHANGE_FACTOR = 1.9
/** The log-likelihood ratio at which a sum raises an alarm. It decides how often alarms are false. */
const ALARM = 6.75
/** The log-likelihood ratio of the same two rates at which a measurement shows that the alarm was false. */
const FALSE_ALARM = 3
/** The shares of a measurement: they give the rate with a standard deviation of 10 %. */
const MEASURED_SHARES = 100
/** How many times easier than usual the target is while measuring. */
export const EASIER = 16
/** The log-likelihood ratio at which a measurement with too few shares shows that the rate is lower still. */
const FEWER = 4
/** Silence divides the rate last seen by at most this, because the miner may come back. */
const SILENT_FACTOR = 1000
/** The shortest measurement, in seconds, because shares of one read say little about time. A flood of shares ends it earlier. */
const SHORTEST_SECONDS = 0.25
const FLOOD_SHARES = 400
/** The time constant of the long average, in seconds. */
const MEMORY_SECONDS = 1200
/** The rule adopts the long average if its logarithm differs by this, and by this many standard deviations. */
const DEAD_BAND = 0.12
const DEVIATIONS = 3

/**
 * Estimates the hash rate of one channel. Times are in milliseconds. Fields begin as numbers, because V8 changes those in place: one
 * that began as `undefined` would get a new object at each review, for the garbage collector to move to the old generation.
 */
export class Vardiff {
  /** The hash rate to choose the channel's target for, in hashes a second. */
  hashRate = 0
  /** Whether to call `review` at once and not wait for the next regular time. */
  isDue = false
  readonly #minHashRate: number
  #at = 0
  #isMeasuring = false
  #isMeasured = false
  /** Work of the measurement in shares of the present target, and its duration in seconds. */
  #measured = 0
  #seconds = 0
  /** The rate before the alarm, and the factor that the alarm tested for: `CHANGE_FACTOR`, or its inverse. */
  #before = 0
  #change = 1
  /** The last rate that was measured or, before the first share, stated. */
  #seen = 0
  #hasShares = false
  /** The long average: shares and expected shares, both decaying. The statement counts as one share. */
  #shares = 1
  #expected = 1
  readonly #faster = new Sum(Math.log(CHANGE_FACTOR), CHANGE_FACTOR - 1)
  readonly #slower = new Sum(-Math.log(CHANGE_FACTOR), 1 / CHANGE_FACTOR - 1)

  constructor(hashRate: number, minHashRate: number, now: number) {
    // No factor would make a rate of 0 grow.
    this.#minHashRate = Math.max(minHashRate, 1)
    this.hashRate = Math.max(hashRate, this.#minHashRate)
    this.#seen = this.hashRate
    this.#at = now
  }

  /** The rate that the channel's own shares have shown. `undefined` if none has, or while a measurement tests it. */
  get shownRate(): number | undefined {
    return this.#isMeasured && !this.#isMeasuring ? this.hashRate : undefined
  }

  /** Begins again with a rate that the client states (UpdateChannel). */
  restart(hashRate: number, now: number): void {
    this.#watch(hashRate)
    this.#isMeasured = false
    this.#hasShares = false
    this.#shares = 1
    this.#expected = 1
    this.#at = now
  }

  /** Records an accepted share of this difficulty. `target` is the difficulty of the channel's target. */
  record(difficulty: number, target: number, now: number): void {
    this.#advance(target, now)
    const shares = difficulty / target
    this.#hasShares = true
    if (this.#isMeasuring) {
      this.#measured += shares
      this.isDue = this.#isEnough || this.#isFalseAlarm(target)
      return
    }
    this.#shares += shares
    this.#faster.add(shares, 0)
    this.#slower.add(shares, 0)
    this.isDue = this.#faster.score >= ALARM
  }

  /** Updates `hashRate` from the shares. Returns whether it changed. `target` as in `record`. */
  review(target: number, now: number): boolean {
    this.#advance(target, now)
    this.isDue = false
    const before = this.hashRate
    if (this.#isMeasuring) this.#reviewMeasurement(target)
    else if (this.#faster.score >= ALARM) this.#alarm(this.#faster.factor)
    else if (this.#slower.score >= ALARM) this.#alarm(this.#slower.factor)
    else this.#reviewAverage()
    return this.hashRate !== before
  }

  #advance(target: number, now: number): void {
    const seconds = Math.max(0, now - this.#at) / 1000
    this.#at = Math.max(this.#at, now)
    if (seconds === 0) return
    if (this.#isMeasuring) {
      this.#seconds += seconds
      return
    }
    const expected = this.#expectedIn(seconds, target)
    const kept = Math.exp(-seconds / MEMORY_SECONDS)
    this.#shares *= kept
    this.#expected = this.#expected * kept + expected
    this.#faster.add(0, expected)
    this.#slower.add(0, expected)
  }

  #expectedIn(seconds: number, target: number): number {
    return (seconds * this.hashRate) / (target * HASHES_PER_DIFFICULTY)
  }

  /** Starts a measurement, as the rate seems to have changed by about this factor. */
  #alarm(factor: number): void {
    this.#before = this.hashRate
    this.#change = factor > 1 ? CHANGE_FACTOR : 1 / CHANGE_FACTOR
    if (factor >= EASIER) this.#measure(this.hashRate)
    else this.#measure((this.hashRate * factor) / EASIER)
  }

  /** Begins to measure, with a target for `hashRate`. */
  #measure(hashRate: number): void {
    const least = this.#hasShares ? Math.max(this.#seen / SILENT_FACTOR, this.#minHashRate) : this.#minHashRate
    this.hashRate = Math.max(hashRate, least)
    this.#isMeasuring = true
    this.#measured = 0
    this.#seconds = 0
  }

  get #isEnough(): boolean {
    const least = this.#seconds >= SHORTEST_SECONDS ? MEASURED_SHARES : FLOOD_SHARES
    return this.#measured >= least
  }

  #isFalseAlarm(target: number): boolean {
    const expected = (this.#seconds * this.#before) / (target * HASHES_PER_DIFFICULTY)
    // If the rate did not go up it may still have gone down, for example because the miner has stopped.
    const isNear = this.#measured * CHANGE_FACTOR >= expected && this.#measured <= expected * CHANGE_FACTOR
    return isNear && expected * (this.#change - 1) - this.#measured * Math.log(this.#change) >= FALSE_ALARM
  }

  #reviewMeasurement(target: number): void {
    const shares = this.#measured
    if (this.#isEnough) {
      const seconds = Math.max(this.#seconds, SHORTEST_SECONDS)
      this.#watch((shares * target * HASHES_PER_DIFFICULTY) / seconds)
      this.#isMeasured = true
      this.#shares = shares
      this.#expected = shares
      return
    }
    // Returns to the rate before the alarm and keeps the long average.
    if (this.#isFalseAlarm(target)) return this.#watch(this.#before)
    const asked = EASIER * this.#expectedIn(this.#seconds, target)
    const unlikely = asked - shares - (shares > 0 ? shares * Math.log(asked / shares) : 0)
    if (shares >= asked / 2 || unlikely < FEWER) return
    // A miner that still sends shares may be as slow as this.
    if (shares >= 1) this.#seen = this.hashRate
    this.#measure((this.hashRate * (shares + 0.5)) / (asked + 0.5))
  }

  #reviewAverage(): void {
    const off = Math.log(this.#shares / this.#expected)
    if (!(Math.abs(off) >= Math.max(DEAD_BAND, DEVIATIONS / Math.sqrt(this.#shares)))) return
    const shares = this.#shares
    this.#watch((this.hashRate * shares) / this.#expected)
    this.#isMeasured = true
    this.#shares = shares
    this.#expected = shares
  }

  #watch(hashRate: number): void {
    this.hashRate = Math.max(hashRate, this.#minHashRate)
    this.#seen = this.hashRate
    this.#isMeasuring = false
    this.isDue = false
    this.#faster.clear()
    this.#slower.clear()
  }
}

/**
 * A cumulative sum (Page, 1954; for counts Lucas, 1985): the log-likelihood ratio of another rate against the expected rate. It
 * covers the time since it was last 0, the most likely moment of a change.
 */
class Sum {
  score = 0
  #shares = 0
  #expected = 0
  /** How much a share adds, and how much an expected share subtracts. */
  readonly #perShare: number
  readonly #perExpected: number

  constructor(perShare: number, perExpected: number) {
    this.#perShare = perShare
    this.#perExpected = perExpected
  }

  /** The rate since the sum was last 0, divided by the expected rate. */
  get factor(): number {
    return (this.#shares + 0.5) / (this.#expected + 0.5)
  }

  add(shares: number, expected: number): void {
    this.score += shares * this.#perShare - expected * this.#perExpected
    this.#shares += shares
    this.#expected += expected
    if (this.score <= 0) this.clear()
  }

  clear(): void {
    this.score = 0
    this.#shares = 0
    this.#expected = 0
  }
}
