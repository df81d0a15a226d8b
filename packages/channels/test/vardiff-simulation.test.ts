/** What docs/vardiff.md says of the rule, from fewer simulations of changes than `npm run vardiff-page` makes. */
import { expect, test } from "vitest"
import { changes, longs } from "../../../scripts/vardiff-page.ts"
import { SLOW_NOISE } from "../../../scripts/vardiff-simulation.ts"

test("the difficulty is right sooner than by the table that it is compared with, and stays so with fewer changes", () => {
  for (const [mine, theirs] of pairs(changes(100))) {
    expect([mine.rule, theirs.rule]).toEqual(["ours", "classic"])
    expect(mine.setTargets, mine.scenario).toBeLessThan(theirs.setTargets)
    // The page says that these take longer.
    if (mine.scenario.endsWith(" x1.5")) continue
    expect(mine.p90, mine.scenario).toBeLessThan(theirs.p90 * 0.8)
    expect(mine.median, mine.scenario).toBeLessThan(theirs.median * 0.95)
  }
  for (const [mine, theirs] of pairs(longs(60))) {
    // Of this one, too.
    if (mine.scenario === SLOW_NOISE.name) continue
    expect(mine.setTargetsAnHour, mine.scenario).toBeLessThan(theirs.setTargetsAnHour * 0.8)
    expect(mine.right, mine.scenario).toBeGreaterThan(theirs.right)
    expect(mine.sharesAMinute, mine.scenario).toBeLessThan(6.5)
  }
})

const pairs = <A>(rows: ReadonlyArray<A>): ReadonlyArray<readonly [A, A]> =>
  rows.flatMap((row, index) => (index % 2 === 0 ? [[row, rows[index + 1]!] as const] : []))
