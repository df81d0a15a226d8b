/**
 * Simulates miners to test rules for the difficulty. Shares are a Poisson process, from a seeded generator, with the hash rate
 * of the miner divided by the current difficulty as its rate. Rates are in units of the miner's first rate. A new target holds
 * at once under every rule.
 */
import { HASHES_PER_DIFFICULTY, Vardiff } from "@sluice/channels"
import { seededRandom } from "@sluice/testing/seeded-random"

/** Seconds between shares that both rules aim at: six a minute. */
const PERIOD = 10
/** The most shares a second that a device sends, however easy they are. */
const MAX_PER_SECOND = 100
/** Hashes a second for a rate of 1. */
const UNIT = 1e12

export interface Rule {
  /** Seconds between regular reviews. */
  readonly every: number
  /** The rate that the target is made for. */
  readonly rate: number
  /** Takes a share at a time in seconds. The rule may change its rate at once. */
  share(now: number): void
  review(now: number): void
}

/** The rule of this project, reviewed as often as in the pool. */
export const ours = (): Rule => {
  const vardiff = new Vardiff(UNIT, 1, 0)
  const target = () => (vardiff.hashRate * PERIOD) / HASHES_PER_DIFFICULTY
  return {
    every: 5,
    get rate() {
      return vardiff.hashRate / UNIT
    },
    share(now) {
      vardiff.record(target(), target(), now * 1000)
      if (vardiff.isDue) vardiff.review(target(), now * 1000)
    },
    review(now) {
      vardiff.review(target(), now * 1000)
    }
  }
}

/**
 * The rules that the Stratum V2 reference implementation calls classic: every 60 seconds they
 * adopt the rate since the last change if it differs enough for its time. Without a share they divide the rate, and they limit large steps.
 */
export const classic = (): Rule => {
  let rate = 1
  let shares = 0
  let since = 0
  return {
    every: 60,
    get rate() {
      return rate
    },
    share() {
      shares++
    },
    review(now) {
      const seconds = now - since
      const factor = (shares * PERIOD) / seconds
      const off = Math.abs(factor - 1)
      if (!CLASSIC.some(([after, least]) => seconds >= after && off >= least)) return
      if (shares === 0) rate /= seconds <= 30 ? 1.5 : seconds < 60 ? 2 : 3
      else if (off > 10) rate *= seconds <= 30 ? 10 : seconds < 60 ? 5 : 3
      else rate *= factor
      shares = 0
      since = now
    }
  }
}

const CLASSIC: ReadonlyArray<readonly [afterSeconds: number, off: number]> = [
  [15, 1],
  [60, 0.6],
  [120, 0.5],
  [180, 0.45],
  [240, 0.3],
  [300, 0.15]
]

export interface Scenario {
  readonly name: string
  /** The miner's rate at a time in seconds, constant within a second. `random` is the generator of the run. */
  readonly rate: (now: number, random: (n: number) => number) => number
  /** The time of the change and the rate after it. The time until the rule is right counts from here. */
  readonly change: number
  readonly after: number
  readonly seconds: number
}

export interface Run {
  /** The changes of the rule's rate, the first at 0. */
  readonly rates: ReadonlyArray<readonly [seconds: number, rate: number]>
  /** The times of the shares. */
  readonly shares: ReadonlyArray<number>
}

export const simulate = (rule: Rule, scenario: Scenario, seed: number): Run => {
  const random = seededRandom(seed)
  const noise = (n: number) => seededRandom(Math.imul(seed, 31) + n)()
  const rates: Array<[number, number]> = [[0, rule.rate]]
  const shares: Array<number> = []
  const note = (now: number) => {
    if (rule.rate !== rates.at(-1)![1]) rates.push([now, rule.rate])
  }
  let now = 0
  let review = rule.every
  let toNext = -Math.log(1 - random())
  while (now < scenario.seconds) {
    const perSecond = Math.min(MAX_PER_SECOND, scenario.rate(Math.floor(now), noise) / (rule.rate * PERIOD))
    const until = Math.min(review, Math.floor(now) + 1)
    if (toNext <= (until - now) * perSecond) {
      now += toNext / perSecond
      toNext = -Math.log(1 - random())
      shares.push(now)
      rule.share(now)
      note(now)
      continue
    }
    toNext -= (until - now) * perSecond
    now = until
    if (now < review) continue
    review += rule.every
    rule.review(now)
    note(now)
  }
  return { rates, shares }
}

/** The rule's rate at a time. */
export const rateAt = ({ rates }: Run, seconds: number): number => {
  let low = 0
  let high = rates.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (rates[middle]![0] <= seconds) low = middle
    else high = middle
  }
  return rates[low]![1]
}

export const isRight = (rate: number, right: number): boolean => Math.abs(rate / right - 1) <= 0.2

/** Seconds from the change until the rate is first within 20 %; infinite if it never is. */
export const timeToRight = (run: Run, { after, change }: Scenario): number => {
  if (isRight(rateAt(run, change), after)) return 0
  const found = run.rates.find(([seconds, rate]) => seconds > change && isRight(rate, after))
  return found === undefined ? Infinity : found[0] - change
}

const HOUR = 3600
const BEFORE = 600

const step = (factor: number): Scenario => ({
  name: factor > 1 ? `up x${factor}` : `down x${Number((1 / factor).toPrecision(2))}`,
  rate: (now) => (now < BEFORE ? 1 : factor),
  change: BEFORE,
  after: factor,
  seconds: BEFORE + HOUR
})

export const STEPS: ReadonlyArray<Scenario> = [1.5, 2, 10, 100, 1 / 1.5, 1 / 2, 1 / 10, 1 / 100].map(step)

/** A miner that stops for ten minutes. */
export const RETURN: Scenario = {
  name: "stops, and is back after 10 minutes",
  rate: (now) => (now < BEFORE || now >= 2 * BEFORE ? 1 : 0),
  change: 2 * BEFORE,
  after: 1,
  seconds: 2 * BEFORE + HOUR
}

const long = (name: string, rate: Scenario["rate"]): Scenario => ({
  name,
  rate,
  change: HOUR,
  after: 1,
  seconds: 6 * HOUR
})

/** A miner that changes its rate after each interval, with a standard deviation of a quarter. */
const noise =
  (seconds: number): Scenario["rate"] =>
  (now, random) =>
    Math.max(0, 1 + 0.25 * Math.sqrt(12 / 4) * (sum4(random, Math.floor(now / seconds)) - 2))

export const STEADY: Scenario = long("steady", () => 1)
export const NOISE: Scenario = long("noise of 25 %, each minute", noise(60))
/** A miner that changes its rate every minute, from three quarters to five quarters. */
export const EVEN_NOISE: Scenario = long(
  "up to 25 % off, each minute",
  (now, random) => 0.75 + 0.5 * random(Math.floor(now / 60))
)
export const SLOW_NOISE: Scenario = long("noise of 25 %, each five minutes", noise(300))

/** A sum of four numbers from 0 to 1, which is nearly normal. */
const sum4 = (random: (n: number) => number, n: number): number =>
  random(4 * n) + random(4 * n + 1) + random(4 * n + 2) + random(4 * n + 3)

export const quantile = (values: ReadonlyArray<number>, p: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(p * values.length))]!

/** All runs of a scenario under a rule. */
export const runs = (make: () => Rule, scenario: Scenario, count: number): ReadonlyArray<Run> =>
  Array.from({ length: count }, (_, index) => simulate(make(), scenario, index * 7919 + 1))
