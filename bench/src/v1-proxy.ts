/**
 * Measures a proxy with Stratum V1 miners below it and one channel at a pool above. The proxy is a child process; the miners are
 * bare sockets in this one.
 *
 * - the CPU time of a share from its line to the answer, against what any server needs for it: JSON.parse of the line,
 *   JSON.stringify of the answer, the hashes, and, if shares come one in each read, bare sockets. Then one server does all of that,
 *   for the same miners: what a write costs depends on how busy the miners are whom it wakes;
 * - with 10,000 miners the resident memory of each, and the time until a new block has reached the last of them.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import type { AsyncCase, Row } from "./case.ts"
import type { Answer, Question } from "./v1-proxy-server.ts"

const MINERS = 10_000
/** Connections that are opened at the same time. */
const AT_ONCE = 200
/** The aim for the memory of a miner: 25 KB. */
const AIM_BYTES = 25 * 1024
/** The number of blocks. The median counts; the first ones warm up. */
const BLOCKS = 9

interface Load {
  readonly name: string
  readonly miners: number
  /** Shares that a miner sends in one write. The next ones follow after their answers. */
  readonly sharesAtOnce: number
}

const loads: ReadonlyArray<Load> = [
  { name: "a share of a miner, one a read", miners: 32, sharesAtOnce: 1 },
  { name: "a share of a miner, 40 a read", miners: 8, sharesAtOnce: 40 }
]

/** Code is slow at first. */
const WARM_UP_MS = 5000
const MEASURED_MS = 5000
const ROUNDS = 9

export const asyncCases: ReadonlyArray<AsyncCase> = [
  ...loads.map((load) => ({ name: `v1: ${load.name}`, rows: () => withProxy((proxy) => shares(proxy, load)) })),
  { name: `v1: ${MINERS} miners`, rows: () => withProxy(crowd) }
]

interface ProxyProcess {
  readonly port: number
  readonly ask: <Tag extends Answer["_tag"]>(tag: Tag, question: Question) => Promise<Extract<Answer, { _tag: Tag }>>
}

const withProxy = async (use: (proxy: ProxyProcess) => Promise<ReadonlyArray<Row>>): Promise<ReadonlyArray<Row>> => {
  const child = fork(fileURLToPath(new URL("./v1-proxy-server.ts", import.meta.url)), [], {
    stdio: "inherit",
    execArgv: ["--expose-gc"]
  })
  const died = once(child, "exit").then(([code]) => {
    throw new Error(`the proxy's process ended with status ${code}`)
  })
  died.catch(() => undefined)
  const next = async <Tag extends Answer["_tag"]>(tag: Tag): Promise<Extract<Answer, { _tag: Tag }>> => {
    const [answer] = (await Promise.race([once(child, "message"), died])) as [Answer]
    if (answer._tag !== tag) throw new Error(`the proxy answered ${answer._tag}, not ${tag}`)
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

const shares = async ({ ask, port }: ProxyProcess, load: Load): Promise<ReadonlyArray<Row>> => {
  const usage = () => ask("Usage", { _tag: "Usage" })
  const minersOf = (port: number) =>
    Array.from({ length: load.miners }, (_, index) => new ShareMiner(port, index, load.sharesAtOnce))
  /** Nanoseconds of CPU for each share, while only these miners submit. */
  const measure = async (miners: ReadonlyArray<ShareMiner>, count: "accepted" | "floor", ms: number) => {
    for (const miner of miners) miner.go()
    await sleep(100)
    const before = await usage()
    await sleep(ms)
    const after = await usage()
    for (const miner of miners) miner.pause()
    await sleep(100)
    const done = after[count] - before[count]
    if (done === 0 || after.refused > 0) throw new Error(`${done} shares accepted, ${after.refused} refused`)
    return ((after.cpuMicros - before.cpuMicros) * 1000) / done
  }
  const miners = minersOf(port)
  await measure(miners, "accepted", WARM_UP_MS)
  const row = { name: `v1: ${load.name}`, unit: "ns/share" }
  if (load.sharesAtOnce > 1) {
    const value = await measure(miners, "accepted", MEASURED_MS)
    const { nanoseconds } = await ask("Hashes", { _tag: "Hashes" })
    const baselineValue = nanoseconds + jsonTime(miners[0]!.line(1), miners[0]!.answer)
    for (const miner of miners) miner.stop()
    return [{ ...row, value, baseline: "JSON and the hashes", baselineValue, ratio: value / baselineValue }]
  }
  const others = minersOf((await ask("Floor", { _tag: "Floor" })).port)
  await measure(others, "floor", WARM_UP_MS)
  const [values, floors]: [Array<number>, Array<number>] = [[], []]
  // In turns, so that other work of the machine affects both.
  for (let round = 0; round < ROUNDS; round++) {
    values.push(await measure(miners, "accepted", MEASURED_MS / ROUNDS))
    floors.push(await measure(others, "floor", MEASURED_MS / ROUNDS))
  }
  for (const miner of [...miners, ...others]) miner.stop()
  const [value, baselineValue] = [median(values), median(floors)]
  return [{ ...row, value, baseline: "JSON, the hashes and bare sockets", baselineValue, ratio: value / baselineValue }]
}

/** CPU nanoseconds to parse a line and to write an answer. Each line is another text: JSON.parse is faster for one that it knows. */
const jsonTime = (line: string, answer: string): number => {
  const lines = Array.from({ length: 20_000 }, (_, i) => Buffer.from(line.replace(/"id":\d+/, `"id":${i + 1000}`)))
  const { error, result } = JSON.parse(answer) as { readonly result: unknown; readonly error: unknown }
  let written = 0
  const run = () => {
    for (const bytes of lines) {
      const { id } = JSON.parse(bytes.toString()) as { readonly id: number }
      written += JSON.stringify({ id, result, error }).length
    }
  }
  run()
  const from = process.cpuUsage()
  for (let round = 0; round < 10; round++) run()
  const { system, user } = process.cpuUsage(from)
  if (written === 0) throw new Error("nothing was written")
  return ((system + user) * 1000) / (10 * lines.length)
}

const crowd = async ({ ask, port }: ProxyProcess): Promise<ReadonlyArray<Row>> => {
  const name = `v1: ${MINERS} miners`
  const seen: Seen = { notified: 0, lastAt: 0n }
  const start = async (count: number): Promise<ReadonlyArray<Socket>> => {
    const sockets: Array<Socket> = []
    seen.notified = 0
    while (sockets.length < count) {
      for (let i = 0; i < AT_ONCE && sockets.length < count; i++) {
        sockets.push(idleMiner(port, `miner${count}.${sockets.length}`, seen))
      }
      while (seen.notified < sockets.length) await sleep(2)
    }
    return sockets
  }
  const measure = async (tag: "Block" | "Raw", count: number): Promise<Latency> => {
    seen.notified = 0
    const { from, written } = await ask("Sent", { _tag: tag })
    while (seen.notified < count) await sleep(5)
    await sleep(200)
    return { proxy: milliseconds(from, written), miners: milliseconds(from, seen.lastAt) }
  }
  // Warms up before the first miner that counts: compiles code and grows lists.
  const first = await start(500)
  for (let i = 0; i < 20; i++) await measure("Block", first.length)
  for (const socket of first) socket.destroy()
  await sleep(1000)
  const before = await ask("Usage", { _tag: "Held" })
  const miners = await start(MINERS)
  try {
    await sleep(2000)
    const after = await ask("Usage", { _tag: "Held" })
    const bytes = (after.rssBytes - before.rssBytes) / (after.connections - before.connections)
    const blocks: Array<Latency> = []
    const raw: Array<Latency> = []
    // In turns, so that other work of the machine affects both.
    for (let i = 0; i < BLOCKS; i++) {
      blocks.push(await measure("Block", MINERS))
      raw.push(await measure("Raw", MINERS))
    }
    const times = (of: ReadonlyArray<Latency>, end: "proxy" | "miners") => median(of.map((one) => one[end]))
    return [
      row(`${name}, memory of each`, "KB", bytes / 1024, "the aim", AIM_BYTES / 1024),
      row(`${name}, new block written to all`, "ms", times(blocks, "proxy"), "the bytes alone", times(raw, "proxy")),
      row(`${name}, new block read by all`, "ms", times(blocks, "miners"), "the bytes alone", times(raw, "miners"))
    ]
  } finally {
    for (const socket of miners) socket.destroy()
  }
}

/** Milliseconds from a new block until the system had the last write, and until the last miner had read it. */
interface Latency {
  readonly proxy: number
  readonly miners: number
}

const hello = (worker: string): string =>
  '{"id":1,"method":"mining.subscribe","params":["bench/1.0"]}\n' +
  `{"id":2,"method":"mining.authorize","params":["${worker}","x"]}\n`

interface Seen {
  /** Reads with a mining.notify. */
  notified: number
  lastAt: bigint
}

/** A miner that reads its jobs and does nothing. */
const idleMiner = (port: number, worker: string, seen: Seen): Socket => {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(hello(worker)))
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk: Buffer) => {
    if (!chunk.includes('"method":"mining.notify"')) return
    seen.notified++
    seen.lastAt = process.hrtime.bigint()
  })
  return socket
}

/** A miner that submits shares as fast as they are answered. Every hash is a share. */
class ShareMiner {
  /** The last answer to a share, with its line feed. */
  answer = ""
  readonly #socket: Socket
  readonly #worker: string
  readonly #sharesAtOnce: number
  #text = ""
  #extranonce2 = ""
  #job = ""
  #ntime = ""
  #nonce = 0
  #unanswered = 0
  #isPaused = true

  constructor(port: number, index: number, sharesAtOnce: number) {
    // Each is a user of its own: the proxy remembers how fast a user mines, and would give the later ones a harder target.
    this.#worker = `bc1qnp980s5fpp8l94p5cvttmtdqy8rvrq74qly2yrfmzkdsntqzlc${index}.bitaxe`
    this.#sharesAtOnce = sharesAtOnce
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => this.#socket.write(hello(this.#worker)))
    this.#socket.on("error", () => this.stop())
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk.toString()))
  }

  stop(): void {
    this.#socket.destroy()
  }

  /** Submits from now on; at first it does not. */
  go(): void {
    this.#isPaused = false
    if (this.#unanswered === 0) this.#submit()
  }

  pause(): void {
    this.#isPaused = true
  }

  line(id: number): string {
    const nonce = (this.#nonce++).toString(16).padStart(8, "0")
    return `{"id":${id},"method":"mining.submit","params":["${this.#worker}","${this.#job}","${this.#extranonce2}","${this.#ntime}","${nonce}"]}\n`
  }

  #read(text: string): void {
    const lines = (this.#text + text).split("\n")
    this.#text = lines.pop()!
    for (const line of lines) {
      if (this.#extranonce2 === "") {
        // The first line answers mining.subscribe.
        const { result } = JSON.parse(line) as { readonly result: readonly [unknown, string, number] }
        this.#extranonce2 = "00".repeat(result[2])
      } else if (line.includes('"method":"mining.notify"')) {
        // Every hash is a share of the first job; later ones are harder, because the difficulty follows the miner.
        if (this.#job !== "") continue
        const { params } = JSON.parse(line) as { readonly params: ReadonlyArray<string> }
        this.#job = params[0]!
        this.#ntime = params[7]!
        this.#submit()
      } else if (this.#unanswered > 0 && line.includes('"result":true')) {
        this.answer = `${line}\n`
        if (--this.#unanswered === 0) this.#submit()
      } else if (line.includes('"result":null') || line.includes('"result":false')) {
        throw new Error(`the proxy refused a share of the benchmark: ${line}`)
      }
    }
  }

  #submit(): void {
    if (this.#isPaused || this.#job === "") return
    this.#unanswered = this.#sharesAtOnce
    this.#socket.write(Array.from({ length: this.#sharesAtOnce }, (_, i) => this.line(100 + i)).join(""))
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

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const milliseconds = (from: string | bigint, to: string | bigint): number => Number(BigInt(to) - BigInt(from)) / 1e6

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
