/**
 * Measures a pool with many connections (a swarm of @sluice/swarm in this process, the pool in a child process):
 *
 * - 10,000 encrypted connections with one standard channel each: resident memory a connection, the time to connect them
 *   all, and the time from a new block until the last of them has its job and SetNewPrevHash;
 * - the acknowledgement's p99 while 500 handshakes a second arrive.
 */
import { layerWasm } from "@sluice/embedded"
import { Swarm, SwarmDialer, type SwarmOptions, type SwarmReport } from "@sluice/swarm"
import { parseServerAddress, Security, Setup, Tcp } from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, Result, Scope, Stream } from "effect"
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { AsyncCase, Row } from "./case.ts"
import type { Answer, Question } from "./pool-crowd-server.ts"

const CONNECTIONS = 10_000
/** The aim for the memory of a connection: 40 KB. */
const AIM_BYTES = 40 * 1024
/** The number of blocks. The median counts; the first ones warm up. */
const BLOCKS = 9
const SHARING_CONNECTIONS = 1000
const HANDSHAKES_A_SECOND = 500
/** How often calm and storm take turns, and how long each of them lasts. The medians count. */
const STORMS = 3
const MEASURED_MS = 8000

export const asyncCases: ReadonlyArray<AsyncCase> = [
  { name: `pool: ${CONNECTIONS} connections`, rows: () => withPool(crowd) },
  { name: "pool: acknowledgements during a storm of handshakes", rows: () => withPool(storm) }
]

interface PoolProcess {
  readonly url: string
  readonly port: number
  readonly ask: <Tag extends Answer["_tag"]>(tag: Tag, question: Question) => Promise<Extract<Answer, { _tag: Tag }>>
}

const withPool = async (use: (pool: PoolProcess) => Promise<ReadonlyArray<Row>>): Promise<ReadonlyArray<Row>> => {
  const child = fork(fileURLToPath(new URL("./pool-crowd-server.ts", import.meta.url)), [], {
    stdio: "inherit",
    execArgv: ["--expose-gc"]
  })
  const died = once(child, "exit").then(([code]) => {
    throw new Error(`the pool's process ended with status ${code}`)
  })
  died.catch(() => undefined)
  const next = async <Tag extends Answer["_tag"]>(tag: Tag): Promise<Extract<Answer, { _tag: Tag }>> => {
    const [answer] = (await Promise.race([once(child, "message"), died])) as [Answer]
    if (answer._tag !== tag) throw new Error(`the pool answered ${answer._tag}, not ${tag}`)
    return answer as Extract<Answer, { _tag: Tag }>
  }
  try {
    const { port, url } = await next("Ready")
    return await use({
      url,
      port,
      ask: (tag, question) => {
        child.send(question)
        return next(tag)
      }
    })
  } finally {
    child.disconnect()
  }
}

const crowd = async ({ ask, url }: PoolProcess): Promise<ReadonlyArray<Row>> => {
  const name = `pool: ${CONNECTIONS} connections`
  // Warms up the pool before the first connection: compiles code and grows lists.
  const first = await startSwarm(url, { connections: 200, sharesPerMinute: 60 })
  await first.until(({ shares }) => shares.accepted > 1000)
  await first.stop()
  const curve = await ask("Handshakes", { _tag: "Handshakes", count: 500 })
  await sleep(1000)
  const before = await ask("Usage", { _tag: "Usage" })
  const swarm = await startSwarm(url, { connections: CONNECTIONS, sharesPerMinute: 0, concurrency: 256 })
  try {
    const { connections } = await swarm.until(allWork(CONNECTIONS))
    await sleep(2000)
    const after = await ask("Usage", { _tag: "Usage" })
    const bytes = (after.rssBytes - before.rssBytes) / (after.connections - before.connections)
    const curveSeconds = (curve.seconds * CONNECTIONS) / 500

    const measure = async (tag: "Block" | "Transport"): Promise<{ readonly pool: number; readonly client: number }> => {
      swarm.seen.batches = 0
      const { from, written } = await ask("Sent", { _tag: tag })
      while (swarm.seen.batches < CONNECTIONS) await sleep(5)
      await sleep(200)
      return { pool: milliseconds(from, written), client: milliseconds(from, swarm.seen.lastAt) }
    }
    const blocks = []
    const transports = []
    // In turns, so that other work of the machine affects both.
    for (let i = 0; i < BLOCKS; i++) {
      blocks.push(await measure("Block"))
      transports.push(await measure("Transport"))
    }
    const { from, written } = await ask("Sent", { _tag: "Raw" })
    const writtenTo = median(blocks.map(({ pool }) => pool))
    const seen = median(blocks.map(({ client }) => client))
    return [
      row(`${name}, memory of each`, "KB", bytes / 1024, "the aim", AIM_BYTES / 1024),
      row(`${name}, all with work`, "s", connections.allWorkingAfterSeconds, "the pool's curve work", curveSeconds),
      row(`${name}, new block written to all`, "ms", writtenTo, "sealed and written", milliseconds(from, written)),
      row(
        `${name}, new block read by all`,
        "ms",
        seen,
        "by the transport",
        median(transports.map(({ client }) => client))
      )
    ]
  } finally {
    await swarm.stop()
  }
}

const storm = async ({ port, url }: PoolProcess): Promise<ReadonlyArray<Row>> => {
  const swarm = await startSwarm(url, { connections: SHARING_CONNECTIONS, sharesPerMinute: 60, nominalHashRate: 8 })
  const p99 = async (): Promise<number> => {
    await sleep(1000)
    swarm.forget()
    await sleep(MEASURED_MS)
    return swarm.report().latency.acknowledgement.p99
  }
  try {
    await swarm.until(allWork(SHARING_CONNECTIONS))
    await sleep(3000)
    const [calm, stormy]: [Array<number>, Array<number>] = [[], []]
    // In turns, so that other work of the machine affects both.
    for (let i = 0; i < STORMS; i++) {
      calm.push(await p99())
      const stormer = fork(fileURLToPath(new URL("./handshake-storm.ts", import.meta.url)), [
        String(port),
        String(HANDSHAKES_A_SECOND)
      ])
      stormy.push(await p99())
      stormer.kill()
      await once(stormer, "exit")
    }
    const name = `pool: acknowledgement p99 during ${HANDSHAKES_A_SECOND} handshakes a second`
    return [row(name, "ms", median(stormy), "without them", median(calm))]
  } finally {
    await swarm.stop()
  }
}

const row = (name: string, unit: string, value: number, baseline: string, baselineValue: number): Row => ({
  name,
  unit,
  value,
  baseline,
  baselineValue,
  ratio: value / baselineValue
})

const allWork =
  (channels: number) =>
  ({ channels: { working } }: SwarmReport): boolean =>
    working === channels

/** A swarm in this process, and when its connections were last sent something. */
const startSwarm = async (url: string, options: Omit<SwarmOptions, "server">) => {
  const seen = { batches: 0, lastAt: 0n }
  const plan: SwarmOptions = { server: Result.getOrThrow(parseServerAddress(url)), ...options }
  const noticing = Layer.effect(
    SwarmDialer,
    Effect.map(SwarmDialer, ({ dial }) => ({
      dial: (...call) =>
        Effect.map(dial(...call), (connection) => ({
          ...connection,
          receive: Stream.mapArray(connection.receive, (batch) => {
            seen.batches++
            seen.lastAt = process.hrtime.bigint()
            return batch
          }) as typeof connection.receive
        }))
    }))
  )
  const layer = Swarm.layer(plan).pipe(
    Layer.provide(noticing),
    Layer.provide(Setup.client(SwarmDialer)),
    Layer.provide(Security.dialer()),
    Layer.provide([Tcp.dialer, layerWasm]),
    Layer.provide(Logger.layer([]))
  )
  const scope = Scope.makeUnsafe()
  const { forget, report } = Context.get(await Effect.runPromise(Layer.buildWithScope(layer, scope)), Swarm)
  return {
    seen,
    report: () => Effect.runSync(report),
    forget: () => Effect.runSync(forget),
    stop: () => Effect.runPromise(Scope.close(scope, Exit.void)),
    until: async (done: (report: SwarmReport) => boolean): Promise<SwarmReport> => {
      const limit = performance.now() + PATIENCE_MS
      for (;;) {
        const so = Effect.runSync(report)
        if (done(so)) return so
        if (performance.now() > limit)
          throw new Error(`the swarm did not reach the expected state: ${JSON.stringify(so)}`)
        await sleep(20)
      }
    }
  }
}

const PATIENCE_MS = 120_000

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const milliseconds = (from: string | bigint, to: string | bigint): number => Number(BigInt(to) - BigInt(from)) / 1e6

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
