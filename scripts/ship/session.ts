/**
 * Programs of an artefact at work: a development node, a template provider, a solo pool and a miner, each started by the command
 * that the artefact gives. It is the least that shows an artefact is whole: the node's RPC and ZMQ, Noise with its threads and the
 * curve in WebAssembly, the operators' page, hashing threads.
 */
import { freePorts } from "@sluice/testing/ports"
import { type ChildProcess, spawn } from "node:child_process"
import { tmpdir } from "node:os"

export type Command = readonly [string, ...ReadonlyArray<string>]
type Environment = Readonly<Record<string, string>>

const PATIENCE_MS = 60_000
/** The payout of the solo miner, on the development chain. */
export const MINER = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

export class Running {
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
  output = ""
  #status: number | null | undefined
  readonly #name: string

  /** Its environment is these variables, and where the programs, the home directory and temporary files are. */
  constructor([name, ...args]: Command, env: Environment = {}, cwd?: string) {
    this.#name = [name, ...args].join(" ")
    const { HOME = "", PATH = "", TMPDIR = tmpdir() } = process.env
    this.process = spawn(name, args, { env: { HOME, PATH, TMPDIR, ...env }, cwd, stdio: ["ignore", "pipe", "pipe"] })
    const hear = (chunk: string): void => void (this.output += chunk)
    this.process.stdout!.setEncoding("utf8").on("data", hear)
    this.process.stderr!.setEncoding("utf8").on("data", hear)
    this.ended = new Promise((resolve) => {
      const end = (status: number | null): void => {
        this.#status = status
        resolve(status)
      }
      this.process.on("error", (error) => {
        this.output += error.message
        end(null)
      })
      this.process.on("close", end)
    })
  }

  async find(pattern: RegExp, patienceMs: number = PATIENCE_MS): Promise<RegExpExecArray> {
    for (const until = performance.now() + patienceMs; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
      const isOver = this.#status !== undefined || performance.now() > until
      const found = pattern.exec(this.output)
      if (found !== null) return found
      if (isOver) throw new Error(`expected ${String(pattern)} in the output of ${this.#name}:\n${this.output}`)
    }
  }

  /** Waits for its end, which must be a good one. */
  async succeed(): Promise<string> {
    const stuck = setTimeout(() => this.process.kill("SIGKILL"), PATIENCE_MS)
    const status = await this.ended
    clearTimeout(stuck)
    if (status !== 0) throw new Error(`${this.#name} ended with ${status}:\n${this.output}`)
    return this.output
  }

  async stop(): Promise<void> {
    if (this.#status === undefined) this.process.kill("SIGTERM")
    const stuck = setTimeout(() => this.process.kill("SIGKILL"), 10_000)
    await this.ended
    clearTimeout(stuck)
  }
}

export interface Session {
  readonly pool: string
  readonly plainPool: string
  readonly v1Pool: string
  readonly templateProvider: string
  readonly page: string
  readonly programs: ReadonlyArray<Running>
  readonly start: (args: ReadonlyArray<string>, env?: Environment) => Running
  readonly stop: () => Promise<void>
}

/**
 * Starts a node, a provider and a solo pool with two workers behind Noise; with `plain`, the provider and the pool are without
 * encryption, for examples, and the pool has one process and the operators' page. Configured by the environment alone, as a container is.
 */
export const startSession = async (command: Command, { plain = false } = {}): Promise<Session> => {
  const [rpc, zmq, provider, pool, v1, page] = (await freePorts(6)).map((port) => `127.0.0.1:${port}`)
  const programs: Array<Running> = []
  const start = ([program, ...args]: ReadonlyArray<string>, env: Environment = {}): Running => {
    const started = new Running([...command, program!, ...args], env)
    programs.push(started)
    return started
  }
  const stop = async (): Promise<void> => {
    await Promise.all(programs.toReversed().map((program) => program.stop()))
  }
  try {
    const keys = await Promise.all([makeKey(command), makeKey(command)])
    const url = (at: number, address: string) =>
      plain ? `stratum2+tcp+plain://${address}` : `stratum2+tcp://${address}/${keys[at]!.publicKey}`
    const secured = (at: number, program: string): Environment =>
      plain
        ? { [`SLUICE_${program}__PLAIN`]: "true" }
        : { [`SLUICE_${program}__AUTHORITY_SECRET_KEY`]: keys[at]!.secretKey }
    start(["node"], {
      SLUICE_NODE__RPC_LISTEN: rpc!,
      SLUICE_NODE__RPC_USER: "sluice",
      SLUICE_NODE__RPC_PASSWORD: "of-a-test",
      SLUICE_NODE__ZMQ: `tcp://${zmq}`,
      SLUICE_NODE__BITS: "1e0fffff"
    })
    start(["template-provider"], {
      SLUICE_TEMPLATE_PROVIDER__RPC_URL: `http://${rpc}`,
      SLUICE_TEMPLATE_PROVIDER__RPC_USER: "sluice",
      SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "of-a-test",
      SLUICE_TEMPLATE_PROVIDER__ZMQ: `tcp://${zmq}`,
      SLUICE_TEMPLATE_PROVIDER__LISTEN: provider!,
      ...secured(0, "TEMPLATE_PROVIDER")
    })
    const poolProgram = start(["pool"], {
      SLUICE_POOL__TEMPLATE_PROVIDER: url(0, provider!),
      SLUICE_POOL__LISTEN: pool!,
      SLUICE_POOL__V1_LISTEN: v1!,
      SLUICE_POOL__V1_HASH_RATE: "100000",
      SLUICE_POOL__MIN_HASH_RATE: "1",
      SLUICE_POOL__SHARES_PER_MINUTE: "600",
      ...(plain ? { SLUICE_POOL__HTTP_LISTEN: page! } : { SLUICE_POOL__WORKERS: "2" }),
      ...(plain ? { SLUICE_POOL__COINBASE_ADDRESS: MINER } : { SLUICE_POOL__SOLO_FEE: "0" }),
      ...secured(1, "POOL")
    })
    await poolProgram.find(/listens/)
    if (plain) await poolProgram.find(/operators' page is at/)
    return {
      pool: url(1, pool!),
      plainPool: `stratum2+tcp+plain://${pool}`,
      v1Pool: `stratum+tcp://${v1}`,
      templateProvider: url(0, provider!),
      page: `http://${page}`,
      programs,
      start,
      stop
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Mines alone, on a chain whose blocks take a million hashes, until the development node has accepted a block. Gives the seconds from nothing to that block. */
export const firstBlock = async (command: Command): Promise<number> => {
  const started = performance.now()
  const session = await startSession(command)
  try {
    session.start(["miner"], { SLUICE_MINER__CONNECT: session.pool, SLUICE_MINER__USER: `${MINER}.rig` })
    await session.programs[2]!.find(/block .*found|found .*block/i)
    return (performance.now() - started) / 1000
  } finally {
    await session.stop()
  }
}

const makeKey = async (command: Command): Promise<{ readonly secretKey: string; readonly publicKey: string }> =>
  JSON.parse(await new Running([...command, "key", "generate", "--json"]).succeed())

if (import.meta.main) {
  const [name, ...args] = process.argv.slice(2)
  if (name === undefined) throw new Error("expected the command of sluice")
  console.log(`a block after ${(await firstBlock([name, ...args])).toFixed(1)} s`)
}
