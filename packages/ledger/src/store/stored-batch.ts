/**
 * Shares as the database keeps them: those of one commit are a row, with a line of JSON for each share. A row for each share and an index
 * of their hashes, which come in no order, would take the database five times as long (docs/decisions/0030). The chain of hashes covers
 * these lines, so what proves a payment is what was written then.
 */
import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { shareFields, type StoredShare } from "./share.ts"

/** Shares that follow one another in one row. All are in the same slice. */
export interface StoredBatch {
  readonly shares: NonEmptyReadonlyArray<StoredShare>
  /** `[seq, at, user, worker, work, height, hash, isBlock]` for each share, the work in decimal and the hash in hex as text. */
  readonly lines: string
}

/** The most shares of one row: after a long wait a commit has many. */
const MAX_SHARES = 1_000

export const batchesOf = (shares: ReadonlyArray<StoredShare>): ReadonlyArray<StoredBatch> => {
  const batches: Array<StoredBatch> = []
  for (let from = 0; from < shares.length; from += MAX_SHARES) {
    const some = shares.length <= MAX_SHARES ? shares : shares.slice(from, from + MAX_SHARES)
    batches.push({ shares: some as StoredBatch["shares"], lines: linesOf(some) })
  }
  return batches
}

/** All hashes become text in one call, which takes a quarter of the time of a call for each. */
const linesOf = (shares: ReadonlyArray<StoredShare>): string => {
  const hashes = Buffer.allocUnsafe(shares.length * HASH)
  for (let index = 0; index < shares.length; index++) hashes.set(shares[index]!.hash, index * HASH)
  const hex = hashes.toString("hex")
  let lines = ""
  let place = 0
  for (const { at, height, isBlock, owner, seq, user, workText, worker } of shares) {
    const hash = hex.slice(place, (place += 2 * HASH))
    const names = owner === undefined ? `${jsonOf(user)},${jsonOf(worker)}` : owner.json
    lines += `[${seq},${at},${names},"${workText}",${height},"${hash}",${isBlock}]\n`
  }
  return lines
}

const HASH = 32

/** A name as JSON. Names come again and again. */
const jsonOf = (name: string): string => {
  let json = known.get(name)
  if (json === undefined) {
    json = JSON.stringify(name)
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(name, json)
  }
  return json
}

const known = new Map<string, string>()
const MAX_KNOWN = 20_000

const Lines = Schema.fromJsonString(Schema.NonEmptyArray(Schema.Tuple([Schema.Int, ...shareFields])))
const decodeLines = Schema.decodeEffect(Lines)

/** Reads the row whose last share has the number `last_seq`. */
export const readBatch = ({
  last_seq,
  lines
}: {
  readonly last_seq: number
  readonly lines: string
}): Effect.Effect<StoredBatch, SqlError.SqlError> =>
  decodeLines(`[${lines.slice(0, -1).replaceAll("\n", ",")}]`).pipe(
    Effect.map((rows) => ({
      lines,
      shares: rows.map(([seq, at, user, worker, work, height, hash, isBlock]): StoredShare => ({
        seq,
        at,
        user,
        worker,
        work,
        workText: work.toString(),
        height,
        hash,
        isBlock,
        owner: undefined
      })) as unknown as StoredBatch["shares"]
    })),
    Effect.mapError(({ message }) => {
      const cause = new Error(`the shares up to number ${last_seq} are damaged: ${message}`)
      return new SqlError.SqlError({ reason: new SqlError.UnknownError({ cause, message: cause.message }) })
    })
  )
