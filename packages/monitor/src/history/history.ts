/**
 * What a monitor remembers over restarts: samples of totals, the days of workers, blocks, and the changes that operators made. A
 * full disk or a locked file ends the writing, not the program: it is logged once, and the page says so.
 */
import { Effect, type Scope } from "effect"
import type { Resolution } from "../api/history.ts"
import type { AuditEntry } from "../api/journal.ts"
import type { FoundBlock } from "../api/overview.ts"
import type { WorkerNote } from "../follow/worker-notes.ts"
import { type DatabaseError, inTransaction, openDatabase } from "./database.ts"
import { type Sample, Samples, STEPS } from "./samples.ts"
import { WorkerDays } from "./worker-days.ts"

/** Days of workers that are written in one turn of the event loop: some milliseconds. */
const AT_ONCE = 200
/** Workers whose work is noted in one turn. */
const NOTED_AT_ONCE = 500
/** Changes that are kept. */
const KEPT_AUDIT = 10_000

export interface HistoryCalls {
  /** False after a write failed, until one succeeds. */
  readonly isWritten: () => boolean
  readonly samples: Samples
  readonly workers: WorkerDays
  readonly blocks: () => ReadonlyArray<FoundBlock>
  readonly audit: () => ReadonlyArray<AuditEntry>
  readonly addSample: (sample: Sample) => Effect.Effect<void>
  readonly addBlock: (block: FoundBlock) => Effect.Effect<void>
  readonly addAudit: (entry: AuditEntry) => Effect.Effect<void>
  /** Adds what the workers with open channels did since the last call. */
  readonly addWorkers: (notes: Iterable<WorkerNote>, now: number) => Effect.Effect<void>
  /** Writes the days of workers and deletes what is too old. */
  readonly tidy: (now: number) => Effect.Effect<void>
}

export const makeHistory = Effect.fnUntraced(function* (
  path: string | undefined,
  now: number
): Effect.fn.Return<HistoryCalls, DatabaseError, Scope.Scope> {
  const database = yield* openDatabase(path)
  const samples = new Samples(database)
  const workers = new WorkerDays(database, now)
  const addBlock = database.prepare(
    "insert into blocks (at, height, hash, worker, refusal, effort) values (?, ?, ?, ?, ?, ?)"
  )
  const addAudit = database.prepare("insert into audit (at, remote, action, subject, outcome) values (?, ?, ?, ?, ?)")
  let isWritten = true

  /** Writes, and remembers whether that worked. */
  const write = <A>(step: () => A, otherwise: A): Effect.Effect<A> =>
    Effect.suspend(() => {
      try {
        const result = step()
        isWritten = true
        return Effect.succeed(result)
      } catch (error) {
        const isFirst = isWritten
        isWritten = false
        const why = error instanceof Error ? error.message : String(error)
        return Effect.as(
          isFirst
            ? Effect.logError(`The history cannot be written (${why}): it has a gap until it can be; miners are served`)
            : Effect.void,
          otherwise
        )
      }
    })

  const addWorkers = Effect.fnUntraced(function* (notes: Iterable<WorkerNote>, now: number) {
    const leftOut = workers.leftOut
    const all = Array.from(notes)
    for (let done = 0; done < all.length; done += NOTED_AT_ONCE) {
      if (done > 0) yield* Effect.yieldNow
      const some = all.slice(done, done + NOTED_AT_ONCE)
      yield* write(
        () => inTransaction(database, () => some.forEach((note) => workers.add(note.worker, note, now))),
        undefined
      )
    }
    if (leftOut === 0 && workers.leftOut > 0) {
      yield* Effect.logWarning(`There are more than ${workers.size} workers: the newest ones have no history`)
    }
  })

  const writeWorkers = Effect.gen(function* () {
    while (yield* write(() => workers.write(AT_ONCE), false)) yield* Effect.yieldNow
  })
  yield* Effect.addFinalizer(() => writeWorkers)

  return {
    isWritten: () => isWritten,
    samples,
    workers,
    blocks: () =>
      database
        .prepare("select at, height, hash, worker, refusal, effort from blocks order by id desc limit 10000")
        .all() as unknown as ReadonlyArray<FoundBlock>,
    audit: () =>
      database
        .prepare("select at, remote, action, subject, outcome from audit order by id desc")
        .all() as unknown as ReadonlyArray<AuditEntry>,
    addSample: (sample) => write(() => samples.write(sample), undefined),
    addBlock: ({ at, effort, hash, height, refusal, worker }) =>
      write(() => void addBlock.run(at, height, hash, worker, refusal, effort), undefined),
    addAudit: ({ action, at, outcome, remote, subject }) =>
      write(() => void addAudit.run(at, remote, action, subject, outcome), undefined),
    addWorkers,
    tidy: (now) =>
      Effect.andThen(
        writeWorkers,
        write(() => {
          samples.prune(now)
          workers.prune(now)
          database.prepare("delete from audit where id <= (select max(id) from audit) - ?").run(KEPT_AUDIT)
        }, undefined)
      )
  }
})

/** How long ago each resolution's history begins if the query does not say. */
export const usualSpanMs = (resolution: Resolution): number =>
  ({ "10s": 3_600_000, "1m": 86_400_000, "10m": 7 * 86_400_000, "1d": 365 * 86_400_000 })[resolution]

export { STEPS }
