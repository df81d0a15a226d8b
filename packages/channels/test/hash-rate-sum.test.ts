import { assert, describe, it } from "@effect/vitest"
import { HASHES_PER_DIFFICULTY, HashRateSum, ProvenHashRate } from "../src/index.ts"

const DIFFICULTY = 1_000
/** The rate of a miner that finds a share of this difficulty in ten seconds. */
const RATE = (DIFFICULTY * HASHES_PER_DIFFICULTY) / 10

/** A channel that was opened at 0 and finds its shares at these seconds. */
const channel = (...seconds: ReadonlyArray<number>): ProvenHashRate => {
  const proven = new ProvenHashRate(0)
  for (const second of seconds) proven.add(DIFFICULTY, second * 1000)
  return proven
}

const rateOf = (
  seconds: number,
  channels: ReadonlyArray<readonly [assumed: number, proven: ProvenHashRate]>
): number => {
  const sum = new HashRateSum()
  for (const [assumed, proven] of channels) sum.add(assumed, proven, seconds * 1000)
  return sum.rate
}

describe("the hash rate of many channels", () => {
  it("is what they state while their shares prove nothing", () => {
    assert.strictEqual(
      rateOf(10, [
        [RATE, channel()],
        [1e24, channel(3)]
      ]),
      1e24 + RATE
    )
  })

  it("is what a thousand new miners state, when each has found as many shares as it should", () => {
    const miners = Array.from({ length: 1000 }, (_, index) => [RATE, channel(index % 10)] as const)
    assert.closeTo(rateOf(10, miners), 1000 * RATE, RATE)
  })

  it("is what a miner states that has found seven shares at its rate", () => {
    assert.closeTo(rateOf(70, [[RATE, channel(10, 20, 30, 40, 50, 60, 70)]]), RATE, RATE / 10)
  })

  it("is at most four times what shares prove", () => {
    const tenMinutes = Array.from({ length: 60 }, (_, index) => 10 * index)
    const rate = rateOf(600, [
      [RATE, channel(...tenMinutes)],
      [1e24, channel()]
    ])
    assert.isTrue(rate > RATE && rate < 4 * RATE, `${rate / RATE} times the rate`)
  })
})
