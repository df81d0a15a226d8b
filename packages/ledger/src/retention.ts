/**
 * Removes shares that are older than they have to be kept. Their slices stay for ever: the roll-ups by which they were paid, and the
 * hashes of the chain. A window takes shares one by one only from the slices at its two ends, so these are kept, of each settlement and of
 * the next block: a settlement can be computed again to the satoshi however old it is.
 */
import { Clock, Duration, Effect, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import type { LedgerCalls } from "./ledger.ts"
import { ledgerError, type LedgerError } from "./ledger-error.ts"
import { isBlockPolicy } from "./scheme/policy.ts"
import type { WindowLimits } from "./scheme/window.ts"
import { limitsOf } from "./settle.ts"
import { readBlocks, readSettlements } from "./store/books.ts"
import { windowStart } from "./store/read-window.ts"

export interface RetentionOptions {
  /** How long shares are kept. */
  readonly retention: Duration.Input
  /** The window of the next block; undefined if blocks do not pay for shares. */
  readonly window: () => { readonly last: number; readonly limits: WindowLimits } | undefined
}

/** The network's difficulty grows to four times at most at once, and a window by the network's work with it. */
const GROWTH = 4n
/** The shares of one transaction, so that others do not wait for long. */
const ROWS = 2_000
/** The slices that are looked at together. */
const SLICES = 500
const INTERVAL = Duration.minutes(10)

/** Removes old shares now and then, for as long as the Scope is open. */
export const followRetention = (
  ledger: LedgerCalls,
  options: RetentionOptions
): Effect.Effect<void, never, Scope.Scope> => {
  const retention = makeRetention(ledger, options)
  return retention.removeOld.pipe(
    Effect.catch(({ message }) => Effect.logWarning(`Old shares cannot be removed: ${message}`)),
    Effect.andThen(Effect.sleep(INTERVAL)),
    Effect.forever,
    Effect.forkScoped,
    Effect.asVoid
  )
}

export interface Retention {
  /** Removes the shares that are too old now, and gives the number of slices that had them. */
  readonly removeOld: Effect.Effect<number, LedgerError>
}

export const makeRetention = (ledger: LedgerCalls, { retention, window }: RetentionOptions): Retention => {
  const { sql, transact } = ledger
  const keptMs = Duration.toMillis(retention)
  /** The first share of the window of each settlement. It never changes. */
  const starts = new Map<number, number>()

  /** The shares at both ends of the windows of all settlements that may reach behind this share. */
  const edges = (after: number): Effect.Effect<ReadonlyArray<number>, SqlError.SqlError | LedgerError> =>
    Effect.gen(function* () {
      const found: Array<number> = []
      for (const block of yield* readBlocks(sql)) {
        for (const { basis, id, policy, reverses } of yield* readSettlements(sql, block)) {
          if (reverses !== undefined || !isBlockPolicy(policy) || policy.scheme === "solo") continue
          if (basis.lastSeq <= after) continue
          let start = starts.get(id)
          if (start === undefined) starts.set(id, (start = yield* windowStart(sql, basis.lastSeq, limitsOf(basis))))
          found.push(start, basis.lastSeq)
        }
      }
      return found
    })

  /** The oldest share that the window of the next block may need. */
  const needed: Effect.Effect<number, SqlError.SqlError> = Effect.suspend(() => {
    const next = window()
    if (next === undefined) return Effect.succeed(Number.MAX_SAFE_INTEGER)
    const { last, limits } = next
    // Before the window is known nothing is removed.
    if (limits.work === 0n) return Effect.succeed(0)
    // An empty window has no start.
    return Effect.map(
      windowStart(sql, last, limits.work === undefined ? limits : { ...limits, work: limits.work * GROWTH }),
      (start) => Math.max(start, limits.afterSeq === undefined ? 0 : limits.afterSeq + 1)
    )
  })

  const removeSlice = ({ first_seq, id, last_seq }: OldSlice, at: number): Effect.Effect<void, LedgerError> =>
    Effect.gen(function* () {
      yield* transact(
        sql`INSERT INTO removed_slices (slice_id, at) VALUES (${id}, ${at}) ON CONFLICT (slice_id) DO NOTHING`
      )
      for (let from = first_seq; from <= last_seq; from += ROWS) {
        yield* transact(
          sql`DELETE FROM batches WHERE last_seq >= ${from} AND last_seq <= ${Math.min(from + ROWS - 1, last_seq)}`
        )
      }
    })

  return {
    removeOld: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      // The last one may have been removed in part when the program ended.
      const [unfinished] = yield* sql<OldSlice>`
        SELECT id, first_seq, last_seq FROM slices
        WHERE id = (SELECT max(slice_id) FROM removed_slices)
          AND EXISTS (
            SELECT 1 FROM batches WHERE batches.last_seq >= slices.first_seq AND batches.last_seq <= slices.last_seq
          )`
      if (unfinished !== undefined) yield* removeSlice(unfinished, now)
      const limit = yield* needed
      let removed = 0
      let kept: ReadonlyArray<number> | undefined
      for (let before = 0; ;) {
        const old = yield* sql<OldSlice>`
          SELECT slices.id, first_seq, last_seq FROM slices
          LEFT JOIN removed_slices ON removed_slices.slice_id = slices.id
          WHERE removed_slices.slice_id IS NULL AND last_seq > ${before} AND last_seq < ${limit}
            AND ended_at < ${now - keptMs}
          ORDER BY last_seq LIMIT ${SLICES}`
        if (old.length === 0) return removed
        kept ??= (yield* edges(old[0]!.first_seq - 1)).toSorted((a, b) => a - b)
        for (const slice of old) {
          if (!hasOneOf(kept, slice)) {
            yield* removeSlice(slice, now)
            removed++
          }
          before = slice.last_seq
        }
      }
    }).pipe(Effect.mapError(ledgerError(ledger.name)))
  }
}

interface OldSlice {
  readonly id: number
  readonly first_seq: number
  readonly last_seq: number
}

/** Whether one of these numbers, which are sorted, is in the slice. */
const hasOneOf = (numbers: ReadonlyArray<number>, { first_seq, last_seq }: OldSlice): boolean => {
  let [low, high] = [0, numbers.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (numbers[middle]! < first_seq) low = middle + 1
    else high = middle
  }
  return low < numbers.length && numbers[low]! <= last_seq
}
