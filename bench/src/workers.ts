/**
 * How many shares a second a pool with two workers carries on two cores, against the same pool in one process on one core. Shares come
 * in an open loop, one in each read, as those of devices do.
 *
 * The load generator competes for the cores, so what is measured is CPU time, which does not have its work in it: that of each
 * process of the pool for the shares that all of them accepted. A process carries as many shares a second as make a second of CPU
 * time. With workers the first limit that is reached counts: a core for the busiest worker, or two cores for all processes together,
 * of which the primary is one. So an uneven share of the connections counts against the workers.
 */
import { DevNode } from "@sluice/dev-node"
import { AuthorityKey } from "@sluice/noise"
import { TemplateProvider } from "@sluice/template-provider"
import { freePort } from "@sluice/testing/ports"
import { Plain, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger, ManagedRuntime } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { AsyncCase, Row } from "./case.ts"
import { allWork, median, row, sleep, startSwarm } from "./crowd.ts"
import { COINBASE_ADDRESS } from "./pool-work.ts"

const CORES = 2
/** Of each worker: a process that has less to do sleeps and wakes more often for each share. */
const CONNECTIONS = 150
const SHARES_PER_MINUTE = 500
const WARM_UP_MS = 4000
const MEASURED_MS = 8000
/** How often one process and workers take turns. The medians count. */
const TURNS = 3

export const asyncCases: ReadonlyArray<AsyncCase> = (["standard", "extended"] as const).map((kind) => ({
  name: `workers: ${kind} shares`,
  rows: () => shareRows(kind)
}))

const provider = TemplateProvider.layer().pipe(
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(DevNode.layerInMemory({ transactionsPerSecond: 0, bits: 0x1d00ffff })),
  Layer.provideMerge(Logger.layer([]))
)

const shareRows = async (kind: "standard" | "extended"): Promise<ReadonlyArray<Row>> => {
  const runtime = ManagedRuntime.make(provider)
  try {
    const { port } = await runtime.runPromise(Effect.map(TemplateProvider, ({ address }) => address))
    const [one, several]: [Array<number>, Array<number>] = [[], []]
    for (let turn = 0; turn < TURNS; turn++) {
      one.push(await capacity(kind, 1, port))
      several.push(await capacity(kind, CORES, port))
    }
    const name = `workers: ${kind} shares that ${CORES} carry on ${CORES} cores`
    return [row(name, "shares/s", median(several), "one process on one", median(one))]
  } finally {
    await runtime.dispose()
  }
}

/** Shares a second that the pool carries on as many cores as it has workers. */
const capacity = async (kind: "standard" | "extended", workers: number, templates: number): Promise<number> => {
  const pool = await startPool(workers, templates)
  const connections = CONNECTIONS * workers
  const swarm = await startSwarm(pool.url, { connections, kind, sharesPerMinute: SHARES_PER_MINUTE })
  try {
    await swarm.until(allWork(connections))
    await sleep(WARM_UP_MS)
    const before = await pool.usage()
    await sleep(MEASURED_MS)
    const after = await pool.usage()
    const shares = after.shares - before.shares
    const seconds = Array.from(after.cpu, ([process, seconds]) => seconds - before.cpu.get(process)!)
    const sum = seconds.reduce((all, one) => all + one, 0)
    return shares / Math.max(...seconds, sum / workers)
  } finally {
    await swarm.stop()
    await pool.stop()
  }
}

/** Starts `sluice pool` as operators do. */
const startPool = async (workers: number, templates: number) => {
  const [port, metrics] = [await freePort(), await freePort()]
  const { publicKey, secretKey } = await Effect.runPromise(AuthorityKey.generate)
  const main = fileURLToPath(new URL("../../programs/src/main.ts", import.meta.url))
  const child = spawn(
    process.execPath,
    [main, "pool", "--listen", `127.0.0.1:${port}`, "--metrics-listen", `127.0.0.1:${metrics}`].concat(
      ["--template-provider", `stratum2+tcp+plain://127.0.0.1:${templates}`, "--workers", String(workers)],
      ["--coinbase-address", COINBASE_ADDRESS, "--min-hash-rate", "1", "--log-level", "error"],
      ["--shares-per-minute", String(SHARES_PER_MINUTE)]
    ),
    {
      stdio: "inherit",
      env: { ...process.env, SLUICE_POOL__AUTHORITY_SECRET_KEY: AuthorityKey.formatSecretKey(secretKey) }
    }
  )
  /** Accepted shares, and the CPU time of each process in seconds. */
  const usage = async () => {
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    const shares = Number(/^sluice_pool_shares_accepted_total (.*)$/m.exec(text)?.[1])
    const cpu = new Map(
      Array.from(text.matchAll(/^process_cpu_seconds_total(\S*) (.*)$/gm), ([, labels = "", seconds]) => [
        labels,
        Number(seconds)
      ])
    )
    return { shares, cpu }
  }
  const isServing = async (): Promise<boolean> => {
    try {
      // The primary is a process too.
      return (await usage()).cpu.size === (workers === 1 ? 1 : workers + 1)
    } catch {
      return false
    }
  }
  while (!(await isServing())) {
    if (child.exitCode !== null) throw new Error(`the pool ended with status ${child.exitCode}`)
    await sleep(100)
  }
  return {
    url: `stratum2+tcp://127.0.0.1:${port}/${AuthorityKey.formatPublicKey(publicKey)}`,
    usage,
    stop: async () => {
      const ended = once(child, "exit")
      child.kill()
      await ended
    }
  }
}
