/**
 * The writer of the ledger: collects shares of all connections, and other work, for some milliseconds and commits them in one
 * transaction. So a thousand connections cost one write to the disk, not a thousand.
 */
import type { ShareAccepted } from "@sluice/channels"
import { Recording, ShareSinkError } from "@sluice/mining-server"
import { Clock, Deferred, Duration, Effect, Exit, Latch, Schedule, type Scope, Semaphore } from "effect"
import type { SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { LedgerError, reasonOf } from "./ledger-error.ts"
import type { Spool, SpoolPlace } from "./spool/spool.ts"
import type { LedgerSqlCalls } from "./store/ledger-sql.ts"
import type { StoredBatch } from "./store/stored-batch.ts"
import { lostLease, type Shares } from "./store/shares.ts"
import { makeShareOf } from "./share-of.ts"
import { type NewShare, type StoredShare, unplaced } from "./store/share.ts"
import type { Users } from "./store/users.ts"

export interface WriterOptions {
  /** The database's name in messages. */
  readonly name: string
  /** How long shares wait for others; twenty times as long, but at most 400 milliseconds, while nothing waits for them. */
  readonly commitInterval: Duration.Input
  /** How long the writer tries again while the database cannot be written. */
  readonly patience: Duration.Input
  /** Takes shares while the database cannot be written. */
  readonly spool?: Spool | undefined
}

type Task = Effect.Effect<unknown, SqlError.SqlError | LedgerError>

export interface Writer {
  /** Adds shares to the next commit. Gives an effect that completes when they are committed. */
  readonly add: (shares: ReadonlyArray<NewShare>) => Effect.Effect<void, LedgerError>
  /** As `add` for shares of a server, without an effect. All shares of a commit have the same `Recording`. */
  readonly addAccepted: (shares: ReadonlyArray<ShareAccepted>) => Recording
  /** Runs statements in the next commit, after its shares. If they fail with `LedgerError`, nothing of them is kept. */
  readonly transact: <A>(statements: Effect.Effect<A, SqlError.SqlError | LedgerError>) => Effect.Effect<A, LedgerError>
  /** Completes after the next commit, which may be an empty one, and reads what others have committed. */
  readonly refresh: Effect.Effect<void, LedgerError>
  /**
   * Called after each commit, before the next one, with its shares. Those come before them that other programs have committed since the
   * commit before. `newestEntry` is the number of the newest entry about money, where the commit knows it. Gives `Effect.void` itself if
   * there is nothing to do.
   */
  afterCommit: (shares: ReadonlyArray<StoredShare>, newestEntry?: number) => Effect.Effect<void, SqlError.SqlError>
  /** What it does, for metrics. */
  readonly counts: WriterCounts
}

export interface WriterCounts {
  commits: number
  /** Milliseconds of the last commit, with the tries that failed. */
  lastCommitMs: number
  /** Shares of the last commit. */
  lastShares: number
  /** Shares that wait for a commit. */
  waiting: number
}

/** What one commit writes. */
class Batch {
  /** When its first share came, in milliseconds; undefined before. The patience begins then. */
  since: number | undefined
  readonly shares: Array<StoredShare> = []
  /** Shares behind these as they came, and when. They become shares of the ledger all at once, which takes less time for each. */
  readonly accepted: Array<ShareAccepted> = []
  readonly acceptedAt: Array<number> = []
  readonly tasks: Array<{ readonly run: Task; readonly done: Deferred.Deferred<unknown, LedgerError> }> = []
  /** The results of its tasks in the last try; undefined before. */
  results: ReadonlyArray<Exit.Exit<unknown, LedgerError>> | undefined
  /** Completes after a commit, also one without tasks. */
  readonly refreshed = Deferred.makeUnsafe<void, LedgerError>()
  isRefresh = false
  /** The place in the spool from which its shares come. */
  spooled: SpoolPlace | undefined
  /** Of its shares. */
  readonly recording: Recording

  /** `onHurry` is called when something waits for its shares. */
  constructor(onHurry?: () => void) {
    this.recording = new Recording(onHurry)
  }

  get size(): number {
    return this.shares.length + this.accepted.length
  }

  /** Makes shares of those that were accepted. */
  collect(shareOf: ReturnType<typeof makeShareOf>): void {
    const { accepted, acceptedAt, shares } = this
    for (let index = 0; index < accepted.length; index++) shares.push(shareOf(accepted[index]!, acceptedAt[index]!))
    accepted.length = 0
    acceptedAt.length = 0
  }

  /** Tells those who wait for its shares. */
  complete(failure?: LedgerError): void {
    this.recording.end(failure === undefined ? undefined : new ShareSinkError({ message: failure.message }))
  }
}

/**
 * Shares that nothing waits for wait for others: for twenty intervals, but not more than these milliseconds or one interval, or until they
 * are enough. A commit costs half a millisecond of CPU or more, however few shares it has.
 */
const UNHURRIED = 20
const UNHURRIED_MS = 400
const ENOUGH = 1_000
/** Time between two tries to write. */
const RETRY = Duration.millis(200)
/** How long a try with shares alone may take, and how long it is tried again, before they go to the spool. */
const SPOOL_TRY_MS = 2_000
const SPOOL_AFTER_MS = 3_000
/** Time between two tries to hand over what is in the spool. */
const HAND_OVER = Duration.seconds(1)
/** How often the writer looks whether the disk answers, and when it says that it does not. */
const LOOK_AT_DISK = Duration.seconds(1)
const SLOW_DISK_MS = 2_000
/** A try may take this part of the patience. Then the connection is given up, because the network may have lost it. */
const TRIES = 3

export const makeWriter = Effect.fnUntraced(function* (
  sql: LedgerSqlCalls,
  users: Users,
  shares: Shares,
  { commitInterval, name, patience, spool }: WriterOptions
): Effect.fn.Return<Writer, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const isWaiting = yield* Latch.make(false)
  /** Whether something waits for the batch. */
  const isAwaited = yield* Latch.make(false)
  const newBatch = (): Batch => {
    const made: Batch = new Batch(() => {
      if (made === batch) isAwaited.openUnsafe()
    })
    return made
  }
  let batch = newBatch()
  const shareOf = makeShareOf()
  const counts: WriterCounts = { commits: 0, lastCommitMs: 0, lastShares: 0, waiting: 0 }

  const marks = yield* makeMarks(sql)

  const mended = (sql.dialect === "sqlite" ? sql.mended : undefined) ?? Effect.void
  const write = (batch: Batch) => Effect.andThen(mended, writeNow(batch))
  const writeNow = (batch: Batch) =>
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
        if (batch.spooled !== undefined && !(yield* handsOver(sql, batch.spooled))) {
          return { stored: [], results: [], sliceClosed: () => {} }
        }
        const sliceClosed = yield* shares.closeSlice(clock.currentTimeMillisUnsafe())
        const stored = yield* shares.append(batch.shares)
        const results = yield* Effect.forEach(batch.tasks, ({ run }) => {
          const { given } = users
          return sql.withTransaction(run).pipe(
            Effect.map((value): Exit.Exit<unknown, LedgerError> => Exit.succeed(value)),
            Effect.catchTag("LedgerError", (error) => {
              users.keepGiven(given)
              return Effect.succeed(Exit.fail(error))
            })
          )
        })
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
  const limited = <A, E>(attempt: Effect.Effect<A, E>, limit: number): Effect.Effect<A, E | LedgerError> => {
    if (sql.dialect === "sqlite") return attempt
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

  /** Waits for what others wait for in the batch. Settlements of large windows take their time, so tasks are not cut off early. */
  const limitsOf = (batch: Batch) => {
    const tryMs = patienceMs / TRIES
    return spool !== undefined && batch.tasks.length === 0
      ? { tryMs: Math.min(tryMs, SPOOL_TRY_MS), ms: Math.min(patienceMs, SPOOL_AFTER_MS) }
      : { tryMs, ms: spool === undefined ? patienceMs : tryMs }
  }

  const committed = (
    { results, stored, sliceClosed }: Effect.Success<ReturnType<typeof write>>,
    batch: Batch,
    begun: number,
    newestEntry?: number
  ): Effect.Effect<void> => {
    counts.commits++
    counts.lastCommitMs = clock.currentTimeMillisUnsafe() - begun
    counts.lastShares = batch.shares.length
    users.committed()
    sliceClosed()
    shares.committed(stored)
    const after = writer.afterCommit(sharesOf(shares.takeForeign(), stored), newestEntry)
    const told = tell(batch)
    if (after === Effect.void && batch.tasks.length === 0 && !batch.isRefresh) return told
    return Effect.gen(function* () {
      yield* told
      yield* after.pipe(
        Effect.catch((error) => Effect.logWarning(`The ledger ${name} cannot be read: ${reasonOf(error)}`)),
        Effect.catchDefect(logDefect)
      )
      for (const [index, { done }] of batch.tasks.entries()) yield* Deferred.done(done, results[index]!)
      yield* Deferred.succeed(batch.refreshed, undefined)
    })
  }

  const logDefect = (defect: unknown) => Effect.logError(`The ledger ${name} goes on after a defect`, defect)

  /** Tells those who wait for the shares of a batch. A defect of one of them is no failure of the commit. */
  const tell = (batch: Batch, failure?: LedgerError) =>
    Effect.catchDefect(
      Effect.sync(() => batch.complete(failure)),
      logDefect
    )

  const failTasks = (batch: Batch, error: LedgerError) =>
    Effect.andThen(
      Deferred.fail(batch.refreshed, error),
      Effect.forEach(batch.tasks, ({ done }) => Deferred.fail(done, error), { discard: true })
    )

  const failureOf = (failure: { readonly message: string }): LedgerError =>
    new LedgerError({
      message: `the ledger ${name} cannot be written: ${reasonOf(failure)}`
    })

  const commit = (batch: Batch) => {
    const begun = clock.currentTimeMillisUnsafe()
    const now = batch.tasks.length === 0 ? shares.commitNow(batch.shares, begun) : undefined
    if (now === undefined) return commitPatiently(batch, begun)
    const written = { stored: now.batches, results: [], sliceClosed: () => {} }
    const { flushed } = shares
    if (flushed === undefined) return committed(written, batch, begun, now.newestEntry)
    flushing = { batch, since: begun }
    const ended = Effect.ensuring(
      flushed,
      Effect.sync(() => (flushing = undefined))
    )
    return Effect.matchEffect(ended, {
      onSuccess: () => committed(written, batch, begun, now.newestEntry),
      onFailure: () => {
        // The database has them, but perhaps not the disk. The next try mends that, and finds them.
        shares.doubt(batch.shares)
        return commitPatiently(batch, begun)
      }
    })
  }

  /** What waits for the disk, and since when. */
  let flushing: { readonly batch: Batch; readonly since: number } | undefined
  let isDiskSlow = false
  /** Looks whether the disk answers. Nothing can be done about one that does not, but shares do not wait for ever. */
  const lookAtDisk = Effect.suspend(() => {
    const now = clock.currentTimeMillisUnsafe()
    const waitedMs = flushing === undefined ? 0 : now - flushing.since
    const wasSlow = isDiskSlow
    isDiskSlow = waitedMs >= SLOW_DISK_MS
    if (!isDiskSlow) return wasSlow ? Effect.logInfo(`The ledger ${name} is written again`) : Effect.void
    const waited = `its disk has not answered for ${Duration.format(Duration.millis(waitedMs))}`
    if (!wasSlow) return Effect.logWarning(`The ledger ${name} cannot be written: ${waited}; shares wait`)
    const error = failureOf({ message: waited })
    const told = waitedMs < patienceMs ? Effect.void : tell(flushing!.batch, error)
    const behind = batch
    if (now - (behind.since ?? now) < patienceMs) return told
    // Those behind it have their patience too, and were not acknowledged.
    takeBatch()
    return Effect.andThen(told, Effect.andThen(tell(behind, error), failTasks(behind, error)))
  })

  const commitPatiently = (batch: Batch, begun: number) =>
    Effect.gen(function* () {
      let isFailing = false
      const { ms, tryMs } = limitsOf(batch)
      const until = (batch.since ?? begun) + ms
      const result = yield* limited(write(batch), tryMs).pipe(
        Effect.tapError((error) => {
          shares.doubt(batch.shares)
          if (isFailing) return Effect.void
          isFailing = true
          return Effect.logWarning(
            `The ledger ${name} cannot be written: ${reasonOf(error)}; ${batch.shares.length} shares wait for up to ` +
              Duration.format(Duration.millis(ms))
          )
        }),
        Effect.retry({
          schedule: Schedule.spaced(RETRY),
          while: () => !shares.isFencedOff && clock.currentTimeMillisUnsafe() < until
        })
      )
      if (isFailing) yield* Effect.logInfo(`The ledger ${name} is written again`)
      yield* committed(result, batch, begun)
    }).pipe(
      Effect.catch((failure) => {
        if (spool !== undefined && !shares.isFencedOff) return keep(spool, batch)
        const error = failureOf(failure)
        batch.complete(error)
        return failTasks(batch, error)
      })
    )

  let isSpooling = spool?.isEmpty === false
  /** The oldest record may be of a commit whose answer the program did not see before it ended. */
  let isFromBefore = isSpooling
  /** Batches whose tasks wait for the database, and until when. */
  const waiting: Array<{ readonly batch: Batch; readonly until: number }> = []
  const spoolTurn = yield* Semaphore.make(1)

  /** Puts the shares of a batch into the spool. Its tasks wait for the database. */
  const keep = (spool: Spool, batch: Batch) =>
    Effect.gen(function* () {
      if (!isSpooling) {
        isSpooling = true
        yield* Effect.logWarning(`Shares go to the spool ${spool.file} until the ledger ${name} can be written again`)
      }
      if (batch.shares.length > 0) {
        yield* Effect.matchEffect(spool.append(batch.shares), {
          onSuccess: () => Effect.sync(() => batch.complete()),
          onFailure: (failure) =>
            Effect.andThen(
              Effect.logError(`Shares are not acknowledged: ${failure.message}`),
              Effect.sync(() => batch.complete(failure))
            )
        })
        batch.shares.length = 0
      }
      if (batch.tasks.length > 0 || batch.isRefresh) {
        waiting.push({ batch, until: clock.currentTimeMillisUnsafe() + patienceMs })
      }
    }).pipe(spoolTurn.withPermit)

  /** Hands over the oldest record of the spool, or runs the tasks that wait. Returns false if there is nothing to do any more. */
  const handOverOne = (spool: Spool) =>
    Effect.gen(function* () {
      const begun = clock.currentTimeMillisUnsafe()
      const next = new Batch()
      // A record may have more shares than a function may have arguments.
      for (const share of unplaced(yield* spool.oldest)) next.shares.push(share)
      const [first] = waiting
      if (next.shares.length > 0) {
        next.spooled = spool.place
        if (isFromBefore) yield* shares.lookFor(next.shares)
        isFromBefore = false
        yield* committed(yield* limited(write(next), patienceMs / TRIES), next, begun)
        spool.handedOver(next.shares.length)
        return true
      }
      if (first !== undefined) {
        yield* committed(yield* limited(write(first.batch), patienceMs / TRIES), first.batch, begun)
        waiting.shift()
        return true
      }
      return yield* spoolTurn.withPermit(
        Effect.gen(function* () {
          if (!spool.isEmpty || waiting.length > 0) return true
          yield* spool.clear
          isSpooling = false
          yield* Effect.logInfo(`The ledger ${name} is written again, and has all shares of the spool ${spool.file}`)
          return false
        })
      )
    })

  const handOver = (spool: Spool) =>
    Effect.gen(function* () {
      if (!isSpooling) return
      while (yield* Effect.uninterruptible(handOverOne(spool)));
    }).pipe(
      Effect.catch((failure) => {
        const now = clock.currentTimeMillisUnsafe()
        const late = waiting.filter(({ until }) => until <= now)
        for (const { batch } of late)
          waiting.splice(
            waiting.findIndex((one) => one.batch === batch),
            1
          )
        return Effect.forEach(late, ({ batch }) => failTasks(batch, failureOf(failure)), { discard: true })
      }),
      Effect.catchDefect(logDefect),
      Effect.andThen(Effect.sleep(HAND_OVER)),
      Effect.forever
    )

  /** Takes what has come so far. */
  const takeBatch = (): Batch => {
    isWaiting.closeUnsafe()
    isAwaited.closeUnsafe()
    const taken = batch
    batch = newBatch()
    counts.waiting = 0
    return taken
  }

  const commitNext = Effect.suspend(() => {
    const next = takeBatch()
    if (next.size + next.tasks.length === 0 && !next.isRefresh) return Effect.void
    return Effect.catchDefect(
      Effect.suspend(() => {
        next.collect(shareOf)
        return spool !== undefined && isSpooling ? keep(spool, next) : commit(next)
      }),
      (defect) => {
        const error = failureOf({ message: String(defect) })
        return logDefect(defect).pipe(Effect.andThen(tell(next, error)), Effect.andThen(failTasks(next, error)))
      }
    )
  })

  const addLater = (some: ReadonlyArray<NewShare>): Recording => {
    if (some.length === 0) return Recording.done
    batch.collect(shareOf)
    for (const share of unplaced(some)) batch.shares.push(share)
    return added(clock.currentTimeMillisUnsafe())
  }

  const addAccepted: Writer["addAccepted"] = (some) => {
    if (some.length === 0) return Recording.done
    const at = clock.currentTimeMillisUnsafe()
    for (const share of some) {
      batch.accepted.push(share)
      batch.acceptedAt.push(at)
    }
    return added(at)
  }

  /** Shares have come. Gives what they wait for. */
  const added = (at: number): Recording => {
    const { recording, size } = batch
    if (batch.since === undefined) {
      batch.since = at
      isWaiting.openUnsafe()
    }
    counts.waiting = size
    if (size >= ENOUGH) recording.hurry()
    return recording
  }

  const writer: Writer = {
    add: (some) =>
      Effect.mapError(
        Effect.suspend(() => ended(addLater(some))),
        ({ message }) => new LedgerError({ message })
      ),
    addAccepted,
    transact: <A>(run: Effect.Effect<A, SqlError.SqlError | LedgerError>) =>
      Effect.suspend(() => {
        const done = Deferred.makeUnsafe<unknown, LedgerError>()
        batch.tasks.push({ run, done })
        isWaiting.openUnsafe()
        isAwaited.openUnsafe()
        return Deferred.await(done) as Effect.Effect<A, LedgerError>
      }),
    refresh: Effect.suspend(() => {
      batch.isRefresh = true
      isWaiting.openUnsafe()
      isAwaited.openUnsafe()
      return Deferred.await(batch.refreshed)
    }),
    afterCommit: () => Effect.void,
    counts
  }

  const interval = Duration.toMillis(commitInterval)
  const unhurried = Math.max(0, Math.min(UNHURRIED * interval, UNHURRIED_MS) - interval)

  /** How long the last commit took, with what its end caused. The next one begins earlier by that, to be done with the interval. */
  let tookMs = 0
  const timedCommit = Effect.suspend(() => {
    const begun = clock.monotonicTimeNanosUnsafe()
    return Effect.andThen(
      commitNext,
      Effect.sync(() => (tookMs = Number(clock.monotonicTimeNanosUnsafe() - begun) / 1e6))
    )
  })

  // It ends last, because the last commit may wait for the disk too.
  if (shares.flushed !== undefined) {
    yield* Effect.sleep(LOOK_AT_DISK).pipe(Effect.andThen(lookAtDisk), Effect.forever, Effect.forkScoped)
  }
  // The finalizer of the fiber runs first, so the last commit is alone.
  yield* Effect.addFinalizer(() => Effect.uninterruptible(commitNext))
  yield* isWaiting.await.pipe(
    Effect.andThen(Effect.suspend(() => Effect.sleep(Math.floor(interval - Math.min(tookMs, interval / 2))))),
    Effect.andThen(
      Effect.suspend(() => (isAwaited.isOpen() ? Effect.void : Effect.timeoutOption(isAwaited.await, unhurried)))
    ),
    Effect.andThen(Effect.uninterruptible(timedCommit)),
    Effect.forever,
    Effect.forkScoped
  )
  if (spool !== undefined) yield* Effect.forkScoped(handOver(spool))
  return writer
})

/** Completes when the shares are recorded, and waits for that. */
export const ended = (recording: Recording): Effect.Effect<void, ShareSinkError> =>
  Effect.callback((resume) => {
    recording.hurry()
    recording.onEnd((failure) => resume(failure === undefined ? Effect.void : Effect.fail(failure)))
  })

const sharesOf = (
  foreign: ReadonlyArray<StoredShare>,
  stored: ReadonlyArray<StoredBatch>
): ReadonlyArray<StoredShare> => {
  const [first] = stored
  if (foreign.length === 0 && stored.length < 2) return first?.shares ?? []
  return [...foreign, ...stored.flatMap(({ shares }) => shares)]
}

/** Notes in the transaction how far the spool is handed over. Returns false if this part was handed over by a commit before. */
const handsOver = (sql: LedgerSqlCalls, { end, spool }: SpoolPlace): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.gen(function* () {
    const name = `spool_${spool}`
    const [row] = yield* sql<{ value: string }>`SELECT value FROM state WHERE name = ${name}`
    if (Number(row?.value ?? 0) >= end) return false
    yield* sql`INSERT INTO state (name, value) VALUES (${name}, ${String(end)})
      ON CONFLICT (name) DO UPDATE SET value = excluded.value`
    return true
  })

/**
 * Remembers in the database which batch with tasks was committed last, because PostgreSQL may commit one whose answer is lost. Shares
 * need no mark: those that a try has brought there are found among what comes next. With SQLite there is no answer that could be lost.
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
