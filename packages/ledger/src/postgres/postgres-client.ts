/**
 * Effect SQL over PostgreSQL, with what the ledger needs besides: numbers as SQLite gives them, rows in bulk, and a turn to write that
 * one transaction has at a time (docs/decisions/0020).
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import { Context, Effect, Layer, type Redacted, Result, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, SqlError } from "effect/sql"
import { type Column, type ColumnType, LedgerSql, type PostgresCalls } from "../store/ledger-sql.ts"

export interface PostgresOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/NAME`, as libpq takes it. */
  readonly url: Redacted.Redacted
  /** Whether a commit waits for the server's disk. Default true. */
  readonly isDurable?: boolean
  readonly isReadOnly?: boolean
}

/** The connections are closed with the layer's Scope. */
export const layer = (options: PostgresOptions): Layer.Layer<LedgerSql | SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effectContext(
    Effect.map(make(options), (client) =>
      Context.make(LedgerSql, client).pipe(Context.add(SqlClient.SqlClient, client))
    )
  ).pipe(Layer.provide(Reactivity.layer))

/** For the writer, and for those who read. */
const MAX_CONNECTIONS = 5
/**
 * The server ends a session that stands still inside a transaction for this time, because its process was stopped or its machine is
 * gone: the session may hold the turn that all others wait for.
 */
const MAX_IDLE_IN_TRANSACTION = "10s"

const make = Effect.fnUntraced(function* ({
  isDurable = true,
  isReadOnly = false,
  url
}: PostgresOptions): Effect.fn.Return<PostgresCalls, SqlError.SqlError, Scope.Scope | Reactivity.Reactivity> {
  const client = yield* PgClient.make({
    url,
    maxConnections: MAX_CONNECTIONS,
    applicationName: "sluice",
    types,
    startupParameters: {
      idle_in_transaction_session_timeout: MAX_IDLE_IN_TRANSACTION,
      // A snapshot that is older than the turn would not have the shares of the turn before.
      default_transaction_isolation: "read committed",
      default_transaction_read_only: isReadOnly ? "on" : "off",
      synchronous_commit: isDurable ? "on" : "off"
    }
  })
  const { withTransaction } = client
  return Object.assign(client, {
    dialect: "postgres" as const,
    // The number of the table is another one for each ledger of a database.
    takeTurn: Effect.asVoid(client`SELECT pg_advisory_xact_lock('slices'::regclass::oid::bigint)`),
    insertColumns: (table: string, columns: ReadonlyArray<Column>) => {
      const names = columns.map(([name]) => name).join(", ")
      const arrays = columns.map(([, type], index) => `$${index + 1}::${type}[]`).join(", ")
      const insert = `INSERT INTO ${table} (${names}) SELECT * FROM unnest(${arrays})`
      return Effect.asVoid(
        client.unsafe(
          insert,
          columns.map(([, type, values]) => arrayOf(values, type))
        )
      )
    },
    // Effect makes a defect of a ROLLBACK that fails, but it fails whenever the connection is lost within a transaction.
    withTransaction: <R, E, A>(self: Effect.Effect<A, E, R>) =>
      Effect.catchDefect(withTransaction(self), (defect) =>
        SqlError.isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect)
      )
  })
})

const elementOids: Readonly<Record<ColumnType, number>> = {
  bigint: PgTypes.OID.int8,
  text: PgTypes.OID.text
}

/** The values of one column as a parameter. */
const arrayOf = (values: ReadonlyArray<unknown>, type: ColumnType): PgTypes.Parameter =>
  Result.getOrThrow(PgTypes.array(values, elementOids[type], types))

const BINARY = 1

/** Whole numbers come as numbers, as from SQLite, also their sums, which PostgreSQL gives as decimals. */
const types = PgTypes.makeRegistry()
types.register<number | bigint>(PgTypes.OID.int8, {
  encode: (value) => PgTypes.encode(BigInt(value), PgTypes.OID.int8),
  decode: (bytes) => Result.map(PgTypes.decode(bytes, PgTypes.OID.int8, BINARY), Number),
  write: (sink, value) => {
    const number = Number(value)
    sink.int32(Math.floor(number / 2 ** 32))
    sink.int32(number | 0)
    return Result.void
  }
})
types.register<string | number>(PgTypes.OID.numeric, {
  encode: (value) => PgTypes.encode(String(value), PgTypes.OID.numeric),
  decode: (bytes) => Result.map(PgTypes.decode(bytes, PgTypes.OID.numeric, BINARY), Number)
})
