import { HASHES_PER_DIFFICULTY } from "@sluice/channels"
import { assert, describe, it } from "@effect/vitest"
import { WorkWindows } from "../src/statistics/work-windows.ts"

/** One share of difficulty 1 each second, from `from` to `to`. */
const mine = (work: WorkWindows, from: number, to: number): void => {
  for (let second = from; second < to; second++) work.add(1, second * 1000)
}
const perSecond = (hashes: number) => hashes / HASHES_PER_DIFFICULTY

describe("hash rates of windows of time", () => {
  it("equal the rate of steady work, in every window", () => {
    const work = new WorkWindows(0)
    mine(work, 0, 7200)
    const { fiveMinutes, oneHour, oneMinute, sinceStart } = work.rates(7_200_000)
    for (const rate of [oneMinute, fiveMinutes, oneHour, sinceStart]) assert.closeTo(perSecond(rate), 1, 0.03)
  })

  it("count from the start if it is later than the start of the window", () => {
    const work = new WorkWindows(1_000_000_000)
    assert.deepStrictEqual(work.rates(1_000_000_000), { oneMinute: 0, fiveMinutes: 0, oneHour: 0, sinceStart: 0 })
    mine(work, 1_000_000, 1_000_030)
    for (const rate of Object.values(work.rates(1_000_030_000))) assert.closeTo(perSecond(rate), 1, 1e-9)
  })

  it("forget work that is older than their window", () => {
    const work = new WorkWindows(0)
    mine(work, 0, 3600)
    const minuteAfter = work.rates(3_600_000 + 61_000)
    assert.strictEqual(minuteAfter.oneMinute, 0)
    assert.closeTo(perSecond(minuteAfter.fiveMinutes), 0.8, 0.05)
    assert.closeTo(perSecond(minuteAfter.oneHour), 0.98, 0.03)
    const dayAfter = work.rates(3_600_000 + 86_400_000)
    assert.deepStrictEqual([dayAfter.fiveMinutes, dayAfter.oneHour], [0, 0])
    assert.closeTo(perSecond(dayAfter.sinceStart), 0.04, 0.001)
  })

  it("lose no work if the clock is set back", () => {
    const work = new WorkWindows(1_000_000)
    work.add(1, 1_100_000)
    work.add(1, 1_000_000)
    assert.closeTo(perSecond(work.rates(1_100_000).sinceStart), 0.02, 1e-9)
    assert.isAbove(work.rates(1_100_000).oneHour, 0)
  })
})
