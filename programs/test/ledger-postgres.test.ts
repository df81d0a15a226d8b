/** Two pools as processes on one PostgreSQL, with a miner on each: `npm run ledger-postgres` runs it. */
import { freePorts } from "@sluice/testing/ports"
import { startPostgres } from "@sluice/testing/postgres-server"
import { Sluice } from "@sluice/testing/program"
import { Effect, Exit, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, it } from "vitest"
import { startDevProvider } from "./dev-provider.ts"
import { run } from "./in-process.ts"

const POOL_ADDRESS = "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c"
const ALICE = "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7"
const BOB = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"

/** Where the pools keep their spools. */
const directory = mkdtempSync(join(tmpdir(), "sluice-pools-"))
afterAll(() => rmSync(directory, { recursive: true }))

const rows = (stdout: string): ReadonlyArray<Record<string, unknown>> =>
  stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))

/** A pool on this port, and a miner of this user. */
const startPair = async (ledger: string, provider: string, port: number, user: string) => {
  const pool = new Sluice(
    ["pool", "--plain", "--listen", `127.0.0.1:${port}`, "--shares-per-minute", "3000"].concat(
      ["--template-provider", provider, "--coinbase-address", POOL_ADDRESS],
      ["--payout-scheme", "pplns", "--acknowledge-within", "0"]
    ),
    { SLUICE_POOL__LEDGER: ledger, SLUICE_POOL__SPOOL: join(directory, `${port}.spool`) }
  )
  const serverId = (await pool.find(/This pool has server id (\d+) /))[1]
  const miner = new Sluice(
    ["miner", "--connect", `stratum2+tcp+plain://127.0.0.1:${port}`, "--user", `${user}.rig`, "--json"].concat([
      "--threads",
      "1",
      "--channel",
      "extended"
    ])
  )
  return { pool, miner, serverId }
}

type Pair = Awaited<ReturnType<typeof startPair>>

/** Waits until a program has printed something this many times more. */
const findMore = async (program: Sluice, pattern: RegExp, count: number) => {
  let from = program.output.length
  for (let found = 0; found < count; found++) {
    const match = await program.find(pattern, from)
    from += match.index + match[0].length
  }
}

const acknowledged = ({ miner }: Pair) => rows(miner.output).filter(({ event }) => event === "ShareAccepted").length

it.skipIf(process.env["SLUICE_POSTGRES"] === undefined)(
  "two pools on one ledger divide each block among the miners of both, once, and one goes on when the other is killed",
  async () => {
    const scope = Effect.runSync(Scope.make())
    try {
      const { url } = await Effect.runPromise(Scope.provide(startPostgres, scope))
      // A block takes some thousand hashes.
      const provider = await startDevProvider({ bits: 0x1f00ffff, transactionsPerSecond: 0 })
      const [first = 0, second = 0] = await freePorts(2)
      const a = await startPair(url, provider, first, ALICE)
      const b = await startPair(url, provider, second, BOB)
      assert.notStrictEqual(a.serverId, b.serverId)
      const ledger = async (...args: ReadonlyArray<string>) => {
        const { status, stderr, stdout } = await run(["ledger", ...args, "--ledger", url])
        assert.strictEqual(status, 0, stderr + stdout)
        return rows(stdout)
      }
      /** Whether a block pays the miners of both pools. */
      const paysBoth = async () => {
        const entries = await ledger("export", "--table", "entries", "--format", "ndjson")
        const accounts = Map.groupBy(entries, ({ settlement }) => settlement)
        return [...accounts.values()].some((ofOne) =>
          [ALICE, BOB].every((user) => ofOne.some((row) => row["account"] === user))
        )
      }
      while (!(await paysBoth())) await findMore(b.miner, /"ShareAccepted"/, 5)
      await Promise.all([a, b].map(({ pool }) => findMore(pool, /found a block/, 1)))
      await a.pool.stop("SIGKILL")
      await a.miner.stop("SIGTERM")
      await findMore(b.pool, /found a block/, 1)
      await findMore(b.miner, /"ShareAccepted"/, 5)
      await b.pool.stop("SIGTERM")
      await b.miner.stop("SIGTERM")

      const blocks = await ledger("blocks")
      const [audited] = await ledger("audit")
      assert.deepInclude(audited, { faults: 0, blocks: blocks.length, settlements: blocks.length })
      assert.isAtLeast(Number(audited!["shares"]), acknowledged(a) + acknowledged(b))
    } finally {
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  },
  300_000
)
