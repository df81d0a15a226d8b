/** A pool whose ledger is on a disk of its own, which becomes full. `npm run soak` runs it, on Linux with user namespaces. */
import { freePorts } from "@sluice/testing/ports"
import { Program } from "@sluice/testing/program"
import { spawnSync } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it, onTestFinished } from "vitest"
import { startDevProvider } from "./dev-provider.ts"

const POOL_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const MAIN = join(import.meta.dirname, "../src/main.ts")
const CONNECTIONS = 5

const canMount = spawnSync("unshare", ["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0

/** A small disk at a directory, which only programs see that are started on it. */
const mountDisk = async (directory: string) => {
  const holder = new Program([
    "unshare",
    "-Urm",
    "sh",
    "-c",
    'mount -t tmpfs -o size=8m none "$0" && echo mounted && exec sleep infinity',
    directory
  ])
  onTestFinished(() => void holder.process.kill("SIGKILL"))
  await holder.find(/mounted/)
  const start = (...command: ReadonlyArray<string>) => {
    const namespaces = ["-t", String(holder.process.pid), "-U", "-m", "--preserve-credentials"]
    const program = new Program(["nsenter", ...namespaces, ...command])
    onTestFinished(() => void program.process.kill("SIGKILL"))
    return program
  }
  const sluice = (...args: ReadonlyArray<string>) => start(process.execPath, MAIN, ...args)
  return {
    sluice,
    /** Takes all space. */
    fill: async () => {
      await start("dd", "if=/dev/zero", `of=${directory}/filler`, "bs=4096").finished
    },
    empty: async () => {
      const { status, stderr } = await start("rm", `${directory}/filler`).finished
      assert.strictEqual(status, 0, stderr)
    }
  }
}

const rows = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))

it.skipIf(!canMount)(
  "a full disk: miners stay and find blocks while shares wait, and each acknowledged share is in the ledger once",
  { timeout: 300_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "sluice-full-disk-"))
    onTestFinished(() => rm(directory, { recursive: true }))
    const disk = await mountDisk(directory)
    const [mining] = await freePorts(1)
    const ledger = ["--ledger", `sqlite:${join(directory, "pool.ledger")}`]
    const provider = await startDevProvider({ bits: 0x203fffff, transactionsPerSecond: 0 })
    const poolArgs = ["pool", "--plain", "--listen", `127.0.0.1:${mining}`, "--template-provider", provider].concat(
      ["--coinbase-address", POOL_ADDRESS, "--min-hash-rate", "1", "--shares-per-minute", "60"],
      ledger
    )
    const startPool = () => disk.sluice(...poolArgs)

    await disk.fill()
    const { status, stderr } = await startPool().finished
    assert.strictEqual(status, 2, stderr)
    assert.match(stderr, /the ledger .*pool\.ledger: .*full/)
    await disk.empty()

    const pool = startPool()
    await pool.find(/Connected to the template provider/)
    const acknowledged = join(tmpdir(), `sluice-full-disk-${process.pid}.ndjson`)
    onTestFinished(() => rm(acknowledged, { force: true }))
    const swarmArgs = ["--connect", `stratum2+tcp+plain://127.0.0.1:${mining}`, "--json"].concat(
      ["--connections", String(CONNECTIONS), "--shares-per-minute", "60"],
      ["--acknowledged", acknowledged]
    )
    const swarm = new Program([process.execPath, MAIN, "swarm", ...swarmArgs])
    onTestFinished(() => void swarm.process.kill("SIGKILL"))
    await swarm.find(/"accepted":[1-9]/)

    await disk.fill()
    await pool.find(/cannot be written: database or disk is full; \d+ shares wait/)
    const from = pool.output.length
    // More than the first share of each connection: the pool reads on.
    for (let [block, at] = [0, from]; block <= CONNECTIONS; block++) {
      const found = await pool.find(/A miner found a block|Ended the connection/, at)
      assert.match(found[0], /found a block/)
      at += found.index + found[0].length
    }
    const last = rows(swarm.output).findLast(({ event }) => event === "Progress")!
    assert.deepInclude(last["connections"], { open: CONNECTIONS, opened: CONNECTIONS })

    await disk.empty()
    await pool.find(/is written again/, from)
    const before = swarm.output.length
    await swarm.find(/"event":"Progress"/, before)
    await swarm.stop()
    await pool.stop()

    // SQLite calls it an I/O error if it has no room for the files beside a database.
    await disk.fill()
    const refused = await disk.sluice("ledger", "users", ...ledger).finished
    assert.strictEqual(refused.status, 2, refused.stdout)
    assert.match(refused.stderr, /pool\.ledger: disk I\/O error: the disk of .*pool\.ledger is full/)
    await disk.empty()

    const audited = await disk.sluice("ledger", "audit", ...ledger).finished
    assert.deepInclude(rows(audited.stdout)[0], { faults: 0 }, audited.stderr)
    const exported = await disk.sluice("ledger", "export", "--format", "ndjson", ...ledger).finished
    const inLedger = rows(exported.stdout).map(({ hash }) => hash)
    assert.strictEqual(new Set(inLedger).size, inLedger.length)
    const hashes = rows(await readFile(acknowledged, "utf8")).map(({ hash }) => hash)
    assert.isAtLeast(hashes.length, CONNECTIONS)
    assert.includeMembers(inLedger, hashes)
  }
)
