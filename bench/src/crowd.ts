/**
 * Measures a server of miners with many connections (a swarm of @sluice/swarm in this process, the server in a child process): 10,000
 * encrypted connections with one standard channel each, their resident memory, the time to connect them all, and the time from a
 * new block until the last of them has its job and SetNewPrevHash.
 */
import { layerWasm } from "@sluice/embedded"
import { Swarm, SwarmDialer, type SwarmOptions, type SwarmReport } from "@sluice/swarm"
import { parseServerAddress, Security, Setup, Tcp } from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, Result, Scope, Stream } from "effect"
import type { Row } from "./case.ts"
import { type Child, startChild } from "./child.ts"
import type { Answer, Question } from "./crowd-server.ts"

export const CONNECTIONS = 10_000
/** The aim for the memory of a connection: 40 KB. */
const AIM_BYTES = 40 * 1024
/** The number of blocks. The median counts; the first ones warm up. */
const BLOCKS = 9

export interface CrowdServer extends Pick<Child<Question, Answer>, "ask"> {
  readonly url: string
  readonly port: number
}

/** Starts `node MODULE` for as long as `use` takes. */
export const withServer = async <A>(module: string, use: (server: CrowdServer) => Promise<A>): Promise<A> => {
  const { ask, ready, stop } = await startChild<Question, Answer>(module, [], ["--expose-gc"])
  try {
    return await use({ ...ready, ask })
  } finally {
    stop()
  }
}

/** Measures 10,000 connections to a server. */
export const crowdRows = async (kind: string, { ask, url }: CrowdServer): Promise<ReadonlyArray<Row>> => {
  const name = `${kind}: ${CONNECTIONS} connections`
  // Warms up the server before the first connection: compiles code and grows lists.
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

    const measure = async (
      tag: "Block" | "Transport"
    ): Promise<{ readonly server: number; readonly client: number }> => {
      swarm.seen.batches = 0
      const { from, written } = await ask("Sent", { _tag: tag })
      while (swarm.seen.batches < CONNECTIONS) await sleep(5)
      await sleep(200)
      return { server: milliseconds(from, written), client: milliseconds(from, swarm.seen.lastAt) }
    }
    const blocks = []
    const transports = []
    // In turns, so that other work of the machine affects both.
    for (let i = 0; i < BLOCKS; i++) {
      blocks.push(await measure("Block"))
      transports.push(await measure("Transport"))
    }
    const { from, written } = await ask("Sent", { _tag: "Raw" })
    const writtenTo = median(blocks.map(({ server }) => server))
    const seen = median(blocks.map(({ client }) => client))
    return [
      row(`${name}, memory of each`, "KB", bytes / 1024, "the aim", AIM_BYTES / 1024),
      row(`${name}, all with work`, "s", connections.allWorkingAfterSeconds, "the server's curve work", curveSeconds),
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

/** A row with a baseline. */
export const row = (name: string, unit: string, value: number, baseline: string, baselineValue: number): Row => ({
  name,
  unit,
  value,
  baseline,
  baselineValue,
  ratio: value / baselineValue
})

/** Whether so many channels have work. */
export const allWork =
  (channels: number) =>
  ({ channels: { working } }: SwarmReport): boolean =>
    working === channels

/** A swarm in this process, and when its connections were last sent something. */
export const startSwarm = async (url: string, options: Omit<SwarmOptions, "server">) => {
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

const PATIENCE_MS = 300_000

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const milliseconds = (from: string | bigint, to: string | bigint): number => Number(BigInt(to) - BigInt(from)) / 1e6

export const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
