/**
 * A pool that buys shares takes declared jobs: their blocks and shares are in its ledger. Runs in `npm run soak`, and with workers in
 * `npm run ledger-postgres`.
 */
import { startPostgres } from "@sluice/testing/postgres-server"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"
import { Effect, Exit, Scope } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it, onTestFinished } from "vitest"
import { startDevProvider } from "./dev-provider.ts"
import { run } from "./in-process.ts"

const POOL_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

/** A PostgreSQL until the end of the test. */
const postgres = async (): Promise<string> => {
  const scope = Scope.makeUnsafe()
  onTestFinished(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return (await Effect.runPromise(Scope.provide(startPostgres, scope))).url
}

const pools = [
  { what: "a pool", runs: process.env["SLUICE_DECLARED_LEDGER"] !== undefined, workers: 1 },
  { what: "a pool with two workers", runs: process.env["SLUICE_POSTGRES"] !== undefined, workers: 2 }
]

for (const { runs, what, workers } of pools) {
  it.skipIf(!runs)(
    `blocks of declared jobs are in the ledger of ${what} that buys shares, with their shares`,
    { timeout: 180_000 },
    async () => {
      const directory = await mkdtemp(join(tmpdir(), "sluice-declared-ledger-"))
      onTestFinished(() => rm(directory, { recursive: true }))
      const ledger = workers === 1 ? `sqlite:${join(directory, "pool.ledger")}` : await postgres()
      const given = workers === 1 ? [] : ["--spool", join(directory, "pool.spool"), "--workers", String(workers)]
      const templates = await startDevProvider({ bits: 0x1f00ffff, transactionsPerSecond: 2 })
      const [forPool, forDeclarator, forProxy] = (await freePorts(3)) as [number, number, number]
      const pool = new Sluice(
        ["pool", "--plain", "--listen", `127.0.0.1:${forPool}`, "--template-provider", templates].concat(
          ["--coinbase-address", POOL_ADDRESS, "--job-declaration-listen", `127.0.0.1:${forDeclarator}`],
          ["--payout-scheme", "fpps", "--payout-reserve", "100000000", "--shares-per-minute", "600", ...given]
        ),
        { SLUICE_POOL__LEDGER: ledger }
      )
      await pool.find(/The reserve for fpps is 100000000 of 100000000 satoshis/)
      const proxy = new Sluice(
        ["proxy", "--plain", "--listen", `127.0.0.1:${forProxy}`, "--template-provider", templates].concat(
          ["--upstream", `stratum2+tcp+plain://127.0.0.1:${forPool}`],
          ["--job-declarator", `stratum2+tcp+plain://127.0.0.1:${forDeclarator}`],
          ["--declare-transactions", "false", "--min-fee-delta", "1", "--user-identity", "account.{worker}"],
          ["--shares-per-minute", "600"]
        )
      )
      await proxy.find(/Work comes from/)
      const miner = new Sluice([
        "miner",
        "--connect",
        `stratum2+tcp+plain://127.0.0.1:${forProxy}`,
        "--user",
        "alice.1",
        "--threads",
        "1"
      ])
      await pool.find(/found a block/)
      await miner.stop()
      await proxy.stop()
      await pool.stop()
      const json = async (command: string) =>
        (await run(["ledger", command, "--ledger", ledger])).stdout
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => JSON.parse(line) as Record<string, unknown>)
      const blocks = await json("blocks")
      assert.isNotEmpty(blocks)
      assert.sameMembers([...new Set(blocks.map(({ scheme, user }) => `${scheme} ${user}`))], ["fpps account"])
      const [{ faults, shares }] = (await json("audit")) as [Record<string, unknown>]
      assert.strictEqual(faults, 0)
      assert.isAbove(Number(shares), 0)
    }
  )
}
