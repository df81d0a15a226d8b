/**
 * A pool with the durable ledger at the miners' own pace, beside the same pool without one: the CPU time for each share; and with
 * 10,000 connections at six shares a minute each the p99 of acknowledgements, beside the commit interval and two fdatasync of the same
 * disk in the same run. `SLUICE_BENCH_CONNECTIONS` is another number of connections.
 */
import { ledgerDefaults } from "@sluice/ledger"
import { Duration } from "effect"
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { AsyncCase, Row } from "./case.ts"
import { allWork, row, sleep, startSwarm } from "./crowd.ts"
import { type Candidate, EACH, atOnce, sluice, swarmLoad, USUAL, withPlaces } from "./pace.ts"

const MINERS = { kind: "standard", connections: 300, sharesPerMinute: 500 } as const
const WARM_UP_MS = 6_000

const CONNECTIONS = Number(process.env["SLUICE_BENCH_CONNECTIONS"] ?? 10_000)
const CROWD = { kind: "standard", connections: CONNECTIONS, sharesPerMinute: 6, concurrency: 128 } as const
const CROWD_MS = 30_000
const INTERVAL_MS = Duration.toMillis(ledgerDefaults.commitInterval)
/** The bytes of one fdatasync that is measured: pages of a commit of some shares. */
const COMMIT_BYTES = 64 * 1024

const inDirectory = async <A>(use: (directory: string) => Promise<A>): Promise<A> => {
  const directory = mkdtempSync(join(tmpdir(), "sluice-bench-ledger-"))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const withLedger = (directory: string, name: string): string => `--ledger sqlite:${join(directory, name)}`

const cpuRows = (): Promise<ReadonlyArray<Row>> =>
  inDirectory((directory) =>
    withPlaces(MINERS.sharesPerMinute, "hard", async (start) => {
      const candidates: ReadonlyArray<Candidate> = [
        { name: "without", command: sluice(USUAL), load: swarmLoad },
        { name: "with", command: sluice(USUAL, withLedger(directory, "usual.ledger")), load: swarmLoad },
        { name: "without", command: sluice(EACH), load: swarmLoad },
        { name: "with", command: sluice(EACH, withLedger(directory, "each.ledger")), load: swarmLoad }
      ]
      const [without, with_, eachWithout, eachWith] = await atOnce(start, candidates, MINERS)
      const name = "ledger: pool, share"
      return [
        row(name, "µs/share", with_!, "the pool without a ledger", without!),
        row(`${name}, each acknowledged`, "µs/share", eachWith!, "the pool without a ledger", eachWithout!)
      ]
    })
  )

const crowdRows = (): Promise<ReadonlyArray<Row>> =>
  inDirectory((directory) =>
    withPlaces(CROWD.sharesPerMinute, "hard", async (start) => {
      const command = sluice(EACH, withLedger(directory, "crowd.ledger"))
      const { server, url } = await start({ name: "", command, load: swarmLoad })
      const swarm = await startSwarm(url, { ...CROWD, user: "bench" })
      await swarm.until(allWork(CONNECTIONS))
      // Before the pool uses the disk at its pace, and while it does: what an fdatasync takes.
      await sleep(WARM_UP_MS)
      swarm.forget()
      const syncing = syncTimes(join(directory, "sync"), CROWD_MS)
      await sleep(CROWD_MS)
      const { acknowledgement } = swarm.report().latency
      const syncs = (await syncing).toSorted((a, b) => a - b)
      await swarm.stop()
      await server.stop()
      const at = (part: number) => syncs[Math.floor(syncs.length * part)]!
      const name = `ledger: pool, ${CONNECTIONS} connections, acknowledgement`
      return (["p50", "p99"] as const).map((quantile) =>
        row(
          `${name} ${quantile}`,
          "ms",
          acknowledgement[quantile],
          `${INTERVAL_MS} ms and two fdatasync of the disk meanwhile`,
          INTERVAL_MS + 2 * at(quantile === "p50" ? 0.5 : 0.99)
        )
      )
    })
  )

/** Milliseconds of fdatasync after writes of the size of a commit, each some time after the other, for this long. */
const syncTimes = async (file: string, ms: number): Promise<ReadonlyArray<number>> => {
  const handle = openSync(file, "w")
  const bytes = Buffer.alloc(COMMIT_BYTES, 1)
  const times: Array<number> = []
  const end = performance.now() + ms
  while (performance.now() < end) {
    writeSync(handle, bytes, 0, bytes.length, (times.length % 64) * bytes.length)
    const begun = performance.now()
    fdatasyncSync(handle)
    times.push(performance.now() - begun)
    await sleep(100)
  }
  closeSync(handle)
  return times
}

export const asyncCases: ReadonlyArray<AsyncCase> = [
  { name: "ledger: pool, share", rows: cpuRows },
  { name: `ledger: pool, ${CONNECTIONS} connections`, rows: crowdRows }
]
