/**
 * `npm run bench`: times the hot paths against named baselines in the same run, and prints a table.
 *
 *     npm run bench                          everything, in two to three minutes
 *     npm run bench -- pool                  a pool with ten thousand connections too, in a few minutes; only by name
 *     npm run bench -- proxy                 the same for a proxy
 *     npm run bench -- ledger                the ledger, also in a pool with ten thousand connections, in six minutes; only by name
 *     npm run bench -- v1                    Stratum V1, also a proxy with ten thousand miners, in a minute; only by name
 *     npm run bench -- declaration           Job Declaration, also a pool with ten thousand connections, in two minutes; only by name
 *     npm run bench -- workers               a pool with two workers against one process, in two minutes; only by name
 *     npm run bench -- monitor               the operators' page, with ten thousand workers, in two minutes; only by name
 *     npm run bench -- pace                  a pool at the miners' own pace, in eleven minutes; only by name
 *     npm run bench -- pace --against CMD    the same with another pool in the table (docs/performance.md)
 *     npm run bench -- --filter codec        the benchmarks with "codec" in their name or group
 *     npm run bench -- --json                one line of JSON for each row: {name, unit, value, baseline, baselineValue, ratio}
 *
 * The ratio is value / baselineValue: 0.5 is twice as fast as the baseline.
 */
import { parseArgs } from "node:util"
import type { AsyncCase, Case, Row } from "./case.ts"
import { measure } from "./measure.ts"
import { formatTable } from "./table.ts"

interface Group {
  readonly cases?: ReadonlyArray<Case>
  readonly asyncCases?: ReadonlyArray<AsyncCase>
}

const declaration = async (): Promise<Required<Group>> => {
  const server = await import("./declaration.ts")
  const client = await import("./declaration-client.ts")
  return { cases: server.cases, asyncCases: [...server.asyncCases, ...client.asyncCases] }
}

/** The files of cases. `--filter` also matches the name of a group. */
const groups: Record<string, () => Promise<Group>> = {
  sha256: () => import("./sha256.ts"),
  aead: () => import("./aead.ts"),
  codec: () => import("./codec.ts"),
  frames: () => import("./frames.ts"),
  curve: () => import("./curve.ts"),
  pool: () => import("./pool.ts"),
  proxy: async () => ({ asyncCases: (await import("./proxy.ts")).shortCases }),
  templates: () => import("./templates.ts"),
  declaration,
  v1: () => import("./v1.ts")
}

/** Groups that take longer run only if they are named. */
const named: typeof groups = {
  ledger: async () => ({
    asyncCases: [
      ...(await import("./ledger.ts")).asyncCases,
      ...(await import("./ledger-postgres.ts")).asyncCases,
      ...(await import("./ledger-pool.ts")).asyncCases
    ]
  }),
  declaration: async () => {
    const { asyncCases, cases } = await declaration()
    return { cases, asyncCases: [...asyncCases, ...(await import("./declaration-custom-jobs.ts")).asyncCases] }
  },
  pool: async () => ({
    asyncCases: [...(await import("./pool.ts")).asyncCases, ...(await import("./pool-crowd.ts")).asyncCases]
  }),
  proxy: async () => ({
    asyncCases: [...(await import("./proxy.ts")).asyncCases, ...(await import("./proxy-crowd.ts")).asyncCases]
  }),
  pace: async () => ({ asyncCases: (await import("./pace.ts")).casesAgainst(options.against) }),
  v1: async () => ({
    cases: (await import("./v1.ts")).cases,
    asyncCases: (await import("./v1-proxy.ts")).asyncCases
  }),
  workers: () => import("./workers.ts"),
  monitor: () => import("./monitor.ts")
}

const readOptions = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        filter: { type: "string", default: "" },
        against: { type: "string", multiple: true, default: [] }
      }
    })
  } catch (error) {
    console.error(
      `${(error as Error).message}\nUsage: npm run bench -- [GROUP...] [--filter TEXT] [--against COMMAND] [--json]`
    )
    process.exit(2)
  }
}

const { positionals, values: options } = readOptions()

const rounds = { rounds: 8, roundMs: 12 }
const matches = (group: string, name: string): boolean => `${group} ${name}`.includes(options.filter)

const started = performance.now()
const all: Array<Row> = []
const report = (rows: ReadonlyArray<Row>): void => {
  all.push(...rows)
  if (options.json) for (const row of rows) console.log(JSON.stringify(row))
  else for (const row of rows) console.error(`${row.name}: ${row.ratio.toFixed(2)} x ${row.baseline}`)
}

const unknown = positionals.find((name) => !Object.hasOwn(named, name))
if (unknown !== undefined) {
  console.error(
    `There is no group ${JSON.stringify(unknown)}; the groups to name are: ${Object.keys(named).join(", ")}.`
  )
  process.exit(2)
}
const chosen = positionals.length === 0 ? groups : Object.fromEntries(positionals.map((name) => [name, named[name]!]))

for (const [name, load] of Object.entries(chosen)) {
  const { asyncCases = [], cases = [] } = await load()
  for (const benchmark of cases) if (matches(name, benchmark.name)) report(await measure(benchmark, rounds))
  for (const benchmark of asyncCases) if (matches(name, benchmark.name)) report(await benchmark.rows())
}

if (!options.json) {
  console.log(formatTable(all))
  console.log(`\nratio = value / baseline's value; ${((performance.now() - started) / 1000).toFixed(0)} s in all`)
}
if (all.length === 0) {
  console.error(`No benchmark's name contains ${JSON.stringify(options.filter)}.`)
  process.exitCode = 2
}
