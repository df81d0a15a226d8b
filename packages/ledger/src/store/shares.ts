/** Shares and slices in the database: appends them, and reads windows of them. */
import { Effect, Option, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { type Slice, type Window, WindowBuilder, type WindowLimits } from "../scheme/window.ts"
import { arrayOf } from "../postgres/postgres-client.ts"
import type { Hash } from "node:crypto"
import type { LedgerSqlCalls, PostgresCalls, SqliteCalls } from "./ledger-sql.ts"
import { beginSlice, linesOfShares, NO_SLICE } from "./slice-hash.ts"
import type { Users } from "./users.ts"

/** A share before it has its place in the order. */
export interface NewShare {
  readonly at: number
  readonly user: string
  readonly worker: string
  readonly work: bigint
  readonly height: number
  readonly hash: Uint8Array
  readonly isBlock: boolean
}

export interface StoredShare extends NewShare {
  readonly seq: number
  readonly userId: number
  /** The work in decimal. */
  readonly workText: string
}

/** Shares of one user, worker and work in a slice. */
interface Rollup {
  readonly userId: number
  readonly worker: string
  readonly work: bigint
  shares: number
}

/** The shares after the last slice. */
interface OpenSlice {
  readonly first: number
  readonly began: number
  readonly hash: Hash
  /** By user and worker. A worker has few kinds of work in a slice, and one text as a key for each share would take longer. */
  readonly rollups: Map<number, Map<string, Array<Rollup>>>
  last: number
  ended: number
  work: bigint
}

/** A server id that this process has on lease. */
export interface Fence {
  readonly serverId: number
  /** The token of the lease. */
  readonly token: number
}

export const lostLease = (serverId: number): string =>
  `another process has server id ${serverId}, because this one did not renew its lease in time: start this process again`

export interface SharesOptions {
  /** How long a slice gets, in milliseconds. */
  readonly sliceMs: number
}

/** The rows of shares that are read at once. */
const PAGE = 2_000
/** The slices of a window that are read at once. */
const SLICES = 128
/** Shares of others that wait to be passed on. */
const MAX_FOREIGN = 100_000

export class Shares {
  readonly #sql: LedgerSqlCalls
  readonly #users: Users
  readonly #sliceMs: number
  #lastSeq = 0
  #lastAt = 0
  #lastSliceHash: Uint8Array = NO_SLICE
  #open: OpenSlice | undefined
  /** Shares that others appended, and that no commit has passed on yet. */
  #foreign: Array<StoredShare> = []
  /** The lease without which this process must not write. */
  fence: Fence | undefined
  /** Whether another process has the server id of `fence`, as `sync` found. */
  isFencedOff = false

  private constructor(sql: LedgerSqlCalls, users: Users, { sliceMs }: SharesOptions) {
    this.#sql = sql
    this.#users = users
    this.#sliceMs = sliceMs
  }

  /** Reads what was appended before, to go on behind it. */
  static readonly open = (
    sql: LedgerSqlCalls,
    users: Users,
    options: SharesOptions
  ): Effect.Effect<Shares, SqlError.SqlError> => {
    const shares = new Shares(sql, users, options)
    return Effect.as(shares.#readOn({ isFirst: true, isNewSlice: true }), shares)
  }

  /** Goes on behind what other programs have appended, if they have. Call it at the beginning of each transaction. */
  get sync(): Effect.Effect<void, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const [row] = yield* this.#sql<{ share: number | null; slice: number | null; token: number | null }>`
        SELECT (SELECT max(seq) FROM shares) AS share, (SELECT max(last_seq) FROM slices) AS slice,
          (SELECT token FROM leases WHERE server_id = ${this.fence?.serverId ?? -1}) AS token`
      this.isFencedOff = this.fence !== undefined && this.fence.token !== row?.token
      const slice = (this.#open?.first ?? this.#lastSeq + 1) - 1
      const isSameSlice = (row?.slice ?? 0) === slice
      if (!isSameSlice || (row?.share ?? slice) !== this.#lastSeq)
        yield* this.#readOn({ isFirst: false, isNewSlice: !isSameSlice })
    })
  }

  /** The shares of others that `sync` has found since the last call, oldest first. They follow what the ledger had before. */
  takeForeign(): ReadonlyArray<StoredShare> {
    const foreign = this.#foreign
    this.#foreign = []
    return foreign
  }

  /** Reads the shares that are new, and if a slice was closed meanwhile those of the slice that is open now. */
  #readOn({
    isFirst,
    isNewSlice
  }: {
    readonly isFirst: boolean
    readonly isNewSlice: boolean
  }): Effect.Effect<void, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const known = this.#lastSeq
      if (isNewSlice) {
        const [slice] = yield* this.#sql<{ last_seq: number; ended_at: number; hash: Uint8Array }>`
          SELECT last_seq, ended_at, hash FROM slices ORDER BY id DESC LIMIT 1`
        this.#open = undefined
        this.#lastSeq = slice?.last_seq ?? 0
        this.#lastAt = slice?.ended_at ?? 0
        this.#lastSliceHash = slice?.hash ?? NO_SLICE
      }
      const closed = isNewSlice ? this.#lastSeq : known
      yield* Stream.runForEachArray(sharesFrom(this.#sql, (isFirst ? closed : Math.min(known, closed)) + 1), (some) =>
        Effect.sync(() => {
          this.committed(some.filter(({ seq }) => seq > closed))
          if (isFirst) return
          // A reader of very many reads them itself, because those that follow these do not follow what it has.
          if (this.#foreign.length > MAX_FOREIGN) this.#foreign = []
          for (const share of some) if (share.seq > known) this.#foreign.push(share)
        })
      )
    })
  }

  /** The sequence number of the newest share; 0 before the first. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /**
   * Appends shares inside a transaction. Shares whose hash the ledger has are left out. Returns those that were appended; call
   * `committed` with them after the commit.
   */
  append(shares: ReadonlyArray<NewShare>): Effect.Effect<ReadonlyArray<StoredShare>, SqlError.SqlError> {
    if (shares.length === 0) return Effect.succeed([])
    const sql = this.#sql
    return Effect.andThen(
      this.#users.add(shares.map(({ user }) => user)),
      sql.dialect === "sqlite" ? this.#appendEach(sql, shares) : this.#appendAtOnce(sql, shares)
    )
  }

  #appendEach(
    sql: SqliteCalls,
    shares: ReadonlyArray<NewShare>
  ): Effect.Effect<ReadonlyArray<StoredShare>, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const stored: Array<StoredShare> = []
      let seq = this.#lastSeq + 1
      let at = this.#lastAt
      let workText = ""
      let userId = 0
      const insert =
        "INSERT INTO shares (seq, at, user_id, worker, work, height, hash, is_block) VALUES (?, ?, ?, ?, ?, ?, ?, ?) " +
        "ON CONFLICT (hash) DO NOTHING"
      yield* sql.runEach(
        insert,
        shares.length,
        (index, values) => {
          const share = shares[index]!
          // Most shares have the work of the one before, and text of a large number is made slowly.
          if (index === 0 || share.work !== shares[index - 1]!.work) workText = share.work.toString()
          userId = this.#users.idOf(share.user)
          values[0] = seq
          // A clock that was set back changes no order.
          values[1] = Math.max(at, share.at)
          values[2] = userId
          values[3] = share.worker
          values[4] = workText
          values[5] = share.height
          values[6] = share.hash
          values[7] = Number(share.isBlock)
        },
        (index, hasChanged) => {
          if (!hasChanged) return
          const share = shares[index]!
          const { hash, height, isBlock, user, work, worker } = share
          at = Math.max(at, share.at)
          stored.push({ seq, at, user, userId, worker, work, workText, height, hash, isBlock })
          seq++
        }
      )
      return stored
    })
  }

  /** One statement, because each takes a turn on the network. Shares that the ledger has are rare: they come after a lost answer. */
  #appendAtOnce(
    sql: PostgresCalls,
    shares: ReadonlyArray<NewShare>
  ): Effect.Effect<ReadonlyArray<StoredShare>, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const all = this.#placed(shares)
      if ((yield* insertShares(sql, all)) === all.length) return all
      // Without those that were known, the sequence numbers would have gaps.
      yield* sql`DELETE FROM shares WHERE seq > ${this.#lastSeq}`
      const hashes = shares.map(({ hash }) => hash)
      const rows = yield* sql<{ hash: Uint8Array }>`
        SELECT hash FROM shares WHERE hash = ANY(${arrayOf(hashes, "bytea")})`
      const known = new Set(rows.map(({ hash }) => hexOf(hash)))
      const others = this.#placed(
        shares.filter(({ hash }) => {
          const key = hexOf(hash)
          return !known.has(key) && known.add(key)
        })
      )
      yield* insertShares(sql, others)
      return others
    })
  }

  /** Gives shares their places in the order. */
  #placed(shares: ReadonlyArray<NewShare>): ReadonlyArray<StoredShare> {
    let seq = this.#lastSeq
    let at = this.#lastAt
    let workText = ""
    return shares.map((share, index) => {
      const { hash, height, isBlock, user, work, worker } = share
      seq++
      // A clock that was set back changes no order.
      at = Math.max(at, share.at)
      if (index === 0 || work !== shares[index - 1]!.work) workText = work.toString()
      return { seq, at, user, userId: this.#users.idOf(user), worker, work, workText, height, hash, isBlock }
    })
  }

  /** Ends the open slice, inside a transaction, if it is old enough at `now`. Call the result after the commit. */
  closeSlice(now: number): Effect.Effect<() => void, SqlError.SqlError> {
    const open = this.#open
    if (open === undefined || now - open.began < this.#sliceMs) return Effect.succeed(() => {})
    return Effect.gen({ self: this }, function* () {
      const hash = new Uint8Array(open.hash.copy().digest())
      const [slice] = yield* this.#sql<{ id: number }>`
        INSERT INTO slices (first_seq, last_seq, began_at, ended_at, work, hash)
        VALUES (${open.first}, ${open.last}, ${open.began}, ${open.ended}, ${open.work.toString()}, ${hash})
        RETURNING id`
      const rollups = [...open.rollups.values()].flatMap((ofUser) => [...ofUser.values()].flat())
      const sql = this.#sql
      yield* sql.dialect === "sqlite" ? addRollups(sql, slice!.id, rollups) : insertRollups(sql, slice!.id, rollups)
      return () => {
        this.#open = undefined
        this.#lastSliceHash = hash
      }
    })
  }

  committed(shares: ReadonlyArray<StoredShare>): void {
    const [first] = shares
    if (first === undefined) return
    const open = (this.#open ??= {
      first: first.seq,
      began: first.at,
      hash: beginSlice(this.#lastSliceHash),
      rollups: new Map(),
      last: first.seq,
      ended: first.at,
      work: 0n
    })
    open.hash.update(linesOfShares(shares))
    for (const { userId, work, worker } of shares) {
      open.work += work
      let ofUser: Map<string, Array<Rollup>> | undefined = open.rollups.get(userId)
      if (ofUser === undefined) open.rollups.set(userId, (ofUser = new Map()))
      let ofWorker: Array<Rollup> | undefined = ofUser.get(worker)
      if (ofWorker === undefined) ofUser.set(worker, (ofWorker = []))
      const rollup = ofWorker.find((one) => one.work === work)
      if (rollup === undefined) ofWorker.push({ userId, worker, work, shares: 1 })
      else rollup.shares++
    }
    const { at, seq } = shares.at(-1)!
    open.last = this.#lastSeq = seq
    open.ended = this.#lastAt = at
  }
}

const addRollups = (sql: SqliteCalls, sliceId: number, rollups: ReadonlyArray<Rollup>) => {
  const insert = "INSERT INTO rollups (slice_id, user_id, worker, work, shares) VALUES (?, ?, ?, ?, ?)"
  return sql.runEach(insert, rollups.length, (index, values) => {
    const { shares, userId, work, worker } = rollups[index]!
    values[0] = sliceId
    values[1] = userId
    values[2] = worker
    values[3] = work.toString()
    values[4] = shares
  })
}

const insertRollups = (sql: PostgresCalls, sliceId: number, rollups: ReadonlyArray<Rollup>) =>
  sql.insertColumns("rollups", [
    ["slice_id", "bigint", rollups.map(() => sliceId)],
    ["user_id", "bigint", rollups.map(({ userId }) => userId)],
    ["worker", "text", rollups.map(({ worker }) => worker)],
    ["work", "text", rollups.map(({ work }) => work.toString())],
    ["shares", "bigint", rollups.map(({ shares }) => shares)]
  ])

const insertShares = (sql: PostgresCalls, shares: ReadonlyArray<StoredShare>) =>
  sql.insertColumns(
    "shares",
    [
      ["seq", "bigint", shares.map(({ seq }) => seq)],
      ["at", "bigint", shares.map(({ at }) => at)],
      ["user_id", "bigint", shares.map(({ userId }) => userId)],
      ["worker", "text", shares.map(({ worker }) => worker)],
      ["work", "text", shares.map(({ workText }) => workText)],
      ["height", "bigint", shares.map(({ height }) => height)],
      ["hash", "bytea", shares.map(({ hash }) => hash)],
      ["is_block", "bigint", shares.map(({ isBlock }) => Number(isBlock))]
    ],
    "hash"
  )

const hexOf = (hash: Uint8Array): string => Buffer.from(hash).toString("hex")

/** All kept shares between two sequence numbers, oldest first, in pages: others may use the connection between them. */
export const sharesFrom = (
  sql: SqlClient.SqlClient,
  seq: number,
  to = Number.MAX_SAFE_INTEGER
): Stream.Stream<StoredShare, SqlError.SqlError> =>
  Stream.paginate(seq, (from) =>
    Effect.map(
      sql<ShareRow>`SELECT shares.*, users.name AS user FROM shares JOIN users ON users.id = shares.user_id
        WHERE seq >= ${from} AND seq <= ${to} ORDER BY seq LIMIT ${PAGE}`,
      (rows) => [rows.map(shareOf), nextPage(rows, 1)] as const
    )
  )

const sharesBack = (sql: SqlClient.SqlClient, seq: number, to: number): Stream.Stream<StoredShare, SqlError.SqlError> =>
  Stream.paginate(seq, (from) =>
    Effect.map(
      sql<ShareRow>`SELECT shares.*, users.name AS user FROM shares JOIN users ON users.id = shares.user_id
        WHERE seq <= ${from} AND seq >= ${to} ORDER BY seq DESC LIMIT ${PAGE}`,
      (rows) => [rows.map(shareOf), nextPage(rows, -1)] as const
    )
  )

const nextPage = (rows: ReadonlyArray<ShareRow>, step: 1 | -1): Option.Option<number> =>
  rows.length < PAGE ? Option.none() : Option.some(rows.at(-1)!.seq + step)

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

interface ShareRow {
  readonly seq: number
  readonly user_id: number
  readonly at: number
  readonly user: string
  readonly worker: string
  readonly work: string
  readonly height: number
  readonly hash: Uint8Array
  readonly is_block: number
}

interface SliceRow {
  readonly id: number
  readonly first_seq: number
  readonly last_seq: number
  readonly began_at: number
  readonly work: string
}

const shareOf = ({ at, hash, height, is_block, seq, user, user_id, work, worker }: ShareRow): StoredShare => ({
  seq,
  userId: user_id,
  at,
  user,
  worker,
  work: BigInt(work),
  workText: work,
  height,
  hash,
  isBlock: is_block !== 0
})
