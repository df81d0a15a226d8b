/** Reads shares from the database, in either direction. */
import { Effect, Option, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { StoredShare } from "./share.ts"
import { readBatch, type StoredBatch } from "./stored-batch.ts"

/** The batches that are read at once. */
const PAGE = 32

/** All kept shares between two sequence numbers, oldest first, in pages: others may use the connection between them. */
export const sharesFrom = (
  sql: SqlClient.SqlClient,
  seq: number,
  to = Number.MAX_SAFE_INTEGER
): Stream.Stream<StoredShare, SqlError.SqlError> =>
  Stream.flattenIterable(Stream.map(batchesFrom(sql, seq, to), ({ shares }) => within(shares, seq, to)))

/** The batches that have shares between two sequence numbers, oldest first. */
export const batchesFrom = (
  sql: SqlClient.SqlClient,
  seq: number,
  to = Number.MAX_SAFE_INTEGER
): Stream.Stream<StoredBatch, SqlError.SqlError> =>
  Stream.paginate(seq, (from) =>
    Effect.flatMap(
      sql<BatchRow>`SELECT last_seq, lines FROM batches
        WHERE last_seq >= ${from} AND last_seq <= coalesce((SELECT min(last_seq) FROM batches WHERE last_seq >= ${to}), ${to})
          AND first_seq <= ${to} ORDER BY last_seq LIMIT ${PAGE}`,
      (rows) => pageOf(rows, 1)
    )
  )

/** As `sharesFrom`, newest first, from `seq` back to `to`. */
export const sharesBack = (
  sql: SqlClient.SqlClient,
  seq: number,
  to: number
): Stream.Stream<StoredShare, SqlError.SqlError> =>
  Stream.paginate(seq, (from) =>
    Effect.flatMap(
      sql<BatchRow>`SELECT last_seq, lines FROM batches
        WHERE last_seq >= ${to} AND last_seq <= coalesce((SELECT min(last_seq) FROM batches WHERE last_seq >= ${from}), ${from})
          AND first_seq <= ${from} ORDER BY last_seq DESC LIMIT ${PAGE}`,
      (rows) => pageOf(rows, -1)
    )
  ).pipe(
    Stream.map(({ shares }) => within(shares, to, seq).toReversed()),
    Stream.flattenIterable
  )

interface BatchRow {
  readonly last_seq: number
  readonly lines: string
}

const pageOf = (rows: ReadonlyArray<BatchRow>, step: 1 | -1) =>
  Effect.map(Effect.forEach(rows, readBatch), (batches) => {
    const next = step === 1 ? (batches.at(-1)?.shares.at(-1)?.seq ?? 0) + 1 : (batches.at(-1)?.shares[0].seq ?? 0) - 1
    return [batches, rows.length < PAGE ? Option.none<number>() : Option.some(next)] as const
  })

const within = (shares: StoredBatch["shares"], from: number, to: number): ReadonlyArray<StoredShare> =>
  shares[0].seq >= from && shares.at(-1)!.seq <= to ? shares : shares.filter(({ seq }) => seq >= from && seq <= to)
