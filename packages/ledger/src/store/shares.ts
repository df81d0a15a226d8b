/** Shares and slices in the database: appends them behind those of others. */
import { Effect, Stream } from "effect"
import type { SqlError } from "effect/sql"
import type { Hash } from "node:crypto"
import type { LedgerSqlCalls, PostgresCalls, SqliteCalls } from "./ledger-sql.ts"
import type { Rollup, StoredShare } from "./share.ts"
import { batchesOf, textOf, type StoredBatch } from "./stored-batch.ts"
import { batchesFrom, sharesBack } from "./read-shares.ts"
import { beginSlice, NO_SLICE } from "./slice-hash.ts"
import type { Users } from "./users.ts"

/** The shares after the last slice. */
interface OpenSlice {
  readonly first: number
  readonly began: number
  readonly hash: Hash
  /** By user and worker. A worker has few kinds of work in a slice, and one text as a key for each share would take longer. */
  readonly rollups: Map<string, Map<string, Array<Rollup>>>
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

/** Shares of others that wait to be passed on. */
const MAX_FOREIGN = 100_000
/** Shares that may have been committed by a try that failed. */
const MAX_DOUBTFUL = 1_000_000

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
  /** Hashes of shares that a try which failed may have committed, and those of them that it has. */
  readonly #doubtful = new Set<string>()
  readonly #arrived = new Set<string>()
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
      const [newest] = yield* this.#sql.unsafe<Newest>(newestFor(this.#sql.dialect), [this.#serverId])
      this.isFencedOff = this.fence !== undefined && this.fence.token !== newest!.token
      if (!this.#isNewest(newest!)) {
        yield* this.#readOn({ isFirst: false, isNewSlice: (newest!.slice ?? 0) !== this.#closed })
      }
    })
  }

  get #serverId(): number {
    return this.fence?.serverId ?? -1
  }

  /** The last share of the last slice. */
  get #closed(): number {
    return (this.#open?.first ?? this.#lastSeq + 1) - 1
  }

  #isNewest({ share, slice }: Newest): boolean {
    return (slice ?? 0) === this.#closed && (share ?? this.#closed) === this.#lastSeq
  }

  /** As `LedgerSql` has it: waits until the disk has what `commitNow` committed. */
  get flushed(): SqliteCalls["flushed"] {
    return this.#sql.dialect === "sqlite" ? this.#sql.flushed : undefined
  }

  /**
   * Commits shares in one step, which takes a tenth of the time of a fiber's transaction. Gives undefined, and does nothing, where it takes
   * more than adding them: new users, a slice that ends, shares of others, a failure. Call `committed` with what it gives.
   */
  commitNow(shares: ReadonlyArray<StoredShare>, now: number): CommittedNow | undefined {
    const sql = this.#sql
    const isSimple =
      sql.dialect === "sqlite" && this.#doubtful.size === 0 && !this.#isSliceDue(now) && this.#users.hasAll(shares)
    if (!isSimple) return undefined
    this.#users.begin()
    const [batch, ...more] = batchesOf(this.#placed(shares))
    if (batch === undefined || more.length > 0) return undefined
    try {
      const [row] = sql.atOnce(INSERT_IF_NEWEST, [
        batch.shares.at(-1)!.seq,
        batch.shares[0].seq,
        batch.lines,
        this.#lastSeq,
        this.#closed,
        this.#serverId,
        this.fence?.token ?? null
      ])
      return row === undefined ? undefined : { batches: [batch], newestEntry: row["entry"] as number }
    } catch {
      // Whoever tries again with a fiber sees what it is.
      return undefined
    }
  }

  #isSliceDue(now: number): boolean {
    return this.#open !== undefined && now - this.#open.began >= this.#sliceMs
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
      yield* Stream.runForEach(batchesFrom(this.#sql, (isFirst ? closed : Math.min(known, closed)) + 1), (batch) =>
        Effect.sync(() => {
          const { lines, shares } = batch
          if (shares[0].seq > closed) this.#add(shares, lines)
          if (isFirst || shares[0].seq <= known) return
          // A reader of very many reads them itself, because those that follow these do not follow what it has.
          if (this.#foreign.length > MAX_FOREIGN) this.#foreign = []
          for (const share of shares) {
            this.#foreign.push(share)
            if (this.#doubtful.size > 0 && this.#doubtful.has(hexOf(share.hash))) this.#arrived.add(hexOf(share.hash))
          }
        })
      )
    })
  }

  /** The sequence number of the newest share; 0 before the first. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  /**
   * Appends shares inside a transaction, without those that a try before may have brought there. Call `committed` with what it gives after
   * the commit.
   */
  append(shares: ReadonlyArray<StoredShare>): Effect.Effect<ReadonlyArray<StoredBatch>, SqlError.SqlError> {
    if (shares.length === 0) return Effect.succeed([])
    return Effect.gen({ self: this }, function* () {
      yield* this.#users.add(shares.map(({ user }) => user))
      const batches = batchesOf(this.#placed(this.#arrived.size === 0 ? shares : this.#withoutArrived(shares)))
      for (const { lines, shares } of batches) {
        yield* this.#sql`INSERT INTO batches (last_seq, first_seq, lines)
          VALUES (${shares.at(-1)!.seq}, ${shares[0].seq}, ${textOf(lines)})`
      }
      return batches
    })
  }

  /** Gives shares their places in the order. */
  #placed(shares: ReadonlyArray<StoredShare>): ReadonlyArray<StoredShare> {
    let seq = this.#lastSeq
    let at = this.#lastAt
    for (const share of shares) {
      share.seq = ++seq
      // A clock that was set back changes no order.
      if (share.at < at) share.at = at
      else at = share.at
    }
    return shares
  }

  /** Remembers shares of which nobody knows whether they were committed, because a try to write them failed. */
  doubt(shares: ReadonlyArray<StoredShare>): void {
    if (this.#doubtful.size + shares.length > MAX_DOUBTFUL) this.#doubtful.clear()
    for (const { hash } of shares) this.#doubtful.add(hexOf(hash))
  }

  /** Looks for shares that the database may have already, from the newest back to the time of the first of them. */
  lookFor(shares: ReadonlyArray<StoredShare>): Effect.Effect<void, SqlError.SqlError> {
    const hashes = new Set(shares.map(({ hash }) => hexOf(hash)))
    const since = shares.reduce((least, { at }) => Math.min(least, at), Infinity)
    return sharesBack(this.#sql, this.#lastSeq, 1).pipe(
      Stream.takeWhile(({ at }) => at >= since),
      Stream.runForEach(({ hash }) =>
        Effect.sync(() => {
          if (hashes.has(hexOf(hash))) this.#arrived.add(hexOf(hash))
        })
      )
    )
  }

  #withoutArrived(shares: ReadonlyArray<StoredShare>): ReadonlyArray<StoredShare> {
    return shares.filter(({ hash }) => !this.#arrived.has(hexOf(hash)))
  }

  /** Ends the open slice, inside a transaction, if it is old enough at `now`. Call the result after the commit. */
  closeSlice(now: number): Effect.Effect<() => void, SqlError.SqlError> {
    const open = this.#open
    if (open === undefined || !this.#isSliceDue(now)) return Effect.succeed(() => {})
    return Effect.gen({ self: this }, function* () {
      const hash = new Uint8Array(open.hash.copy().digest())
      const [slice] = yield* this.#sql<{ id: number }>`
        INSERT INTO slices (first_seq, last_seq, began_at, ended_at, work, hash)
        VALUES (${open.first}, ${open.last}, ${open.began}, ${open.ended}, ${open.work.toString()}, ${hash})
        RETURNING id`
      yield* this.#users.add(open.rollups.keys())
      const rollups = [...open.rollups.values()].flatMap((ofUser) =>
        [...ofUser.values()].flat().map((rollup) => ({ ...rollup, userId: this.#users.idOf(rollup.user) }))
      )
      const sql = this.#sql
      yield* sql.dialect === "sqlite" ? addRollups(sql, slice!.id, rollups) : insertRollups(sql, slice!.id, rollups)
      return () => {
        this.#open = undefined
        this.#lastSliceHash = hash
      }
    })
  }

  committed(batches: ReadonlyArray<StoredBatch>): void {
    for (const { lines, shares } of batches) this.#add(shares, lines)
    this.#doubtful.clear()
    this.#arrived.clear()
  }

  /** Adds shares to the open slice. */
  #add(shares: StoredBatch["shares"], lines: StoredBatch["lines"]): void {
    const [first] = shares
    const open = (this.#open ??= {
      first: first.seq,
      began: first.at,
      hash: beginSlice(this.#lastSliceHash),
      rollups: new Map(),
      last: first.seq,
      ended: first.at,
      work: 0n
    })
    open.hash.update(lines)
    for (const share of shares) {
      const { work } = share
      open.work += work
      const rollups = rollupsOf(open, share)
      const rollup = rollups.find((one) => one.work === work)
      if (rollup === undefined) rollups.push({ user: share.user, worker: share.worker, work, shares: 1 })
      else rollup.shares++
    }
    const { at, seq } = shares.at(-1)!
    open.last = this.#lastSeq = seq
    open.ended = this.#lastAt = at
  }
}

/** The sums of a share's user and worker in the open slice. */
const rollupsOf = (slice: OpenSlice, { owner, user, worker }: StoredShare): Array<Rollup> => {
  if (owner?.sums?.slice === slice.first) return owner.sums.rollups
  let ofUser: Map<string, Array<Rollup>> | undefined = slice.rollups.get(user)
  if (ofUser === undefined) slice.rollups.set(user, (ofUser = new Map()))
  let rollups: Array<Rollup> | undefined = ofUser.get(worker)
  if (rollups === undefined) ofUser.set(worker, (rollups = []))
  if (owner !== undefined) owner.sums = { slice: slice.first, rollups }
  return rollups
}

/** What the database has newest. */
interface Newest {
  readonly share: number | null
  readonly slice: number | null
  readonly entry: number | null
  readonly token: number | null
}

const newestFor = (dialect: LedgerSqlCalls["dialect"]): string =>
  `SELECT (SELECT max(last_seq) FROM batches) AS share, (SELECT max(last_seq) FROM slices) AS slice,
    (SELECT max(id) FROM entries) AS entry,
    (SELECT token FROM leases WHERE server_id = ${dialect === "sqlite" ? "?" : "$1"}) AS token`

/** Inserts a batch and gives a row, if nothing has come since the newest share that is known, and the lease is held. */
const INSERT_IF_NEWEST = `
  INSERT INTO batches (last_seq, first_seq, lines)
  SELECT ?1, ?2, CAST(?3 AS TEXT)
  WHERE coalesce((SELECT max(last_seq) FROM batches), ?5) = ?4
    AND coalesce((SELECT max(last_seq) FROM slices), 0) = ?5
    AND (?7 IS NULL OR (SELECT token FROM leases WHERE server_id = ?6) = ?7)
  RETURNING coalesce((SELECT max(id) FROM entries), 0) AS entry`

export interface CommittedNow {
  readonly batches: ReadonlyArray<StoredBatch>
  /** The number of the newest entry about money. */
  readonly newestEntry: number
}

type StoredRollup = Rollup & { readonly userId: number }

const addRollups = (sql: SqliteCalls, sliceId: number, rollups: ReadonlyArray<StoredRollup>) => {
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

const insertRollups = (sql: PostgresCalls, sliceId: number, rollups: ReadonlyArray<StoredRollup>) =>
  sql.insertColumns("rollups", [
    ["slice_id", "bigint", rollups.map(() => sliceId)],
    ["user_id", "bigint", rollups.map(({ userId }) => userId)],
    ["worker", "text", rollups.map(({ worker }) => worker)],
    ["work", "text", rollups.map(({ work }) => work.toString())],
    ["shares", "bigint", rollups.map(({ shares }) => shares)]
  ])

const hexOf = (hash: Uint8Array): string => Buffer.from(hash).toString("hex")
