/**
 * The CPU time of a proxy for an accepted share, against a pool's for the same share from the same connection: of a share that the
 * proxy answers itself, and of one that it passes on to its upstream too. The upstream is another process, whose time is not counted.
 */
import type { AsyncCase, Row } from "./case.ts"
import { type Load, loads, type ShareServer, startShareServer } from "./share-load.ts"

/** How often the servers take turns, and how long each of them is measured. The medians count. */
const TURNS = 3
const MEASURED_MS = 1000

const caseOf = (load: Load): AsyncCase => ({ name: `proxy: ${load.name}`, rows: () => run(load) })

export const asyncCases: ReadonlyArray<AsyncCase> = loads.map(caseOf)

/** The share of a farm's proxy and that of a device, for a run of all benchmarks. */
export const shortCases: ReadonlyArray<AsyncCase> = loads
  .filter(({ channel, sharesAtOnce }) => (channel === "extended") === sharesAtOnce > 1)
  .map(caseOf)

const run = async (load: Load): Promise<ReadonlyArray<Row>> => {
  const servers: Array<ShareServer> = []
  const start = async (module: string, ...args: ReadonlyArray<string>) => {
    const server = await startShareServer(load, module, args)
    servers.push(server)
    return server
  }
  try {
    const [pool, answering, passing] = await Promise.all([
      start("./pool-server.ts"),
      start("./proxy-server.ts", "hard"),
      start("./proxy-server.ts", "easy")
    ])
    const times = { pool: Array<number>(), answering: Array<number>(), passing: Array<number>() }
    // In turns, so that other work of the machine affects all of them.
    for (let turn = 0; turn < TURNS; turn++) {
      times.pool.push((await pool.underLoad(MEASURED_MS)).nsPerShare)
      times.answering.push(await timeOf(answering, 0))
      times.passing.push(await timeOf(passing, 1))
    }
    const baselineValue = median(times.pool)
    const row = (name: string, value: number): Row => ({
      name: `proxy: ${load.name}${name}`,
      unit: "ns/share",
      value,
      baseline: "the pool's",
      baselineValue,
      ratio: value / baselineValue
    })
    return [row("", median(times.answering)), row(", passed on", median(times.passing))]
  } finally {
    for (const { stop } of servers) await stop()
  }
}

/** Checks that the expected part of the shares is passed on. */
const timeOf = async (server: ShareServer, expected: 0 | 1): Promise<number> => {
  const { nsPerShare, passedOn } = await server.underLoad(MEASURED_MS)
  if (Math.abs(passedOn - expected) > 0.01)
    throw new Error(`the proxy passed on ${passedOn} of the shares, not ${expected}`)
  return nsPerShare
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
