/** docs/vardiff.md says what the simulations show; `npm run vardiff-page` writes it. */
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { changes, folder, longs, pageWith, path, pictures, tables } from "../../../scripts/vardiff-page.ts"

const made = { changes: changes(), longs: longs() }

test("the tables are those of the simulations", () => {
  const page = readFileSync(path, "utf8")
  expect(page).toBe(pageWith(page, tables(made)))
})

test("the pictures are those of the simulations", () => {
  for (const [name, svg] of pictures()) {
    expect(readFileSync(`${folder}${name}`, "utf8") === svg, name).toBe(true)
    expect(readFileSync(path, "utf8")).toContain(`(vardiff/${name})`)
  }
})

test("the difficulty is right sooner than by the table that it is compared with, and stays so with fewer changes", () => {
  for (const [mine, theirs] of pairs(made.changes)) {
    expect([mine.rule, theirs.rule]).toEqual(["ours", "classic"])
    expect(mine.p90, mine.scenario).toBeLessThan(theirs.p90)
    expect(mine.median, mine.scenario).toBeLessThan(theirs.median * 1.1)
    expect(mine.setTargets, mine.scenario).toBeLessThan(theirs.setTargets)
  }
  for (const [mine, theirs] of pairs(made.longs)) {
    expect(mine.setTargetsAnHour, mine.scenario).toBeLessThan(theirs.setTargetsAnHour)
    expect(mine.right, mine.scenario).toBeGreaterThan(0.85)
  }
})

const pairs = <A>(rows: ReadonlyArray<A>): ReadonlyArray<readonly [A, A]> =>
  rows.flatMap((row, index) => (index % 2 === 0 ? [[row, rows[index + 1]!] as const] : []))
