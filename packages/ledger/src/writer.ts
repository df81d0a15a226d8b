/**
 * The writer of the ledger: collects shares of all connections, and other work, for some milliseconds and commits them in one
 * transaction. So a thousand connections cost one write to the disk, not a thousand.
 */
import { Clock, Deferred, Duration, Effect, Exit, Latch, Schedule, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { LedgerError, reasonOf } from "./ledger-error.ts"
import type { LedgerSqlCalls } from "./store/ledger-sql.ts"
import { lostLease, type NewShare, type Shares, type StoredShare } from "./store/shares.ts"
import type { Users } from "./store/users.ts"

export interface WriterOptions {
  /** The database's name in messages. */
  readonly name: string
  /** How long shares wait for others. */
  readonly commitInterval: Duration.Input
  /** How long the writer tries again while the database cannot be written. */
  readonly patience: Duration.Input
}

type Task = Effect.Effect<unknown, SqlError.SqlError | LedgerError>

export interface Writer {
  /** Adds shares to the next commit. Gives an effect that completes when they are committed. */
  readonly add: (shares: ReadonlyArray<NewShare>) => Effect.Effect<void, LedgerError>
  /** Runs statements in the next commit, after its shares. If they fail with `LedgerError`, nothing of them is kept. */
  readonly transact: <A>(statements: Effect.Effect<A, SqlError.SqlError | LedgerError>) => Effect.Effect<A, LedgerError>
  /** Completes after the next commit, which may be an empty one, and reads what others have committed. */
  readonly refresh: Effect.Effect<void, LedgerError>
  /**
   * Called after each commit, before the next one, with its shares. Those come before them that other programs have committed since the
   * commit before.
   */
  afterCommit: (shares: ReadonlyArray<StoredShare>) => Effect.Effect<void, SqlError.SqlError>
}

/** What one commit writes. */
class Batch {
  readonly shares: Array<NewShare> = []
  readonly tasks: Array<{ readonly run: Task; readonly done: Deferred.Deferred<unknown, LedgerError> }> = []
  /** The results of its tasks in the last try; undefined before. */
  results: ReadonlyArray<Exit.Exit<unknown, LedgerError>> | undefined
  /** Completes after a commit, also one without tasks. */
  readonly refreshed = Deferred.makeUnsafe<void, LedgerError>()
  isRefresh = false
  readonly done = Deferred.makeUnsafe<void, LedgerError>()
}

/** Time between two tries to write. */
const RETRY = Duration.millis(200)
/** A try may take this part of the patience. Then the connection is given up, because the network may have lost it. */
const TRIES = 3

export const makeWriter = Effect.fnUntraced(function* (
  sql: LedgerSqlCalls,
  users: Users,
  shares: Shares,
  { commitInterval, name, patience }: WriterOptions
): Effect.fn.Return<Writer, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const isWaiting = yield* Latch.make(false)
  let batch = new Batch()

  const marks = yield* makeMarks(sql)

  const write = (batch: Batch) =>
    sql.withTransaction(
      Effect.gen(function* () {
        users.begin()
        yield* sql.takeTurn
        yield* shares.sync
        if (shares.isFencedOff) return yield* new LedgerError({ message: lostLease(shares.fence!.serverId) })
        if (batch.results !== undefined && (yield* marks.has(batch))) {
          // The try before was committed, and its answer lost. Its shares came with those of others.
          return { stored: [], results: batch.results, sliceClosed: () => {} }
        }
        const sliceClosed = yield* shares.closeSlice(clock.currentTimeMillisUnsafe())
        const stored = yield* shares.append(batch.shares)
        const results = yield* Effect.forEach(batch.tasks, ({ run }) =>
          sql.withTransaction(run).pipe(
            Effect.map((value): Exit.Exit<unknown, LedgerError> => Exit.succeed(value)),
            Effect.catchTag("LedgerError", (error) => Effect.succeed(Exit.fail(error)))
          )
        )
        if (batch.tasks.length > 0) yield* marks.set(batch)
        batch.results = results
        return { stored, results, sliceClosed }
      })
    )

  const patienceMs = Duration.toMillis(patience)
  /**
   * Waits for a try no longer than its part of the patience. One that is given up may have been committed all the same: the next one
   * finds its shares.
   */
  const limited = <A, E>(attempt: Effect.Effect<A, E>): Effect.Effect<A, E | LedgerError> => {
    if (sql.dialect === "sqlite") return attempt
    const limit = patienceMs / TRIES
    const late = new LedgerError({ message: `it has not answered for ${Duration.format(Duration.millis(limit))}` })
    return Effect.gen(function* () {
      const done = Deferred.makeUnsafe<A, E | LedgerError>()
      const trying = yield* Effect.forkDetach(Effect.interruptible(Deferred.into(attempt, done)))
      const timer = yield* Effect.forkDetach(
        Effect.interruptible(Effect.andThen(Effect.sleep(limit), Deferred.fail(done, late)))
      )
      const exit = yield* Effect.exit(Deferred.await(done))
      trying.interruptUnsafe()
      timer.interruptUnsafe()
      return yield* exit
    })
  }

  const commit = (batch: Batch) =>
    Effect.gen(function* () {
      let isFailing = false
      const deadline = clock.currentTimeMillisUnsafe() + patienceMs
      const { results, sliceClosed, stored } = yield* limited(write(batch)).pipe(
        Effect.tapError((error) => {
          if (isFailing) return Effect.void
          isFailing = true
          return Effect.logWarning(
            `The ledger ${name} cannot be written: ${reasonOf(error)}; ${batch.shares.length} shares wait for up to ` +
              Duration.format(Duration.fromInputUnsafe(patience))
          )
        }),
        Effect.retry({
          schedule: Schedule.spaced(RETRY),
          while: () => !shares.isFencedOff && clock.currentTimeMillisUnsafe() < deadline
        })
      )
      if (isFailing) yield* Effect.logInfo(`The ledger ${name} is written again`)
      users.committed()
      sliceClosed()
      shares.committed(stored)
      yield* Deferred.succeed(batch.done, undefined)
      const foreign = shares.takeForeign()
      yield* Effect.catch(writer.afterCommit(foreign.length === 0 ? stored : [...foreign, ...stored]), (error) =>
        Effect.logWarning(`The ledger ${name} cannot be read: ${reasonOf(error)}`)
      )
      for (const [index, { done }] of batch.tasks.entries()) yield* Deferred.done(done, results[index]!)
      yield* Deferred.succeed(batch.refreshed, undefined)
    }).pipe(
      Effect.catch((failure) => {
        const error = new LedgerError({
          message: `the ledger ${name} cannot be written: ${reasonOf(failure)}; its shares are not acknowledged until that is mended`
        })
        const failed = batch.tasks.map(({ done }) => Deferred.fail(done, error))
        return Effect.all([Deferred.fail(batch.done, error), Deferred.fail(batch.refreshed, error), ...failed], {
          discard: true
        })
      })
    )

  const commitNext = Effect.suspend(() => {
    isWaiting.closeUnsafe()
    const next = batch
    batch = new Batch()
    return next.shares.length + next.tasks.length === 0 && !next.isRefresh ? Effect.void : commit(next)
  })

  const writer: Writer = {
    add: (some) =>
      Effect.suspend(() => {
        if (some.length === 0) return Effect.void
        const { done, shares } = batch
        for (const share of some) shares.push(share)
        isWaiting.openUnsafe()
        return Deferred.await(done)
      }),
    transact: <A>(run: Effect.Effect<A, SqlError.SqlError | LedgerError>) =>
      Effect.suspend(() => {
        const done = Deferred.makeUnsafe<unknown, LedgerError>()
        batch.tasks.push({ run, done })
        isWaiting.openUnsafe()
        return Deferred.await(done) as Effect.Effect<A, LedgerError>
      }),
    refresh: Effect.suspend(() => {
      batch.isRefresh = true
      isWaiting.openUnsafe()
      return Deferred.await(batch.refreshed)
    }),
    afterCommit: () => Effect.void
  }

  // The finalizer of the fiber runs first, so the last commit is alone.
  yield* Effect.addFinalizer(() => Effect.uninterruptible(commitNext))
  yield* isWaiting.await.pipe(
    Effect.andThen(Effect.sleep(commitInterval)),
    Effect.andThen(Effect.uninterruptible(commitNext)),
    Effect.forever,
    Effect.forkScoped
  )
  return writer
})

/**
 * Remembers in the database which batch with tasks was committed last, because PostgreSQL may commit one whose answer is lost. Shares
 * need no mark: they are known by their hashes. With SQLite there is no answer that could be lost.
 */
const makeMarks = Effect.fnUntraced(function* (sql: LedgerSqlCalls) {
  if (sql.dialect === "sqlite") return { has: () => Effect.succeed(false), set: () => Effect.void }
  const name = `last_commit_${randomUUID()}`
  const numbers = new WeakMap<Batch, string>()
  let last = 0
  const numberOf = (batch: Batch): string => {
    const number = numbers.get(batch) ?? String(++last)
    numbers.set(batch, number)
    return number
  }
  yield* Effect.addFinalizer(() => Effect.ignore(sql`DELETE FROM state WHERE name = ${name}`))
  return {
    has: (batch: Batch) =>
      Effect.map(
        sql<{ value: string }>`SELECT value FROM state WHERE name = ${name}`,
        ([row]) => row?.value === numberOf(batch)
      ),
    set: (batch: Batch) =>
      Effect.asVoid(sql`INSERT INTO state (name, value) VALUES (${name}, ${numberOf(batch)})
        ON CONFLICT (name) DO UPDATE SET value = excluded.value`)
  }
})
