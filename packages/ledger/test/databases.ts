/**
 * The databases that the ledger's suite runs on: SQLite, and PostgreSQL if the variable `SLUICE_POSTGRES` has the URL of one, as
 * `npm run ledger-postgres` sets it.
 */
import { Effect, Layer, Redacted, type Scope } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LedgerSql, type LedgerPlace, type LedgerSqlCalls } from "../src/index.ts"
import { layer as layerPostgres } from "../src/postgres/postgres-client.ts"
import { layer as layerSqlite } from "../src/sqlite/sqlite-client.ts"

export interface TestDatabase {
  readonly name: "SQLite" | "PostgreSQL"
  /** A place that has no ledger. It is gone at the end of the test. */
  readonly fresh: Effect.Effect<LedgerPlace, never, Scope.Scope>
}

/** A file that is gone at the end of the test. */
export const freshFile = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-ledger-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
).pipe(Effect.map((directory) => join(directory, "ledger.sqlite")))

export const sqlite: TestDatabase = { name: "SQLite", fresh: Effect.map(freshFile, (file) => ({ file })) }

export const POSTGRES_URL = process.env["SLUICE_POSTGRES"]

/** Each ledger has a schema of its own in the one database. */
const postgres = (url: string): TestDatabase => ({
  name: "PostgreSQL",
  fresh: Effect.gen(function* () {
    const schema = `ledger_${randomBytes(8).toString("hex")}`
    const whole = { postgres: Redacted.make(url) }
    yield* Effect.acquireRelease(Effect.orDie(execute(whole, `CREATE SCHEMA ${schema}`)), () =>
      Effect.orDie(execute(whole, `DROP SCHEMA ${schema} CASCADE`))
    )
    const own = new URL(url)
    own.searchParams.set("options", `-c search_path=${schema}`)
    return { postgres: Redacted.make(own.href) }
  })
})

export const databases: ReadonlyArray<TestDatabase> =
  POSTGRES_URL === undefined ? [sqlite] : [sqlite, postgres(POSTGRES_URL)]

/** Uses the database of a ledger as another program would. */
export const behind = <A, E>(
  place: LedgerPlace,
  use: (sql: LedgerSqlCalls) => Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError.SqlError> => {
  const layer: Layer.Layer<LedgerSql | SqlClient.SqlClient, SqlError.SqlError> =
    "file" in place ? layerSqlite({ file: place.file }) : layerPostgres({ url: place.postgres })
  return Effect.provide(Effect.flatMap(LedgerSql, use), layer)
}

/** Executes statements, with semicolons between them. */
export const execute = (place: LedgerPlace, statements: string): Effect.Effect<void, SqlError.SqlError> =>
  behind(place, (sql) =>
    Effect.forEach(
      statements.split(";").filter((statement) => statement.trim() !== ""),
      (statement) => sql.unsafe(sql.dialect === "sqlite" ? statement : statement.replaceAll("x'00'", "'\\x00'::bytea")),
      { discard: true }
    )
  )

/** Lets rows be changed that the ledger never changes. */
export const dropTriggers = (place: LedgerPlace): Effect.Effect<void, SqlError.SqlError> =>
  behind(place, (sql) =>
    Effect.gen(function* () {
      const triggers = yield* sql.dialect === "sqlite"
        ? sql<{ name: string; relation: string }>`
            SELECT name, tbl_name AS relation FROM sqlite_master WHERE type = 'trigger'`
        : sql<{ name: string; relation: string }>`
            SELECT trigger_name AS name, min(event_object_table) AS relation FROM information_schema.triggers
            WHERE trigger_schema = current_schema() GROUP BY trigger_name`
      for (const { name, relation } of triggers) {
        yield* sql.unsafe(`DROP TRIGGER ${name}${sql.dialect === "sqlite" ? "" : ` ON ${relation}`}`)
      }
    })
  )
