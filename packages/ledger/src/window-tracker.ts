/**
 * The window of the next block, kept up to date with each commit: adds new shares, and takes old ones out of it, whose rows it reads
 * again. So it needs memory for users, not for shares. `weights` is complete at any moment between two turns of the event loop.
 */
import { Clock, Effect, Semaphore, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { type BlockPolicy, windowWork } from "./scheme/policy.ts"
import type { WindowLimits } from "./scheme/window.ts"
import { jsonText } from "./store/ledger-sql.ts"
import { sharesFrom } from "./store/read-shares.ts"
import { readWindow } from "./store/read-window.ts"
import type { StoredShare } from "./store/share.ts"

/** Shares that are read at once. */
const PAGE = 2_000

export class WindowTracker {
  readonly weights = new Map<string, bigint>()
  work = 0n
  /** The newest share in the window. */
  last = 0
  limits: WindowLimits = {}
  readonly #sql: SqlClient.SqlClient
  readonly #policy: BlockPolicy
  readonly #lastSeq: () => number
  readonly #turn = Semaphore.makeUnsafe(1)
  #networkWork: bigint | undefined
  /** The oldest share, and its part that is outside. */
  #first = 0
  #cut = 0n
  /** Shares from the oldest on, as far as they were read. */
  #tail: Array<StoredShare> = []

  readonly #afterSeq: number

  /** `lastSeq` gives the newest share that was committed. Shares up to `afterSeq` count in no window: they were bought. */
  constructor(sql: SqlClient.SqlClient, policy: BlockPolicy, lastSeq: () => number, afterSeq = 0) {
    this.#sql = sql
    this.#afterSeq = afterSeq
    this.#policy = policy
    this.#lastSeq = lastSeq
  }

  get networkWork(): bigint | undefined {
    return this.#networkWork
  }

  /** Reads the window anew: at the start, when the network's difficulty changes, and when a round ends. */
  load(networkWork?: bigint): Effect.Effect<void, SqlError.SqlError> {
    return this.#turn.withPermit(Effect.suspend(() => this.#load(networkWork ?? this.#networkWork)))
  }

  /** Adds shares that were committed, and takes out those that no longer belong to the window. */
  add(shares: ReadonlyArray<StoredShare>): Effect.Effect<void, SqlError.SqlError> {
    return this.#turn.withPermit(
      Effect.gen({ self: this }, function* () {
        const last = shares.at(-1)?.seq ?? this.last
        // The shares were loaded already, or another program appended some between them.
        if (shares.length > 0 && last <= this.last) return
        if (shares.length > 0 && shares[0]!.seq !== this.last + 1) return yield* this.#load(this.#networkWork)
        const added = shares.reduce((sum, { work }) => sum + work, 0n)
        const { work: size } = this.limits
        const excess = size === undefined ? 0n : this.work + added - size
        const since = yield* this.#since
        yield* this.#readTail(excess, since, last)
        // From here to the end nothing waits: the window is whole for whoever looks at it.
        for (const { user, work } of shares) this.#change(user, work)
        this.last = last
        if (this.#first === 0 && shares.length > 0) this.#first = shares[0]!.seq
        if (since !== undefined) this.limits = { ...this.limits, since }
        this.#takeOut(excess, since)
      })
    )
  }

  #load(networkWork: bigint | undefined): Effect.Effect<void, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const last = this.#lastSeq()
      const limits = yield* this.#limitsFor(networkWork)
      const window = yield* readWindow(this.#sql, last, limits)
      this.#networkWork = networkWork
      this.limits = limits
      this.last = last
      this.work = window.work
      this.weights.clear()
      for (const [user, work] of window.weights) this.weights.set(user, work)
      this.#first = window.first
      this.#cut = window.cut
      this.#tail = []
    })
  }

  #limitsFor(networkWork: bigint | undefined): Effect.Effect<WindowLimits, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      const afterSeq = this.#afterSeq
      if (this.#policy.scheme === "prop") return { afterSeq: Math.max(afterSeq, yield* readRoundEnd(this.#sql)) }
      const after = afterSeq === 0 ? {} : { afterSeq }
      const since = yield* this.#since
      if (since !== undefined) return { ...after, since }
      // Before the network's difficulty is known there are no blocks to pay.
      return { ...after, work: networkWork === undefined ? 0n : (windowWork(this.#policy, networkWork) ?? 0n) }
    })
  }

  /** The least time of shares in the window now; undefined for a window that is not by time. */
  get #since(): Effect.Effect<number | undefined> {
    const { scheme } = this.#policy
    if (scheme !== "pplns-time") return Effect.succeed(undefined)
    const ms = this.#policy.minutes * 60_000
    return Effect.map(Clock.currentTimeMillis, (now) => Math.max(this.limits.since ?? 0, now - ms))
  }

  /** Reads the oldest shares as far as they have to be taken out. */
  #readTail(excess: bigint, since: number | undefined, last: number): Effect.Effect<void, SqlError.SqlError> {
    return Effect.gen({ self: this }, function* () {
      if (this.#first === 0) this.#first = this.last + 1
      let read = this.#tail.reduce((sum, { work }) => sum + work, -this.#cut)
      for (;;) {
        const newest = this.#tail.at(-1)
        const isEnough = read >= excess && (since === undefined || (newest !== undefined && newest.at >= since))
        const from = newest === undefined ? this.#first : newest.seq + 1
        if (isEnough || from > last) return
        const page = yield* Stream.runCollect(sharesFrom(this.#sql, from, Math.min(last, from + PAGE - 1)))
        if (page.length === 0) return
        for (const share of page) {
          this.#tail.push(share)
          read += share.work
        }
      }
    })
  }

  #takeOut(excess: bigint, since: number | undefined): void {
    let left = excess
    let count = 0
    for (const { at, seq, user, work } of this.#tail) {
      this.#first = seq
      const part = work - this.#cut
      const isOld = since !== undefined && at < since
      if (!isOld && left <= 0n) break
      if (!isOld && part > left) {
        this.#change(user, -left)
        this.#cut += left
        break
      }
      this.#change(user, -part)
      left -= part
      this.#cut = 0n
      this.#first = seq + 1
      count++
    }
    if (count > 0) this.#tail = this.#tail.slice(count)
  }

  #change(user: string, work: bigint): void {
    const weight = (this.weights.get(user) ?? 0n) + work
    if (weight === 0n) this.weights.delete(user)
    else this.weights.set(user, weight)
    this.work += work
  }
}

/** The newest share that a block has paid for by its round. Settlements that were taken back count no more. */
export const readRoundEnd = (sql: SqlClient.SqlClient): Effect.Effect<number, SqlError.SqlError> =>
  Effect.map(
    sql<{ last: number | null }>`
      SELECT max(CAST(${jsonText(sql, "basis", "lastSeq")} AS BIGINT)) AS last FROM settlements
      WHERE id IN (SELECT max(id) FROM settlements GROUP BY block_id)
        AND (SELECT count(*) FROM settlements AS all_of_it WHERE all_of_it.block_id = settlements.block_id) % 2 = 1`,
    ([row]) => row?.last ?? 0
  )
