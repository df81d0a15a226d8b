/** The accounts of a ledger for a program that only reads it, kept up to date while others write. */
import { Duration, Effect, Schedule, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import { Books } from "./store/books.ts"
import { LedgerSql } from "./store/ledger-sql.ts"
import { Users } from "./store/users.ts"

const REFRESH = Duration.seconds(1)
/** A connection that the network has lost gives no error. */
const LATE = Duration.seconds(10)

/** While the database cannot be read they stay as they are. */
export const followBooks: Effect.Effect<Books, SqlError.SqlError, LedgerSql | Scope.Scope> = Effect.gen(function* () {
  const sql = yield* LedgerSql
  const books = new Books(sql, new Users(sql))
  yield* books.refresh
  yield* books.refresh.pipe(
    Effect.timeoutOption(LATE),
    Effect.ignore,
    Effect.repeat(Schedule.spaced(REFRESH)),
    Effect.forkScoped
  )
  return books
})
