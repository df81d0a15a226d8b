/**
 * `npm run vardiff-page`: writes the tables of docs/vardiff.md and its pictures, from simulations with fixed seeds. With
 * `--check` it writes nothing, and fails if the page differs from the simulations.
 */
import * as Plot from "@observablehq/plot"
import { parseHTML } from "linkedom"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import {
  classic,
  EVEN_NOISE,
  isRight,
  NOISE,
  ours,
  quantile,
  rateAt,
  RETURN,
  type Rule,
  type Run,
  runs,
  type Scenario,
  SLOW_NOISE,
  STEADY,
  STEPS,
  timeToRight
} from "./vardiff-simulation.ts"

/** The paths of the page and its pictures. */
const path = fileURLToPath(new URL("../docs/vardiff.md", import.meta.url))
const folder = fileURLToPath(new URL("../docs/vardiff/", import.meta.url))

/** Runs of each scenario. */
const RUNS = 400
const LONG_RUNS = 60
const RULES: ReadonlyArray<readonly [name: string, make: () => Rule]> = [
  ["ours", ours],
  ["classic", classic]
]

/** The results of a scenario under one rule. */
export interface Change {
  readonly scenario: string
  readonly rule: string
  /** Seconds until the rate is within 20 % of the right one. */
  readonly median: number
  readonly p90: number
  /** Shares in the hour after the change, and SetTargets. */
  readonly shares: number
  readonly setTargets: number
}

export const changes = (count: number): ReadonlyArray<Change> =>
  [...STEPS, RETURN].flatMap((scenario) =>
    RULES.map(([rule, make]) => {
      const all = runs(make, scenario, count)
      const times = all.map((run) => timeToRight(run, scenario))
      return {
        scenario: scenario.name,
        rule,
        median: quantile(times, 0.5),
        p90: quantile(times, 0.9),
        shares: quantile(
          all.map((run) => within(run.shares, scenario.change)),
          0.5
        ),
        setTargets: quantile(
          all.map((run) =>
            within(
              run.rates.map(([at]) => at),
              scenario.change
            )
          ),
          0.5
        )
      }
    })
  )

/** How many of these times are in the hour after the change. */
const within = (times: ReadonlyArray<number>, change: number): number =>
  times.filter((at) => at > change && at <= change + 3600).length

export interface Long {
  readonly scenario: string
  readonly rule: string
  readonly setTargetsAnHour: number
  /** The part of the time in which the rate is within 20 %. */
  readonly right: number
  readonly sharesAMinute: number
}

export const longs = (count: number): ReadonlyArray<Long> =>
  [STEADY, NOISE, EVEN_NOISE, SLOW_NOISE].flatMap((scenario) =>
    RULES.map(([rule, make]) => {
      const all = runs(make, scenario, count)
      const seconds = scenario.seconds - scenario.change
      const minutes = Array.from({ length: seconds / 60 }, (_, minute) => scenario.change + minute * 60)
      const after = (times: ReadonlyArray<number>) => times.filter((at) => at > scenario.change).length
      const mean = (of: (run: Run) => number) => all.reduce((sum, run) => sum + of(run), 0) / all.length
      return {
        scenario: scenario.name,
        rule,
        setTargetsAnHour: mean(({ rates }) => after(rates.map(([at]) => at)) / (seconds / 3600)),
        right: mean((run) => minutes.filter((at) => isRight(rateAt(run, at), 1)).length / minutes.length),
        sharesAMinute: mean(({ shares }) => after(shares) / (seconds / 60))
      }
    })
  )

/** The two tables. */
const tables = (made: { readonly changes: ReadonlyArray<Change>; readonly longs: ReadonlyArray<Long> }): string => {
  const seconds = (value: number) => (Number.isFinite(value) ? `${Math.round(value)} s` : "more than an hour")
  const pairs = <A extends { readonly scenario: string }>(rows: ReadonlyArray<A>, cells: (row: A) => Array<string>) =>
    Array.from(
      Map.groupBy(rows, ({ scenario }) => scenario),
      ([scenario, of]) => {
        const [mine, theirs] = of.map(cells)
        return [scenario, ...mine!.flatMap((cell, index) => [cell, theirs![index]!])]
      }
    )
  return [
    table(
      ["change", "median", "classic", "p90", "classic", "shares", "classic", "SetTargets", "classic"],
      pairs(made.changes, ({ median, p90, setTargets, shares }) => [
        seconds(median),
        seconds(p90),
        String(shares),
        String(setTargets)
      ])
    ),
    table(
      ["no change", "SetTargets an hour", "classic", "within 20 %", "classic", "shares a minute", "classic"],
      pairs(made.longs, ({ right, setTargetsAnHour, sharesAMinute }) => [
        setTargetsAnHour.toFixed(2),
        `${Math.round(right * 100)} %`,
        sharesAMinute.toFixed(2)
      ])
    )
  ].join("\n\n")
}

/** A table with the format of oxfmt. */
const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: ReadonlyArray<string>) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join("\n")
}

const COLORS: Readonly<Record<string, string>> = { ours: "#0b6e4f", classic: "#c1440e" }

/** An SVG for each curve: the median of many runs, and the range of eight of ten. */
const pictures = (): ReadonlyMap<string, string> =>
  new Map(
    [
      ["up", STEPS[3]!, 300, 1500],
      ["down", STEPS[7]!, 300, 2400],
      ["return", RETURN, 300, 3000],
      ["noise", NOISE, 3600, 10_800]
    ].map(([name, scenario, from, to]) => [
      `${name as string}.svg`,
      picture(scenario as Scenario, from as number, to as number)
    ])
  )

const picture = (scenario: Scenario, from: number, to: number): string => {
  const { document } = parseHTML("<html><body></body></html>")
  const times = Array.from({ length: 121 }, (_, index) => from + ((to - from) * index) / 120)
  const marks = RULES.flatMap(([rule, make]) => {
    const all = runs(make, scenario, 100)
    const points = times.map((time) => {
      const rates = all.map((run) => rateAt(run, time))
      return { minutes: time / 60, low: quantile(rates, 0.1), middle: quantile(rates, 0.5), high: quantile(rates, 0.9) }
    })
    const fill = COLORS[rule]!
    return [
      Plot.areaY(points, { x: "minutes", y1: "low", y2: "high", fill, fillOpacity: 0.15, curve: "step-after" }),
      Plot.lineY(points, { x: "minutes", y: "middle", stroke: fill, strokeWidth: 2, curve: "step-after" })
    ]
  })
  const isNoise = scenario === NOISE
  const truth = times.map((time) => ({ minutes: time / 60, rate: isNoise ? 1 : scenario.rate(time, () => 0) }))
  const svg = Plot.plot({
    document: document as never,
    width: 760,
    height: 320,
    marginLeft: 60,
    marginTop: 30,
    style: { background: "white", color: "black", fontFamily: "sans-serif" },
    x: { label: "minutes", domain: [from / 60, to / 60] },
    y: {
      type: "log",
      label: "rate that the target is for, in units of the miner's first",
      tickFormat: "~g",
      grid: true
    },
    marks: [
      ...marks,
      Plot.lineY(
        truth.filter(({ rate }) => rate > 0),
        { x: "minutes", y: "rate", stroke: "black", strokeDasharray: "4 3", curve: "step-after" }
      ),
      ...["miner", ...RULES.map(([rule]) => rule)].map((label, index) =>
        Plot.text([label], {
          text: [label],
          frameAnchor: "top-right",
          dx: -10,
          dy: 6 + index * 16,
          fontSize: 13,
          fill: COLORS[label] ?? "black"
        })
      )
    ]
  })
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg")
  // Shorter coordinates; the labels between tags keep their digits.
  return `${svg.outerHTML.replace(/(\.\d\d)\d+(?=[^<>]*>)/g, "$1")}\n`
}

const BEGIN = "<!-- written by npm run vardiff-page: -->"
const END = "<!-- end -->"

/** Puts these tables into the page. */
const pageWith = (page: string, made: string): string => {
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`${path} has no place for its tables`)
  return `${before}${BEGIN}\n\n${made}\n\n${END}${after}`
}

/** Every file of the page, by path, with its content. */
const files = (): ReadonlyArray<readonly [path: string, text: string]> => [
  [path, pageWith(readFileSync(path, "utf8"), tables({ changes: changes(RUNS), longs: longs(LONG_RUNS) }))],
  ...Array.from(pictures(), ([name, svg]) => [`${folder}${name}`, svg] as const)
]

if (import.meta.main) {
  if (process.argv.includes("--check")) {
    const stale = files().filter(([file, text]) => !existsSync(file) || readFileSync(file, "utf8") !== text)
    for (const [file] of stale) console.error(`${file} differs from the simulations: run npm run vardiff-page`)
    if (stale.length > 0) process.exitCode = 1
  } else {
    mkdirSync(folder, { recursive: true })
    for (const [file, text] of files()) writeFileSync(file, text)
  }
}
