import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { RecentTimes } from "../src/provider/node/recent-times.ts"

const Times = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff }))).check(
  Schema.isMaxLength(30)
)

/** As Bitcoin Core takes it: the middle one of the last eleven. */
const median = (times: ReadonlyArray<number>): number => {
  const last = times.slice(-11).toSorted((a, b) => a - b)
  return last[Math.floor(last.length / 2)]!
}

describe("the median time past", () => {
  it.prop("is that of all blocks, however they became known", [Times, Times], ([first, later]) => {
    const recent = new RecentTimes()
    const times = [7, ...first]
    recent.extend(undefined, "0", times)
    later.forEach((time, index) => {
      assert.strictEqual(recent.medianBehind(String(index), time), median([...times, time]))
      times.push(time)
      recent.extend(String(index), String(index + 1), [time])
    })
  })

  it("is unknown behind another block, and times of another branch are dropped", () => {
    const recent = new RecentTimes()
    recent.extend(undefined, "a", [1, 2, 3])
    assert.isUndefined(recent.medianBehind("b", 4))
    recent.extend("x", "y", [100])
    assert.strictEqual(recent.medianBehind("y", 200), 200)
    assert.isUndefined(recent.medianBehind("a", 4))
  })
})
