/**
 * Measures a pool whose miners speak V1, in a child process:
 *
 * - its CPU time for a share, from line to answer, against JSON.parse of the line, JSON.stringify of the answer and the share's
 *   hashes, and bare sockets where each read has one share;
 * - 10,000 miners: resident memory of each, and the time until a new block is written to all, against writing the same bytes.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { askBare } from "./bare-sockets.ts"
import type { AsyncCase, Row } from "./case.ts"
import type { Answer, Question } from "./v1-server.ts"

const MINERS = 10_000
/** The aim for the memory of a miner. */
const AIM_BYTES = 25 * 1024
const BLOCKS = 9
const LINE = 200
/** What the pool answers, with an id of six digits. */
const REPLY = '{"id":100000,"result":true,"error":null}\n'.length
const WARM_UP_SHARES = 20_000
const MAX_WARM_UP_MS = 8000
const MEASURED_MS = 2000

interface Load {
  readonly name: string
  readonly connections: number
  readonly sharesAtOnce: number
}
const loads: ReadonlyArray<Load> = [
  { name: "a V1 share, 12 merkle nodes, one a read", connections: 32, sharesAtOnce: 1 },
  { name: "a V1 share, 12 merkle nodes, 40 a read", connections: 8, sharesAtOnce: 40 }
]

export const asyncCases: ReadonlyArray<AsyncCase> = [
  ...loads.map((load) => ({ name: `v1: ${load.name}`, rows: () => withPool("shares", (pool) => run(load, pool)) })),
  { name: `v1: ${MINERS} miners`, rows: () => withPool("crowd", crowd) }
]

interface PoolProcess {
  readonly port: number
  readonly ask: <Tag extends Answer["_tag"]>(tag: Tag, question: Question) => Promise<Extract<Answer, { _tag: Tag }>>
}

const withPool = async (
  kind: "shares" | "crowd",
  use: (pool: PoolProcess) => Promise<ReadonlyArray<Row>>
): Promise<ReadonlyArray<Row>> => {
  const child = fork(fileURLToPath(new URL("./v1-server.ts", import.meta.url)), [kind], {
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
    const { port } = await next("Ready")
    return await use({
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

/** Subscribes and authorizes, and gives the parameters of the first notify. */
const join = (port: number, name: string, onLine: (line: string) => void): Socket => {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () =>
    socket.write(
      `{"id":1,"method":"mining.subscribe","params":["bench/1"]}\n` +
        `{"id":2,"method":"mining.authorize","params":["${name}","x"]}\n`
    )
  )
  let rest = ""
  socket.setEncoding("latin1")
  socket.on("error", () => socket.destroy())
  socket.on("data", (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop()!
    for (const line of lines) onLine(line)
  })
  return socket
}

/** A line as a miner sends it, as long as those of an address with a worker. */
const submitLine = (id: number, name: string, jobId: string, ntime: string): string => {
  const nonce = id.toString(16).padStart(8, "0")
  const line = `{"id": ${id}, "method": "mining.submit", "params": ["${name}", "${jobId}", "0000000000000000", "${ntime}", "${nonce}"]}`
  return `${line.padEnd(LINE - 1)}\n`
}

/** Submits shares, and the next ones after all are answered, until it is stopped. */
const submitting = (port: number, { connections, sharesAtOnce }: Load): (() => void) => {
  const sockets = Array.from({ length: connections }, (_, index) => {
    const name = `bench${index}.${"x".repeat(40)}`
    let [id, unanswered] = [100_000, 0]
    let [jobId, ntime] = ["", ""]
    const next = () => {
      unanswered = sharesAtOnce
      socket.write(Array.from({ length: sharesAtOnce }, () => submitLine(++id, name, jobId, ntime)).join(""))
    }
    const socket = join(port, name, (line) => {
      if (line.startsWith('{"id":1') && line.includes('"result":true')) {
        if (--unanswered === 0) next()
      } else if (jobId === "" && line.includes('"method":"mining.notify"')) {
        const { params } = JSON.parse(line) as { readonly params: ReadonlyArray<string> }
        jobId = params[0]!
        ntime = params[7]!
        next()
      } else if (line.startsWith('{"id":1') && !line.includes('"error":null')) {
        throw new Error(`a share of the benchmark was refused: ${line}`)
      }
    })
    return socket
  })
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

const run = async (load: Load, { ask, port }: PoolProcess): Promise<ReadonlyArray<Row>> => {
  const usage = () => ask("Usage", { _tag: "Usage" })
  const during = async () => {
    const before = await usage()
    await sleep(MEASURED_MS)
    const after = await usage()
    if (after.refused > 0) throw new Error(`the pool refused ${after.refused} shares of the benchmark`)
    const { accepted, bare, cpu } = after
    return { cpuNs: (cpu - before.cpu) * 1000, accepted: accepted - before.accepted, bare: bare - before.bare }
  }
  const warmUp = async (done: (usage: Extract<Answer, { _tag: "Usage" }>) => number) => {
    await sleep(1500)
    const until = performance.now() + MAX_WARM_UP_MS
    while (performance.now() < until && done(await usage()) < WARM_UP_SHARES) await sleep(100)
  }
  const stop = submitting(port, load)
  await warmUp(({ accepted }) => accepted)
  const { accepted, cpuNs } = await during()
  stop()
  const value = cpuNs / accepted
  const line = submitLine(100_000, `bench1.${"x".repeat(40)}`, "1a227442ceb0", "6b49d200")
  const { hash, json } = await ask("Floor", { _tag: "Floor", line })
  const row = { name: `v1: ${load.name}`, unit: "ns/share", value }
  const floor = json + hash
  const rows = [{ ...row, baseline: "its JSON and hashes", baselineValue: floor, ratio: value / floor }]
  if (load.sharesAtOnce > 1) return rows
  const sizes = { share: LINE, reply: REPLY }
  const { port: barePort } = await ask("Bare", { _tag: "Bare", sizes })
  const stopAsking = askBare(barePort, load.connections, sizes)
  await warmUp(({ bare }) => bare)
  const bare = await during()
  stopAsking()
  const baselineValue = floor + bare.cpuNs / bare.bare
  return [{ ...row, baseline: "and bare sockets", baselineValue, ratio: value / baselineValue }]
}

const crowd = async ({ ask, port }: PoolProcess): Promise<ReadonlyArray<Row>> => {
  let [working, notified, lastAt] = [0, 0, 0n]
  const miner = (index: number): Socket => {
    let works = false
    return join(port, `bench${index}.worker`, (line) => {
      if (!line.includes('"method":"mining.notify"')) return
      notified++
      lastAt = process.hrtime.bigint()
      if (!works) working++
      works = true
    })
  }
  const sockets: Array<Socket> = []
  const joinUpTo = async (count: number) => {
    while (sockets.length < count) {
      for (let i = 0; i < 100 && sockets.length < count; i++) sockets.push(miner(sockets.length))
      while (working < sockets.length) await sleep(5)
    }
  }
  try {
    await joinUpTo(500)
    const before = await ask("Usage", { _tag: "Usage" })
    await joinUpTo(MINERS)
    await sleep(2000)
    const after = await ask("Usage", { _tag: "Usage" })
    const bytes = (after.rss - before.rss) / (MINERS - 500)
    const measure = async (tag: "Block" | "Raw") => {
      notified = 0
      const { from, written } = await ask("Sent", { _tag: tag })
      while (notified < MINERS) await sleep(5)
      await sleep(200)
      return { pool: milliseconds(from, written), miner: milliseconds(from, lastAt) }
    }
    const [blocks, raw]: [Array<Sent>, Array<Sent>] = [[], []]
    // In turns, so that other work of the machine affects both.
    for (let i = 0; i < BLOCKS; i++) {
      blocks.push(await measure("Block"))
      raw.push(await measure("Raw"))
    }
    const of = (all: ReadonlyArray<Sent>, which: keyof Sent) => median(all.map((one) => one[which]))
    const name = `v1: ${MINERS} miners`
    return [
      row(`${name}, memory of each`, "KB", bytes / 1024, "the aim", AIM_BYTES / 1024),
      row(`${name}, new block written to all`, "ms", of(blocks, "pool"), "the same bytes", of(raw, "pool")),
      row(`${name}, new block read by all`, "ms", of(blocks, "miner"), "the same bytes", of(raw, "miner"))
    ]
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

interface Sent {
  readonly pool: number
  readonly miner: number
}

const row = (name: string, unit: string, value: number, baseline: string, baselineValue: number): Row => ({
  name,
  unit,
  value,
  baseline,
  baselineValue,
  ratio: value / baselineValue
})

const milliseconds = (from: string, to: string | bigint): number => Number(BigInt(to) - BigInt(from)) / 1e6
const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
