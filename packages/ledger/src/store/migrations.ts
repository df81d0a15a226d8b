/**
 * The schema of the ledger's database. A migration is never changed after a release; a new one is added.
 *
 * Work is decimal text, because it needs more than 64 bits. Amounts are satoshis, times are milliseconds since 1970. Rows about money
 * are never updated or deleted; the database itself refuses it.
 */
import { Effect } from "effect"
import { Migrator, SqlClient, type SqlError } from "effect/sql"
import { LedgerError } from "../ledger-error.ts"
import { moneyLeaves } from "./money-leaves.ts"

const TABLE = "ledger_migrations"

const first = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
  )`
  // The pool's own account, which no user can have.
  yield* sql`INSERT INTO users (id, name) VALUES (0, '')`
  yield* sql`CREATE TABLE shares (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users,
    worker TEXT NOT NULL,
    work TEXT NOT NULL,
    height INTEGER NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    is_block INTEGER NOT NULL
  )`
  yield* sql`CREATE TABLE slices (
    id INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL UNIQUE,
    last_seq INTEGER NOT NULL UNIQUE,
    began_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    work TEXT NOT NULL,
    hash BLOB NOT NULL
  )`
  yield* sql`CREATE TABLE rollups (
    slice_id INTEGER NOT NULL REFERENCES slices,
    user_id INTEGER NOT NULL REFERENCES users,
    worker TEXT NOT NULL,
    work TEXT NOT NULL,
    shares INTEGER NOT NULL,
    PRIMARY KEY (slice_id, user_id, worker, work)
  ) WITHOUT ROWID`
  yield* sql`CREATE TABLE blocks (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    height INTEGER NOT NULL,
    at INTEGER NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users,
    worker TEXT NOT NULL,
    reward INTEGER NOT NULL,
    network_work TEXT NOT NULL
  )`
  yield* sql`CREATE TABLE block_outputs (
    block_id INTEGER NOT NULL REFERENCES blocks,
    position INTEGER NOT NULL,
    script BLOB NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (block_id, position)
  )`
  yield* sql`CREATE TABLE block_states (
    id INTEGER PRIMARY KEY,
    block_id INTEGER NOT NULL REFERENCES blocks,
    state TEXT NOT NULL,
    at INTEGER NOT NULL
  )`
  yield* sql`CREATE INDEX block_states_of_block ON block_states (block_id)`
  yield* sql`CREATE TABLE settlements (
    id INTEGER PRIMARY KEY,
    block_id INTEGER NOT NULL REFERENCES blocks,
    reverses INTEGER UNIQUE REFERENCES settlements,
    at INTEGER NOT NULL,
    policy TEXT NOT NULL,
    basis TEXT NOT NULL,
    window_work TEXT NOT NULL
  )`
  yield* sql`CREATE INDEX settlements_of_block ON settlements (block_id)`
  yield* sql`CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    settlement_id INTEGER REFERENCES settlements,
    user_id INTEGER NOT NULL REFERENCES users,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL
  )`
  yield* sql`CREATE INDEX entries_of_user ON entries (user_id)`
  yield* sql`CREATE INDEX entries_of_settlement ON entries (settlement_id)`
  yield* sql`CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  )`
  const kept = ["slices", "rollups", "blocks", "block_outputs", "block_states", "settlements", "entries"]
  for (const table of kept) {
    for (const action of ["UPDATE", "DELETE"]) {
      yield* sql.unsafe(
        `CREATE TRIGGER ${table}_refuse_${action.toLowerCase()} BEFORE ${action} ON ${table} ` +
          `BEGIN SELECT RAISE(ABORT, 'rows of ${table} are never changed'); END`
      )
    }
  }
})

const migrations = { "1_shares_and_money": first, "2_money_leaves": moneyLeaves }
/** The version that this program knows. */
const NEWEST = Object.keys(migrations).length

const versionOf = (sql: SqlClient.SqlClient): Effect.Effect<number | undefined, SqlError.SqlError> =>
  Effect.gen(function* () {
    const tables = yield* sql<{ name: string }>`SELECT name FROM sqlite_master WHERE type = 'table'`
    if (tables.length === 0) return 0
    if (tables.every(({ name }) => name !== TABLE)) return undefined
    const [row] = yield* sql<{ version: number | null }>`SELECT max(migration_id) AS version FROM ${sql(TABLE)}`
    return row?.version ?? 0
  })

/** Checks that the database is a ledger of this version. An empty one becomes one; so does an old one with `isUpgrade`. */
export const prepareSchema = ({
  isReadOnly = false,
  isUpgrade = false
}): Effect.Effect<void, LedgerError | SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const version = yield* versionOf(sql)
    const refuse = (message: string) => Effect.fail(new LedgerError({ message }))
    if (version === undefined) return yield* refuse("it is a database of something else, not a ledger")
    if (version === NEWEST) return
    if (version > NEWEST) {
      return yield* refuse(`its schema has version ${version}, and this program knows ${NEWEST}: use a newer program`)
    }
    if (isReadOnly && version === 0) return yield* refuse("there is no ledger in it")
    if (version > 0 && !isUpgrade) {
      return yield* refuse(
        `its schema has version ${version}, and this program needs ${NEWEST}: run sluice ledger migrate`
      )
    }
    yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: TABLE }).pipe(
      Effect.catchTag("MigrationError", ({ cause, message }) =>
        refuse(`${message}${cause instanceof Error ? `: ${cause.message}` : ""}`)
      )
    )
  })
