/**
 * `npm run ledger-postgres`: the ledger's suite on a PostgreSQL that it starts itself, beside SQLite. Further arguments are for vitest.
 */
import { startPostgres } from "@sluice/testing/postgres-server"
import { Effect } from "effect"
import { spawn } from "node:child_process"

const FILES = [
  "packages/ledger/test",
  "programs/test/ledger-postgres.test.ts",
  "programs/test/workers-postgres.test.ts",
  "programs/test/declared-ledger.test.ts"
]

const given = process.argv.slice(2)
/** The server outlives this process unless it is stopped. */
const ending = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ending.abort())

await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const { url } = yield* startPostgres
      const status = yield* Effect.callback<number>((resume) => {
        const env = { ...process.env, SLUICE_POSTGRES: url }
        spawn("vitest", ["run", ...(given.length > 0 ? given : FILES)], { stdio: "inherit", env }).on("close", (code) =>
          resume(Effect.succeed(code ?? 1))
        )
      })
      process.exitCode = status
    })
  ),
  { signal: ending.signal }
)
