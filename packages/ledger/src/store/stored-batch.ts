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
  /** `[seq, at, user, worker, work, height, hash, isBlock]` for each share, the work in decimal and the hash in hex as text; in UTF-8. */
  readonly lines: Uint8Array
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

/**
 * Writes bytes and not a string, because strings of many parts would be put together twice: for the database and for the hash of the
 * slice.
 */
const linesOf = (shares: ReadonlyArray<StoredShare>): Uint8Array => {
  const allNames = shares.map(namesIn)
  let size = 0
  for (let index = 0; index < shares.length; index++) {
    size += allNames[index]!.length + shares[index]!.workText.length + OTHERS
  }
  const bytes = Buffer.allocUnsafe(size)
  let end = 0
  for (let share = 0; share < shares.length; share++) {
    const { at, hash, height, isBlock, seq, workText } = shares[share]!
    const names = allNames[share]!
    end = putText(bytes, end, `[${seq},${at},`)
    for (let index = 0; index < names.length; index++) bytes[end++] = names[index]!
    end = putText(bytes, end, `,"${workText}",${height},"`)
    for (let index = 0; index < HASH; index++) {
      bytes[end++] = HEX[hash[index]! >> 4]!
      bytes[end++] = HEX[hash[index]! & 0xf]!
    }
    end = putText(bytes, end, isBlock ? '",true]\n' : '",false]\n')
  }
  return bytes.subarray(0, end)
}

/** Writes ASCII. Returns where it ends. */
const putText = (bytes: Uint8Array, at: number, text: string): number => {
  for (let index = 0; index < text.length; index++) bytes[at + index] = text.charCodeAt(index)
  return at + text.length
}

const HASH = 32
const HEX = Buffer.from("0123456789abcdef")
/** The most bytes of a line beside the names and the work: three numbers of 17 digits, a hash, and what is around them. */
const OTHERS = 3 * 17 + 2 * HASH + 20

/** Lines as text. */
export const textOf = (lines: Uint8Array): string => new TextDecoder().decode(lines)

/** The names of a share as JSON. Those that have no owner come again and again too. */
const namesIn = ({ owner, user, worker }: StoredShare): Uint8Array => {
  if (owner !== undefined) return owner.json
  if (knownCount >= MAX_KNOWN) {
    known.clear()
    knownCount = 0
  }
  let ofUser = known.get(user)
  if (ofUser === undefined) known.set(user, (ofUser = new Map()))
  let json = ofUser.get(worker)
  if (json === undefined) {
    ofUser.set(worker, (json = namesOf({ user, worker })))
    knownCount++
  }
  return json
}

/** By user and worker. */
const known = new Map<string, Map<string, Uint8Array>>()
let knownCount = 0
const MAX_KNOWN = 20_000

/** Names as JSON in UTF-8. They are kept for long, and a small Buffer would keep all others of its pool. */
export const namesOf = ({ user, worker }: { readonly user: string; readonly worker: string }): Uint8Array =>
  new TextEncoder().encode(JSON.stringify([user, worker]).slice(1, -1))

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
      lines: Buffer.from(lines),
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
