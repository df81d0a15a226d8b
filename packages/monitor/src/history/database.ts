/** The file that keeps what a monitor remembers: opened, brought to the present form, and never a reason to stop the program. */
import { Effect, Schema, type Scope } from "effect"
import type { DatabaseSync } from "node:sqlite"

/** The file cannot be opened, or has a form that this version does not know. */
export class DatabaseError extends Schema.TaggedError<DatabaseError>("sluice/monitor/DatabaseError")("DatabaseError", {
  path: Schema.String,
  message: Schema.String
}) {}

/** Each step brings a file from the form of its index to the next. A step that was released is never changed. */
const STEPS = [
  `create table samples (
     step integer not null, at integer not null,
     hashRate real, accepted integer, refused integer, connections integer, workers integer,
     jobLatencyMs real, replyLatencyMs real, effort real, blocks integer,
     primary key (step, at)
   ) without rowid;
   create table refused (
     step integer not null, at integer not null, code text not null, shares integer not null,
     primary key (step, at, code)
   ) without rowid;
   create table workers (id integer primary key, name text not null unique);
   create table workerDays (
     day integer not null, worker integer not null, data blob not null,
     primary key (day, worker)
   );
   create table blocks (
     id integer primary key, at integer not null, height integer not null, hash text not null,
     worker text not null, refusal text
   );
   create table audit (
     id integer primary key, at integer not null, remote text not null, action text not null,
     subject text not null, outcome text not null
   );`,
  `alter table samples add column fees real;
   alter table blocks add column effort real;`
]

/** Opens the file, or a database in memory for `undefined`. Closes it with the Scope. */
export const openDatabase = (path: string | undefined): Effect.Effect<DatabaseSync, DatabaseError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        // Node warns that its SQLite is experimental when the module is loaded, so only who needs it loads it.
        const { DatabaseSync } = await import("node:sqlite")
        const database = new DatabaseSync(path ?? ":memory:")
        try {
          database.exec("pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 100")
          bringUpToDate(database)
          return database
        } catch (error) {
          database.close()
          throw error
        }
      },
      catch: (error) =>
        new DatabaseError({
          path: path ?? "memory",
          message: `the history cannot be kept in ${path}: ${error instanceof Error ? error.message : String(error)}`
        })
    }),
    (database) => Effect.sync(() => database.close())
  )

const bringUpToDate = (database: DatabaseSync): void => {
  const form = Number(database.prepare("pragma user_version").get()!["user_version"])
  if (form > STEPS.length) {
    throw new Error(`a newer version wrote it (form ${form}, and this version knows ${STEPS.length})`)
  }
  for (const [index, step] of STEPS.slice(form).entries()) {
    database.exec(`begin; ${step}; pragma user_version = ${form + index + 1}; commit`)
  }
}

/** Writes all of it, or nothing. */
export const inTransaction = <A>(database: DatabaseSync, write: () => A): A => {
  database.exec("begin")
  try {
    const result = write()
    database.exec("commit")
    return result
  } catch (error) {
    // A full disk has ended the transaction already.
    if (database.isTransaction) database.exec("rollback")
    throw error
  }
}
