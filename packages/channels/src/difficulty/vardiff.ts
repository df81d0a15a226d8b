/**
 * Variable difficulty: from the work that a channel shows to the hash rate that its target is made for. Why it is as it
 * is, with curves and a comparison, stands in docs/vardiff.md.
 *
 * Shares come as a Poisson process, so n of them tell the rate to about 1/sqrt(n). The rule has two states. While
 * *watching* it looks for a change with two of Page's cumulative sums, one for a rate that is higher and one for a rate that
 * is lower than expected, and follows small differences by an average over a long time. When a sum says that the rate is
 * another, it goes *measuring*: it asks for easier shares, so that many come soon. The first of them say whether it was a
 * false alarm; if not, it takes the rate of a hundred.
 */
import { HASHES_PER_DIFFICULTY } from "./hash-rate.ts"

/** The sums are for the rate times or divided by this. */
const CHANGE_FACTOR = 1.9
/** Where a sum says that the rate has changed: a log-likelihood ratio. It decides how often that is wrong. */
const ALARM = 6.75
/** Where the measurement says that it has not: a log-likelihood ratio of the same two rates. */
const FALSE_ALARM = 3
/** Shares of a measurement: a standard deviation of 10 %. */
const MEASURED_SHARES = 100
/** How many times more shares than usual are asked for while measuring. */
export const EASIER = 16
/** While measuring, far fewer shares than asked for mean that the rate is lower still: a log-likelihood ratio. */
const FEWER = 4
/** Silence lowers the rate to so small a part of the one last seen: the miner may come back. */
const SILENT_FACTOR = 1000
/** The shortest time of a measurement in seconds, for what comes in one read says little of time; a flood ends it earlier. */
const SHORTEST_SECONDS = 0.25
const FLOOD_SHARES = 400
/** Of the long average, in seconds. */
const MEMORY_SECONDS = 1200
/** The long average is taken over where it is off by this, as a logarithm, and by so many standard deviations. */
const DEAD_BAND = 0.12
const DEVIATIONS = 3

/** What one channel shows. Times are in milliseconds, difficulties those of shares and of the channel's present target. */
export class Vardiff {
  /** Hashes a second that the channel's target is to be made for. */
  hashRate: number
  /** Whether a `review` is worth while before the next regular one. */
  isDue = false
  readonly #minHashRate: number
  #at: number
  #isMeasuring = false
  #isMeasured = false
  /** Work of the measurement in shares of the present target, and its time in seconds. */
  #measured = 0
  #seconds = 0
  /** The rate before the alarm, and what the alarm said it had changed by: `CHANGE_FACTOR`, or one over it. */
  #before = 0
  #change = 1
  /** The last rate that was measured or, before a share came, stated. */
  #seen: number
  #hasShares = false
  /** The long average: shares and expected shares, both forgotten with time. What was stated counts as one share. */
  #shares = 1
  #expected = 1
  readonly #faster = new Sum(Math.log(CHANGE_FACTOR), CHANGE_FACTOR - 1)
  readonly #slower = new Sum(-Math.log(CHANGE_FACTOR), 1 / CHANGE_FACTOR - 1)

  constructor(hashRate: number, minHashRate: number, now: number) {
    // From nothing it could not grow by any factor.
    this.#minHashRate = Math.max(minHashRate, 1)
    this.hashRate = Math.max(hashRate, this.#minHashRate)
    this.#seen = this.hashRate
    this.#at = now
  }

  /** The rate, where the channel's own shares have shown it and nothing speaks against it now. */
  get shownRate(): number | undefined {
    return this.#isMeasured && !this.#isMeasuring ? this.hashRate : undefined
  }

  /** Begins anew at a rate that is known from elsewhere (UpdateChannel). */
  restart(hashRate: number, now: number): void {
    this.#watch(hashRate)
    this.#isMeasured = false
    this.#hasShares = false
    this.#shares = 1
    this.#expected = 1
    this.#at = now
  }

  /** A share of this difficulty was accepted; `target` is the difficulty of the channel's target. */
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

  /** Takes over what the shares show, if it is another rate, and says whether it did. `target` as in `record`. */
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

  /** The rate is another, about so many times the present one. */
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
    // That it was no change upwards does not say that it was none downwards, as where the miner has stopped.
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
    // What the long average knows of the rate holds on.
    if (this.#isFalseAlarm(target)) return this.#watch(this.#before)
    const asked = EASIER * this.#expectedIn(this.#seconds, target)
    const unlikely = asked - shares - (shares > 0 ? shares * Math.log(asked / shares) : 0)
    if (shares >= asked / 2 || unlikely < FEWER) return
    // A miner that lives may be as slow as it is.
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
 * A cumulative sum (Page, 1954; for counts Lucas, 1985): the log-likelihood ratio of another rate against the expected
 * one since it was 0 last, which is when a change most likely happened.
 */
class Sum {
  score = 0
  #shares = 0
  #expected = 0
  /** What a share adds, and what an expected one takes away. */
  readonly #perShare: number
  readonly #perExpected: number

  constructor(perShare: number, perExpected: number) {
    this.#perShare = perShare
    this.#perExpected = perExpected
  }

  /** The rate since the sum was 0, over the expected one. */
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
