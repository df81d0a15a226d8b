/**
 * Shares at the miners' own pace: an open loop, where a miner's next share does not wait for the answer to the last one. Each read of
 * the server has one share, as those of devices have. The closed loops of the other groups never sleep, which hides what it costs to
 * wake up and to write.
 *
 * - 300 connections with 2,500 shares a second together, and 10,000 connections with six shares a minute each: the CPU time of the
 *   server's whole process for each share, against bare sockets with the same reads and writes;
 * - 1,500 connections and a block every three seconds: how long after the first one the others have SetNewPrevHash.
 *
 * The server is `sluice pool` as operators start it. Other pools, given as command lines, stand in the same table.
 */
import { AuthorityKey } from "@sluice/noise"
import type { SwarmReport } from "@sluice/swarm"
import { freePort } from "@sluice/testing/ports"
import { Effect } from "effect"
import { connect, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import type { AsyncCase, Row } from "./case.ts"
import { startChild } from "./child.ts"
import { allWork, median, row, sleep, startSwarm } from "./crowd.ts"
import { ANNOUNCE_SIZE, SHARE_SIZES } from "./pace-floor.ts"
import { type PaceServer, type Places, startServer } from "./pace-server.ts"
import type { Answer, Question } from "./pace-templates.ts"
import { COINBASE_ADDRESS } from "./pool-work.ts"

type Kind = "standard" | "extended"

/** How a server acknowledges: after so many shares of a connection that follow one another, or after so long. */
interface Policy {
  readonly name: string
  readonly after: number
  readonly withinMs: number
}

export const USUAL: Policy = { name: ", ten at once", after: 10, withinMs: 1000 }
export const EACH: Policy = { name: ", each acknowledged", after: 1, withinMs: 0 }
/** Shares that come every ten seconds follow one another then, and acknowledgements leave with jobs. */
const PATIENT: Policy = { name: ", acknowledged within 30 s", after: 10, withinMs: 30_000 }

const file = (path: string): string => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)))

export const sluice = ({ after, withinMs }: Policy, more = ""): string =>
  `${JSON.stringify(process.execPath)} ${file("../../programs/src/main.ts")} pool --listen 127.0.0.1:{port} ` +
  "--template-provider stratum2+tcp://127.0.0.1:{template-port}/{template-key} --authority-secret-key {secret-key} " +
  `--coinbase-address ${COINBASE_ADDRESS} --shares-per-minute {shares-per-minute} --min-hash-rate 1 --log-level error ` +
  `--acknowledge-after ${after} --acknowledge-within ${withinMs / 1000} ${more}`

const floor = ({ after, withinMs }: Policy): string =>
  `${JSON.stringify(process.execPath)} ${file("./pace-floor.ts")} {port} ${after} ${withinMs}`

/** How miners submit: an own one for each kind of server. */
interface Load {
  readonly shares: () => number
  readonly stop: () => Promise<void>
}

export interface Candidate {
  readonly name: string
  readonly command: string
  readonly load: (server: PaceServer, url: string, miners: Miners) => Promise<Load>
}

interface Miners {
  readonly kind: Kind
  readonly connections: number
  readonly sharesPerMinute: number
}

/** Sockets that write as many bytes as shares have, at random times. */
const bareLoad: Candidate["load"] = async ({ port }, _, { connections, kind, sharesPerMinute }) => {
  const sockets = await bareSockets(port, connections)
  const share = new Uint8Array(SHARE_SIZES[kind])
  let shares = 0
  let owed = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    owed += ((now - last) / 60_000) * sharesPerMinute * connections
    last = now
    for (; owed >= 1; owed--) {
      sockets[Math.floor(Math.random() * connections)]!.write(share)
      shares++
    }
  }, STEP_MS)
  return {
    shares: () => shares,
    stop: () => {
      clearInterval(timer)
      for (const socket of sockets) socket.destroy()
      return Promise.resolve()
    }
  }
}

/** The interval at which a swarm submits. */
const STEP_MS = 1
const CONNECTED_AT_ONCE = 200

const bareSockets = async (port: number, count: number, onRead = (): void => {}): Promise<ReadonlyArray<Socket>> => {
  const sockets: Array<Socket> = []
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(CONNECTED_AT_ONCE, count - sockets.length) }, () =>
      connect({ port, host: "127.0.0.1", noDelay: true }).on("data", onRead)
    )
    await Promise.all(some.map((socket) => new Promise((resolve) => socket.once("connect", resolve))))
    sockets.push(...some)
  }
  return sockets
}

let users = 0
/** With one or two, targets come in steps of a factor of two, and no server finds one at which a miner keeps its pace. */
const HASHES_A_SHARE = 16

export const swarmLoad: Candidate["load"] = async (_, url, { connections, kind, sharesPerMinute }) => {
  // Pools remember how fast a user mines, and would give it a harder target next time.
  const user = `bench${++users}`
  const nominalHashRate = (HASHES_A_SHARE * sharesPerMinute) / 60
  const swarm = await startSwarm(url, { connections, kind, sharesPerMinute, nominalHashRate, user, concurrency: 128 })
  await swarm.until(allWork(connections))
  return {
    shares: () => {
      const { shares } = swarm.report()
      checkRefusals(shares)
      return shares.submitted
    },
    stop: swarm.stop
  }
}

/** The most refused shares, for a measurement that is of accepted ones. */
const MAX_REFUSED = 0.02

const checkRefusals = ({ refused, submitted }: SwarmReport["shares"]): void => {
  const count = Object.values(refused).reduce((sum, some) => sum + some, 0)
  if (count > submitted * MAX_REFUSED) {
    throw new Error(`the server refused ${count} of ${submitted} shares: ${JSON.stringify(refused)}`)
  }
}

/** What all servers of one benchmark have in common. */
export const withPlaces = async <A>(
  sharesPerMinute: number,
  chain: "easy" | "hard",
  use: (start: Start, tell: Tell) => Promise<A>
): Promise<A> => {
  const templates = await startChild<Question, Answer>("./pace-templates.ts", [chain])
  const keys = await Effect.runPromise(AuthorityKey.generate)
  const publicKey = AuthorityKey.formatPublicKey(keys.publicKey)
  const servers: Array<PaceServer> = []
  const start = async ({ command }: Candidate) => {
    const places: Places = {
      port: await freePort(),
      "public-key": publicKey,
      "secret-key": AuthorityKey.formatSecretKey(keys.secretKey),
      "template-port": templates.ready.port,
      "template-key": templates.ready.key,
      "shares-per-minute": sharesPerMinute
    }
    const server = await startServer(command, places)
    servers.push(server)
    return { server, url: `stratum2+tcp://127.0.0.1:${places.port}/${publicKey}` }
  }
  try {
    return await use(start, templates.tell)
  } finally {
    for (const server of servers) await server.stop()
    templates.stop()
  }
}

type Start = (candidate: Candidate) => Promise<{ readonly server: PaceServer; readonly url: string }>
type Tell = (question: Question) => void

const others = (against: ReadonlyArray<string>): ReadonlyArray<Candidate> =>
  against.map((command) => ({ name: command, command, load: swarmLoad }))

const ours = (policy: Policy): Candidate => ({ name: policy.name, command: sluice(policy), load: swarmLoad })
const bare = (policy: Policy): Candidate => ({ name: "bare sockets", command: floor(policy), load: bareLoad })

const WARM_UP_MS = 2000
/** What servers have before they are measured: code that runs rarely is compiled late, and a server runs for months. */
const COMPILING_MS = 100_000
const SPANS = 6
const SPAN_MS = 10_000

/** Microseconds of CPU for each share, after a warm-up. */
const measure = async (server: PaceServer, load: Load, ms: number): Promise<number> => {
  await sleep(WARM_UP_MS)
  const [cpu, shares] = [server.cpuSeconds(), load.shares()]
  await sleep(ms)
  return ((server.cpuSeconds() - cpu) * 1e6) / (load.shares() - shares)
}

/**
 * Microseconds of CPU for each share of these servers, all of which have their miners at the same time: medians of spans of some seconds, so
 * that a moment in which the machine is slow is one for all of them.
 */
export const atOnce = async (
  start: Start,
  candidates: ReadonlyArray<Candidate>,
  miners: Miners
): Promise<ReadonlyArray<number>> => {
  const loaded = []
  for (const candidate of candidates) {
    const { server, url } = await start(candidate)
    loaded.push({ server, load: await candidate.load(server, url, miners) })
  }
  await sleep(COMPILING_MS)
  const spans: Array<ReadonlyArray<number>> = []
  for (let span = 0; span < SPANS; span++) {
    spans.push(await Promise.all(loaded.map(({ load, server }) => measure(server, load, SPAN_MS))))
  }
  for (const { load } of loaded) await load.stop()
  return loaded.map((_, index) => median(spans.map((times) => times[index]!)))
}

/**
 * Ours and each of the others in turn, two at a time: with more, the load generator has so much to send at once that shares come
 * together, which hides what wake-ups cost.
 */
const shareRows = async (kind: Kind, policy: Policy, against: ReadonlyArray<string>): Promise<ReadonlyArray<Row>> => {
  const miners = { kind, connections: 300, sharesPerMinute: 500 }
  const rows = []
  for (const other of [bare(policy), ...others(against)]) {
    const pair = [ours(policy), other]
    const [own, its] = await withPlaces(miners.sharesPerMinute, "hard", (start) => atOnce(start, pair, miners))
    rows.push(row(`pace: ${kind} share${policy.name}`, "µs/share", own!, other.name, its!))
  }
  return rows
}

/** A job every so often, as pools of the main chain have. */
const JOB_MS = 30_000
const CROWD = { kind: "standard", connections: 10_000, sharesPerMinute: 6 } as const

const crowdRows = (against: ReadonlyArray<string>): Promise<ReadonlyArray<Row>> =>
  withPlaces(CROWD.sharesPerMinute, "hard", async (start, tell) => {
    const times = []
    for (const candidate of [ours(USUAL), bare(USUAL), ours(PATIENT), bare(PATIENT), ...others(against)]) {
      const { server, url } = await start(candidate)
      const loading = await candidate.load(server, url, CROWD)
      const announcer = candidate.load === bareLoad ? connect({ port: server.port, host: "127.0.0.1" }) : undefined
      const timer = setTimeout(
        () => {
          if (announcer === undefined) tell({ _tag: "Transactions" })
          else announcer.write(new Uint8Array(ANNOUNCE_SIZE))
        },
        WARM_UP_MS + JOB_MS / 2
      )
      times.push({ name: candidate.name, value: await measure(server, loading, JOB_MS) })
      clearTimeout(timer)
      announcer?.destroy()
      await loading.stop()
      await server.stop()
    }
    const [usual, bareUsual, patient, barePatient, ...rest] = times
    const name = `pace: ${CROWD.connections} connections, share and job`
    return [
      ...[bareUsual!, ...rest].map((other) => row(name, "µs/share", usual!.value, other.name, other.value)),
      row(`${name}${PATIENT.name}`, "µs/share", patient!.value, barePatient!.name, barePatient!.value)
    ]
  })

const LISTENERS = { kind: "standard", connections: 1500, sharesPerMinute: 6 } as const
/** The first blocks compile code. */
const FIRST_BLOCKS = 8
const BLOCKS = 24
const BLOCK_MS = 3000

const blockRows = (against: ReadonlyArray<string>): Promise<ReadonlyArray<Row>> =>
  withPlaces(LISTENERS.sharesPerMinute, "easy", async (start, tell) => {
    const latencies = []
    for (const candidate of [ours(USUAL), ...others(against)]) {
      const { server, url } = await start(candidate)
      const swarm = await startSwarm(url, { ...LISTENERS, user: `bench${++users}` })
      await swarm.until(allWork(LISTENERS.connections))
      await sleep(WARM_UP_MS)
      const blocks: Array<{ readonly p50: number; readonly p99: number }> = []
      for (let block = 0; block < BLOCKS; block++) {
        swarm.forget()
        tell({ _tag: "Block" })
        await sleep(BLOCK_MS)
        blocks.push(swarm.report().latency.prevHash)
      }
      // Of all blocks together, the worst one alone would decide the 99 %.
      const of = (at: "p50" | "p99") => median(blocks.slice(FIRST_BLOCKS).map((block) => block[at]))
      latencies.push({ name: candidate.name, p50: of("p50"), p99: of("p99") })
      await swarm.stop()
      await server.stop()
    }
    const { server } = await start(bare(USUAL))
    latencies.splice(1, 0, { name: "bare sockets", ...(await bareArrivals(server.port)) })
    const [own, ...rest] = latencies
    const name = `pace: ${LISTENERS.connections} connections, new block`
    return (["p50", "p99"] as const).flatMap((at) =>
      rest.map((other) => row(`${name}, ${at}`, "ms", own![at], other.name, other[at]))
    )
  })

/** How long after the first one the other bare sockets have what is written to all. */
const bareArrivals = async (port: number): Promise<{ readonly p50: number; readonly p99: number }> => {
  let firstAt: number | undefined
  const after: Array<number> = []
  const sockets = await bareSockets(port, LISTENERS.connections, () => {
    firstAt ??= performance.now()
    after.push(performance.now() - firstAt)
  })
  for (let block = 0; block < BLOCKS; block++) {
    firstAt = undefined
    sockets[0]!.write(new Uint8Array(ANNOUNCE_SIZE))
    await sleep(500)
  }
  for (const socket of sockets) socket.destroy()
  after.sort((a, b) => a - b)
  const at = (part: number) => after[Math.floor(after.length * part)]!
  return { p50: at(0.5), p99: at(0.99) }
}

/** The cases, with the pools of these command lines in the same table. */
export const casesAgainst = (against: ReadonlyArray<string>): ReadonlyArray<AsyncCase> => [
  ...(["standard", "extended"] as const).flatMap((kind) =>
    [USUAL, EACH].map((policy) => ({
      name: `pace: ${kind} share${policy.name}`,
      rows: () => shareRows(kind, policy, against)
    }))
  ),
  { name: "pace: 10000 connections, share and job", rows: () => crowdRows(against) },
  { name: "pace: 1500 connections, new block", rows: () => blockRows(against) }
]
