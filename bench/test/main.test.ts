/** The interface of `npm run bench` for scripts. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const bench = (...args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [fileURLToPath(new URL("../src/main.ts", import.meta.url)), ...args], {
    encoding: "utf8"
  })

test("bench --json prints one line of JSON for each baseline, and nothing else", () => {
  const { status, stdout } = bench("--json", "--filter", "decode SubmitSharesExtended")
  expect(status).toBe(0)
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
  expect(rows.map(({ name, baseline, unit }) => [name, baseline, unit])).toEqual([
    ["decode SubmitSharesExtended", "handwritten DataView", "ns/op"],
    ["decode SubmitSharesExtended", "Effect SchemaBinary", "ns/op"]
  ])
  for (const row of rows) {
    expect(Object.keys(row)).toEqual(["name", "unit", "value", "baseline", "baselineValue", "ratio"])
    expect(row.value).toBeGreaterThan(0)
    expect(row.ratio).toBeCloseTo(row.value / row.baselineValue, 10)
  }
})

test("bench fails if no benchmark matches the filter", () => {
  const { status, stderr } = bench("--filter", "no such benchmark")
  expect(status).toBe(2)
  expect(stderr).toContain("no such benchmark")
})
