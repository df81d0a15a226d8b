/** The ledger's database: Effect SQL, and what SQLite and PostgreSQL do in different ways. */
import { Context, type Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { SQLInputValue, SQLOutputValue } from "node:sqlite"

export type LedgerSqlCalls = SqliteCalls | PostgresCalls

export class LedgerSql extends Context.Service<LedgerSql, LedgerSqlCalls>()("sluice/ledger/LedgerSql") {}

/** A field of a column that has JSON as text. */
export const jsonText = (sql: SqlClient.SqlClient, column: string, field: string) =>
  sql.literal(
    sql.onDialectOrElse({
      pg: () => `(${column}::json ->> '${field}')`,
      orElse: () => `json_extract(${column}, '$.${field}')`
    })
  )

interface Turns {
  /** Waits for the turn to write, inside a transaction, and has it until the transaction ends. */
  readonly takeTurn: Effect.Effect<void, SqlError.SqlError>
}

export interface SqliteCalls extends SqlClient.SqlClient, Turns {
  readonly dialect: "sqlite"
  /**
   * Runs a statement for each index from 0 to `count`, with the values that `setValues` puts into an array, which is used again. `ran`
   * hears whether the statement changed a row, before the next values are asked for.
   */
  readonly runEach: (
    statement: string,
    count: number,
    setValues: (index: number, values: Array<SQLInputValue>) => void,
    ran?: (index: number, hasChanged: boolean) => void
  ) => Effect.Effect<void, SqlError.SqlError>
  /**
   * Runs a statement at once, without a fiber, in a transaction of its own, and gives its rows: none if another transaction is open. Throws
   * what SQLite throws, and keeps nothing then. It is on the disk after `flushed`.
   */
  readonly atOnce: (
    statement: string,
    values: ReadonlyArray<SQLInputValue>
  ) => ReadonlyArray<Record<string, SQLOutputValue>>
  /** Waits until the disk has what `atOnce` wrote, while the process goes on. Absent if nothing has to be waited for. */
  readonly flushed?: Effect.Effect<void, SqlError.SqlError>
  /**
   * If `flushed` has failed, brings all that was written to the disk in another way, before more is written: the system forgets what it could
   * not write, and what comes behind a hole in the log is lost with it.
   */
  readonly mended?: Effect.Effect<void, SqlError.SqlError>
  /** Copies the database to another file while it is in use. */
  readonly backup: (file: string) => Effect.Effect<void, SqlError.SqlError>
}

export type ColumnType = "bigint" | "text"

/** A column's name, type and values. */
export type Column = readonly [name: string, type: ColumnType, values: ReadonlyArray<unknown>]

export interface PostgresCalls extends SqlClient.SqlClient, Turns {
  readonly dialect: "postgres"
  /** Inserts rows that are given by columns, in one statement. */
  readonly insertColumns: (table: string, columns: ReadonlyArray<Column>) => Effect.Effect<void, SqlError.SqlError>
}
