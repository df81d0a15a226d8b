/** Reads windows of shares from the database. */
import { Effect, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { type Slice, type Window, WindowBuilder, type WindowLimits } from "../scheme/window.ts"
import { sharesBack } from "./read-shares.ts"

/** The slices of a window that are read at once. */
const SLICES = 128

/**
 * Reads the window that ends with the share `last`: whole slices from their roll-ups, so it does not take long, and shares where a
 * slice belongs to it in part.
 */
export const readWindow = (
  sql: SqlClient.SqlClient,
  last: number,
  limits: WindowLimits
): Effect.Effect<Window, SqlError.SqlError> => walkWindow(sql, last, limits, true)

/** The oldest share of the window that `readWindow` gives, without reading whose it is; 0 for an empty one. */
export const windowStart = (
  sql: SqlClient.SqlClient,
  last: number,
  limits: WindowLimits
): Effect.Effect<number, SqlError.SqlError> => Effect.map(walkWindow(sql, last, limits, false), ({ first }) => first)

const walkWindow = (
  sql: SqlClient.SqlClient,
  last: number,
  limits: WindowLimits,
  withWeights: boolean
): Effect.Effect<Window, SqlError.SqlError> =>
  Effect.gen(function* () {
    const builder = new WindowBuilder(limits)
    /** Adds shares back to the one with the number `to`. */
    const addShares = (seq: number, to: number) =>
      Effect.map(
        sharesBack(sql, seq, to).pipe(
          Stream.takeWhile((share) => builder.add(share)),
          Stream.runCount
        ),
        (added) => added === seq - to + 1
      )
    const [end] = yield* sql<{
      last: number | null
    }>`SELECT max(last_seq) AS last FROM slices WHERE last_seq <= ${last}`
    const closed = end?.last ?? 0
    let isOpen = last > closed ? yield* addShares(last, closed + 1) : true
    for (let before = closed; isOpen && before > 0;) {
      const slices = yield* sql<SliceRow>`
        SELECT id, first_seq, last_seq, began_at, work FROM slices
        WHERE last_seq <= ${before} ORDER BY last_seq DESC LIMIT ${SLICES}`
      /** The first and the last of the slices that are inside as a whole. */
      const whole: Array<number> = []
      for (const row of slices) {
        if (!isOpen) break
        const slice: Slice = {
          first: row.first_seq,
          last: row.last_seq,
          began: row.began_at,
          work: BigInt(row.work)
        }
        if (builder.hasWhole(slice)) {
          isOpen = builder.addWhole(slice)
          whole.push(row.id)
        } else isOpen = yield* addShares(slice.last, slice.first)
      }
      if (withWeights && whole.length > 0) builder.addWeights(yield* weightsOf(sql, whole.at(-1)!, whole[0]!))
      before = (slices.at(-1)?.first_seq ?? 1) - 1
    }
    return builder.window
  })

/** The work by user of slices that follow each other. */
const weightsOf = (sql: SqlClient.SqlClient, first: number, last: number) =>
  Effect.map(
    sql<{ user: string; work: string; shares: number }>`
      SELECT users.name AS user, work, shares FROM (
        SELECT user_id, work, sum(shares) AS shares FROM rollups
        WHERE slice_id >= ${first} AND slice_id <= ${last} GROUP BY user_id, work
      ) AS sums JOIN users ON users.id = user_id`,
    (rows) => {
      const weights = new Map<string, bigint>()
      for (const { shares, user, work } of rows) {
        weights.set(user, (weights.get(user) ?? 0n) + BigInt(work) * BigInt(shares))
      }
      return weights
    }
  )

interface SliceRow {
  readonly id: number
  readonly first_seq: number
  readonly last_seq: number
  readonly began_at: number
  readonly work: string
}
