/**
 * Effect SQL over `node:sqlite`, one connection for each client, and a second one for commits of shares (docs/decisions/0018). It gives
 * rows as objects, streams of rows, and `runEach`, which runs one prepared statement with many rows of values.
 */
import { Cause, Context, Effect, Layer, type Scope, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { type SqlConnection, SqlClient, SqlError, Statement } from "effect/sql"
import { closeSync, fdatasync, openSync, statfsSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { LedgerSql, type SqliteCalls } from "../store/ledger-sql.ts"

export interface SqliteOptions {
  /** The database file, `:memory:`, or nothing for a file that is gone when it is closed. */
  readonly file: string
  readonly isReadOnly?: boolean
  /** Whether a commit waits for the disk (`synchronous` FULL) or only for the operating system (NORMAL). Default true. */
  readonly isDurable?: boolean
  /** Waits for the disk, for `flushed`: `fdatasync` of Node. */
  readonly sync?: (file: number, done: (error: Error | null) => void) => void
}

/** The database is closed with the layer's Scope. */
export const layer = (options: SqliteOptions): Layer.Layer<LedgerSql | SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effectContext(
    Effect.map(make(options), (client) =>
      Context.make(LedgerSql, client).pipe(Context.add(SqlClient.SqlClient, client))
    )
  ).pipe(Layer.provide(Reactivity.layer))

/** How long SQLite waits for the lock of another program. It holds up this process; the ledger tries again later. */
const BUSY_MS = 50
const PREPARED = 200
/** The mode of a new file: other users must not see who mines how much. */
const OWNER_ONLY = 0o600
/** Rows of a stream that are read at once. */
const CHUNK = 1000

const make = Effect.fnUntraced(function* (
  options: SqliteOptions
): Effect.fn.Return<SqliteCalls, SqlError.SqlError, Scope.Scope | Reactivity.Reactivity> {
  const { file, isDurable = true, isReadOnly = false, sync = fdatasync } = options
  const attempt = attemptOn(file)
  const database = yield* Effect.acquireRelease(
    attempt("open", () => {
      // SQLite gives its other files the mode of this one.
      if (!isReadOnly && file !== "" && file !== ":memory:") closeSync(openSync(file, "a", OWNER_ONLY))
      return new DatabaseSync(file, { readOnly: isReadOnly, timeout: BUSY_MS })
    }),
    (database) => Effect.sync(() => database.close())
  )
  yield* attempt("open", () => {
    database.exec("PRAGMA foreign_keys = ON")
    if (isReadOnly) return
    database.exec("PRAGMA journal_mode = WAL")
    database.exec(`PRAGMA synchronous = ${isDurable ? "FULL" : "NORMAL"}`)
  })
  const connection = connect(database, attempt)
  const hasLog = !isReadOnly && isDurable && file !== "" && file !== ":memory:"
  const appending = hasLog ? yield* openAppending(file, sync) : { atOnce: atOnceOn(database) }
  const { acquirer, borrower, isTransaction, onCommitFailure, transactionAcquirer } = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(connection),
    semaphore: yield* Semaphore.make(1),
    isTransaction: () => database.isTransaction
  })
  const client = yield* SqlClient.make({
    acquirer,
    borrower,
    transactionAcquirer,
    compiler: Statement.makeCompilerSqlite(),
    driver: "sqlite-node",
    spanAttributes: [["db.system.name", "sqlite"]],
    // Two programs that read before they write would otherwise deadlock.
    beginTransaction: "BEGIN IMMEDIATE",
    prepareTransactionControls: true,
    isTransaction,
    onCommitFailure
  })
  /** Statements inside a transaction run on its connection, which this client has lent already. */
  const withConnection = <A>(use: (connection: Connected) => Effect.Effect<A, SqlError.SqlError>) =>
    Effect.flatMap(Effect.serviceOption(client.transactionService), (transaction) =>
      transaction._tag === "Some" ? use(connection) : borrower(() => use(connection))
    )
  return Object.assign(client, {
    dialect: "sqlite" as const,
    // A transaction has the only lock of the file from its beginning.
    takeTurn: Effect.void,
    runEach: (...parameters: Parameters<SqliteCalls["runEach"]>) =>
      withConnection(({ runEach }) => runEach(...parameters)),
    ...appending,
    atOnce: (...parameters: Parameters<SqliteCalls["atOnce"]>) =>
      database.isTransaction ? [] : appending.atOnce(...parameters),
    backup: (destination: string) => withConnection(({ backup }) => backup(destination))
  })
})

type Connected = SqlConnection.Connection & Pick<SqliteCalls, "runEach" | "backup">

const connect = (database: DatabaseSync, attempt: ReturnType<typeof attemptOn>): Connected => {
  const prepared = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    let statement = prepared.get(sql)
    if (statement === undefined) {
      statement = database.prepare(sql)
      if (prepared.size >= PREPARED) prepared.delete(prepared.keys().next().value!)
      prepared.set(sql, statement)
    }
    return statement
  }
  const values = (parameters: ReadonlyArray<unknown>) => parameters.map(valueOf)
  const rows = (sql: string, parameters: ReadonlyArray<unknown>, isArray = false) =>
    Effect.withFiber((fiber) =>
      attempt("execute", () => {
        const statement = prepare(sql)
        statement.setReadBigInts(Context.get(fiber.context, SqlClient.SafeIntegers))
        statement.setReturnArrays(isArray)
        return statement.all(...values(parameters)) as unknown as ReadonlyArray<ReadonlyArray<unknown>>
      })
    )
  const execute: SqlConnection.Connection["execute"] = (sql, parameters, transform) =>
    transform === undefined ? rows(sql, parameters) : Effect.map(rows(sql, parameters), transform)
  return {
    execute,
    executeUnprepared: execute,
    executeRaw: (sql, parameters) => attempt("execute", () => prepare(sql).run(...values(parameters))),
    executeValues: (sql, parameters) => rows(sql, parameters, true),
    executeValuesUnprepared: (sql, parameters) => rows(sql, parameters, true),
    // A statement of its own: another query with the same text may run while the stream is open.
    executeStream: (sql, parameters, transform) =>
      Stream.unwrap(
        Effect.map(
          attempt("execute", () => database.prepare(sql).iterate(...values(parameters))),
          (iterator) =>
            Stream.fromIterable({ [Symbol.iterator]: () => iterator }, { chunkSize: CHUNK }).pipe(
              // An error of the iterator, such as a damaged file, is thrown and becomes a defect of the stream.
              Stream.catchCause((cause) => Stream.fail(errorOf("execute", Cause.squash(cause)))),
              transform === undefined ? (stream) => stream : Stream.mapArray(transform as never)
            )
        )
      ),
    runEach: (sql, count, setValues, ran) =>
      attempt("execute", () => {
        const statement = prepare(sql)
        const values: Array<SQLInputValue> = []
        for (let index = 0; index < count; index++) {
          setValues(index, values)
          const { changes } = statement.run(...values)
          ran?.(index, changes !== 0)
        }
      }),
    backup: (file) =>
      Effect.tryPromise({ try: () => backup(database, file), catch: (cause) => errorOf("backup", cause) })
  }
}

/**
 * A second connection, for `atOnce`. Its commits do not wait for the disk (`synchronous` NORMAL), which would stop the process for as long;
 * `flushed` does what SQLite leaves out then, and waits for the log of writes in a thread.
 */
const openAppending = (file: string, sync: NonNullable<SqliteOptions["sync"]>) =>
  Effect.gen(function* () {
    const attempt = attemptOn(file)
    const database = yield* Effect.acquireRelease(
      attempt("open", () => new DatabaseSync(file, { timeout: BUSY_MS })),
      (database) => Effect.sync(() => database.close())
    )
    // SQLite makes the log with the first look at the database, and keeps it until the last connection is closed.
    yield* attempt("open", () => database.exec("PRAGMA synchronous = NORMAL; SELECT count(*) FROM sqlite_master"))
    const log = yield* Effect.acquireRelease(
      // Where the file is, if `file` is a symbolic link to it.
      attempt("open", () => openSync(`${database.location()}-wal`, "r+")),
      (log) => Effect.sync(() => closeSync(log))
    )
    /** Whether a part of the log may be missing on the disk, because it could not be written. */
    let isTorn = false
    const flushed: SqliteCalls["flushed"] = Effect.callback((resume) =>
      sync(log, (error) => {
        if (error === null) return resume(Effect.void)
        isTorn = true
        resume(Effect.fail(errorOf("flush", error)))
      })
    )
    const mend = attempt("flush", () => {
      const [row] = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all()
      if (row?.["busy"] !== 0) throw new Error("another connection reads the database")
      isTorn = false
    })
    return { atOnce: atOnceOn(database), flushed, mended: Effect.suspend(() => (isTorn ? mend : Effect.void)) }
  })

const atOnceOn = (database: DatabaseSync): SqliteCalls["atOnce"] => {
  const prepared = new Map<string, StatementSync>()
  return (sql, values) => {
    let statement = prepared.get(sql)
    if (statement === undefined) prepared.set(sql, (statement = database.prepare(sql)))
    // It runs to its end, where it is committed and an error of that is thrown; `get` would stop before.
    return statement.all(...values)
  }
}

const valueOf = (value: unknown): SQLInputValue =>
  typeof value === "boolean" ? Number(value) : (value as SQLInputValue)

/** Runs calls of SQLite on a file, with an error that says so if the disk of the file is full. */
const attemptOn =
  (file: string) =>
  <A>(operation: string, run: () => A): Effect.Effect<A, SqlError.SqlError> =>
    Effect.try({
      try: run,
      catch: (cause) => {
        if (isIoError(cause) && isOnFullDisk(file)) cause.message += `: the disk of ${file} is full`
        return errorOf(operation, cause)
      }
    })

/** SQLITE_IOERR; the bits above say at which call. */
const IO_ERROR = 10

const isIoError = (cause: unknown): cause is Error =>
  cause instanceof Error && "errcode" in cause && (Number(cause.errcode) & 0xff) === IO_ERROR

const isOnFullDisk = (file: string): boolean => {
  try {
    return statfsSync(dirname(resolve(file))).bavail === 0
  } catch {
    return false
  }
}

const errorOf = (operation: string, cause: unknown): SqlError.SqlError => {
  const code = cause instanceof Error && "errcode" in cause ? { errno: cause.errcode } : {}
  const described = cause instanceof Error ? Object.assign(cause, code) : cause
  const message = cause instanceof Error ? cause.message : String(cause)
  return new SqlError.SqlError({ reason: SqlError.classifySqliteError(described, { message, operation }) })
}
