/**
 * What the operators' page costs a server of miners: an overview over HTTP, the history of ten thousand workers, and two hundred
 * browsers that follow events while a pool takes shares. All is CPU time of the server's process, which the machine's other work does
 * not have a part in; shares are measured in turns with a pool that has no page.
 */
import { freePort } from "@sluice/testing/ports"
import { mkdtempSync, rmSync } from "node:fs"
import { Agent, get } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { AsyncCase, Row } from "./case.ts"
import { startChild } from "./child.ts"
import { median, row } from "./crowd.ts"
import { type Answer, type Question, WORKERS } from "./monitor-server.ts"
import { type Load, type ShareServer, startShareServer } from "./share-load.ts"

const OVERVIEWS = 2000
const AIM_OVERVIEW_MICROS = 1000
const AIM_CORE_PERCENT = 2
const AIM_MB = 200
const BROWSERS = 200
const AIM_MORE_PERCENT = 5
const IDLE_MS = 20_000
const TURNS = 5
const TURN_MS = 4000

const withMonitor = async <A>(use: (monitor: Awaited<ReturnType<typeof start>>) => Promise<A>): Promise<A> => {
  const monitor = await start()
  try {
    return await use(monitor)
  } finally {
    monitor.stop()
  }
}
const start = () => startChild<Question, Answer>("./monitor-server.ts", [], ["--expose-gc"])

/** Reads a whole answer. */
const read = (url: string, agent: Agent): Promise<void> =>
  new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} has status ${response.statusCode}`))
      response.resume().on("end", resolve)
    }).on("error", reject)
  })

const overviewRows = (): Promise<ReadonlyArray<Row>> =>
  withMonitor(async ({ ask, ready }) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const cost = async (path: string, count: number): Promise<number> => {
      for (let warmUp = 0; warmUp < count / 4; warmUp++) await read(`${ready.url}${path}`, agent)
      const before = await ask("Usage", { _tag: "Usage" })
      for (let asked = 0; asked < count; asked++) await read(`${ready.url}${path}`, agent)
      const after = await ask("Usage", { _tag: "Usage" })
      return (after.cpuMicros - before.cpuMicros) / count
    }
    const overview = await cost("/api/overview", OVERVIEWS)
    const bare = await cost("/health/live", OVERVIEWS)
    const page = await cost("/api/workers?limit=100&sort=refused", OVERVIEWS / 10)
    agent.destroy()
    const name = `monitor: ${WORKERS} workers`
    return [
      row(`${name}, an overview over HTTP`, "µs of CPU", overview, "the aim", AIM_OVERVIEW_MICROS),
      row(`${name}, an overview over HTTP`, "µs of CPU", overview, "a request that tells nothing", bare),
      row(`${name}, a page of workers over HTTP`, "µs of CPU", page, "an overview", overview)
    ]
  })

const historyRows = (): Promise<ReadonlyArray<Row>> =>
  withMonitor(async ({ ask }) => {
    const directory = mkdtempSync(join(tmpdir(), "sluice-bench-monitor-"))
    try {
      const file = join(directory, "history.sqlite")
      const { cpuMicros, residentBytes, seconds, usedBytes } = await ask("History", { _tag: "History", file })
      const name = `monitor: history of ${WORKERS} workers`
      return [
        row(name, "% of a core", cpuMicros / 1e4 / seconds, "the aim", AIM_CORE_PERCENT),
        row(`${name}, memory in use`, "MB", usedBytes / 1e6, "the aim", AIM_MB),
        row(`${name}, memory in use`, "MB", usedBytes / 1e6, "what the process grew by", residentBytes / 1e6)
      ]
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

const load: Load = {
  name: "extended share, 12 merkle nodes, one a read",
  channel: "extended",
  connections: 32,
  sharesAtOnce: 1
}

/**
 * The part of a core that a server takes without shares. The page costs time and not shares, so this is what it adds to a pool that has
 * a core's worth of shares; on a busy machine, where a pool gets less than a core, it is a greater part of what the pool gets.
 */
const idlePercent = async ({ ask }: ShareServer): Promise<number> => {
  const [before, from] = [await ask("Usage", { _tag: "Usage" }), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  const after = await ask("Usage", { _tag: "Usage" })
  return (after.cpu - before.cpu) / 10 / (performance.now() - from)
}

/** Browsers that read events until the signal. */
const follow = async (port: number, signal: AbortSignal): Promise<void> => {
  const url = `http://127.0.0.1:${port}/api/events`
  const opened = Array.from({ length: BROWSERS }, async () => {
    const { body } = await fetch(url, { signal })
    const reader = body!.getReader()
    await reader.read()
    const pump = async (): Promise<void> => {
      while (!(await reader.read()).done);
    }
    pump().catch(() => undefined)
  })
  await Promise.all(opened)
}

const browserRows = async (): Promise<ReadonlyArray<Row>> => {
  const port = await freePort()
  const servers: Array<ShareServer> = []
  const stop = new AbortController()
  try {
    const bare = await startShareServer(load, "./monitor-pool-server.ts")
    servers.push(bare)
    const paged = await startShareServer(load, "./monitor-pool-server.ts", [String(port)])
    servers.push(paged)
    await follow(port, stop.signal)
    const [idle, idleWithPage] = await Promise.all([idlePercent(bare), idlePercent(paged)])
    const [without, withPage]: [Array<number>, Array<number>] = [[], []]
    for (let turn = 0; turn < TURNS; turn++) {
      without.push((await bare.underLoad(TURN_MS)).nsPerShare)
      withPage.push((await paged.underLoad(TURN_MS)).nsPerShare)
    }
    const name = `monitor: ${BROWSERS} browsers follow events`
    return [
      row(`${name}, more CPU while idle`, "% of a core", idleWithPage - idle, "the aim", AIM_MORE_PERCENT),
      row(`${name}, ${load.name}`, "ns of CPU", median(withPage), "a pool without a page", median(without))
    ]
  } finally {
    stop.abort()
    for (const server of servers) await server.stop()
  }
}

export const asyncCases: ReadonlyArray<AsyncCase> = [
  { name: "monitor: overview", rows: overviewRows },
  { name: "monitor: history", rows: historyRows },
  { name: "monitor: browsers", rows: browserRows }
]
