/** The files for Prometheus and Grafana ask only for metrics that exist, with the labels that they have. */
import { readFileSync } from "node:fs"
import { assert, it } from "vitest"

const at = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

/** The metrics of the operators' tables. metrics.test.ts holds those against the sources. */
const known = new Map(
  ["pool", "proxy"].flatMap((page) =>
    [...at(`docs/operators/${page}.md`).matchAll(/^\| `([a-z0-9_]+)` +\| (gauge|counter|histogram) +\|/gm)].map(
      ([, name = "", kind = ""]) => [name, kind] as const
    )
  )
)

/** The names of an expression that Prometheus must have, and what the expression does with each. */
const namesIn = (expression: string): ReadonlyArray<readonly [name: string, before: string]> =>
  [...expression.matchAll(/(\w*)\(?\b((?:sluice|process|nodejs)_[a-z0-9_]+)/g)].map(([, before = "", name = ""]) => [
    name,
    before
  ])

const check = (expressions: ReadonlyArray<string>): void => {
  for (const expression of expressions) {
    for (const [name, before] of namesIn(expression)) {
      const kind = known.get(name) ?? (known.get(name.replace(/_bucket$/, "")) === "histogram" ? "bucket" : undefined)
      assert.isDefined(kind, `${name} in ${expression}`)
      // A rate of a gauge, or a quantile of anything but buckets, is not what it seems.
      if (/^(rate|increase)$/.test(before)) assert.include(["counter", "bucket"], kind, expression)
      if (kind === "counter") assert.match(before, /^(rate|increase|sum)$/, expression)
    }
  }
}

it("the rules for Prometheus", () => {
  const rules = at("packages/monitor/prometheus/rules.yml")
  const expressions = [...rules.matchAll(/expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)/g)].map(
    ([, block, line]) => block ?? line ?? ""
  )
  assert.strictEqual(expressions.length, rules.match(/- alert:/g)?.length)
  assert.isAbove(expressions.length, 8)
  check(expressions)
  for (const part of rules.split("- alert:").slice(1))
    assert.match(part, /severity: (critical|warning|info)[^]*summary: "/)
})

it("the dashboard for Grafana", () => {
  const { panels } = JSON.parse(at("packages/monitor/prometheus/grafana.json")) as {
    readonly panels: ReadonlyArray<{
      readonly id: number
      readonly title: string
      readonly targets: ReadonlyArray<{ readonly expr: string }>
      readonly gridPos: { readonly x: number; readonly w: number }
    }>
  }
  assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const { gridPos, title } of panels) assert.isAtMost(gridPos.x + gridPos.w, 24, title)
  check(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))
})
