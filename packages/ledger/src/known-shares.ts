/**
 * The shares that a ledger has, by their hashes, for an import that may be repeated. The ledger itself has no index of them: a server of miners
 * accepts no share twice, and an index would cost each share of it more than all else. So an import makes one for itself, in a temporary
 * file.
 */
import { Context, Effect, Layer, type Scope, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { layer as layerSqlite } from "./sqlite/sqlite-client.ts"
import { LedgerSql, type SqliteCalls } from "./store/ledger-sql.ts"
import { sharesFrom } from "./store/read-shares.ts"
import type { NewShare } from "./store/share.ts"

export interface KnownShares {
  /** Gives those shares that neither the ledger had nor an earlier call, once each. */
  readonly newOf: (shares: ReadonlyArray<NewShare>) => Effect.Effect<ReadonlyArray<NewShare>, SqlError.SqlError>
}

/** Reads the shares of a ledger. The temporary file is gone with the Scope. */
export const readKnownShares = (sql: SqlClient.SqlClient): Effect.Effect<KnownShares, SqlError.SqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const temporary = Context.get(yield* Layer.build(layerSqlite({ file: "" })), LedgerSql) as SqliteCalls
    yield* temporary`CREATE TABLE known (hash BLOB PRIMARY KEY) WITHOUT ROWID`
    const newOf: KnownShares["newOf"] = (shares) =>
      Effect.suspend(() => {
        const found: Array<NewShare> = []
        const added = temporary.runEach(
          "INSERT OR IGNORE INTO known VALUES (?)",
          shares.length,
          (index, values) => (values[0] = shares[index]!.hash),
          (index, isNew) => isNew && found.push(shares[index]!)
        )
        return Effect.as(temporary.withTransaction(added), found)
      })
    yield* Stream.runForEachArray(sharesFrom(sql, 1), newOf)
    return { newOf }
  })
