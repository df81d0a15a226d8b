/** Checks the results in docs/vardiff.md with fewer simulations than `npm run vardiff-page` runs. */
import { expect, test } from "vitest"
import { changes, longs } from "../../../scripts/vardiff-page.ts"
import { SLOW_NOISE } from "../../../scripts/vardiff-simulation.ts"

test("the difficulty is right sooner than by the classic rule, with fewer changes", () => {
  for (const [mine, theirs] of pairs(changes(100))) {
    expect([mine.rule, theirs.rule]).toEqual(["ours", "classic"])
    expect(mine.setTargets, mine.scenario).toBeLessThan(theirs.setTargets)
    // The page states that these changes take longer.
    if (mine.scenario.endsWith(" x1.5")) continue
    expect(mine.p90, mine.scenario).toBeLessThan(theirs.p90 * 0.8)
    expect(mine.median, mine.scenario).toBeLessThan(theirs.median * 0.95)
  }
  for (const [mine, theirs] of pairs(longs(60))) {
    // The page states that both rules follow this noise.
    if (mine.scenario === SLOW_NOISE.name) continue
    expect(mine.setTargetsAnHour, mine.scenario).toBeLessThan(theirs.setTargetsAnHour * 0.8)
    expect(mine.right, mine.scenario).toBeGreaterThan(theirs.right)
    expect(mine.sharesAMinute, mine.scenario).toBeLessThan(6.5)
  }
})

const pairs = <A>(rows: ReadonlyArray<A>): ReadonlyArray<readonly [A, A]> =>
  rows.flatMap((row, index) => (index % 2 === 0 ? [[row, rows[index + 1]!] as const] : []))
