/**
 * The ledger: shares and money in a database. `Ledger.layer` opens it for a server of miners, whose share sink it is; several programs
 * may have it open at once.
 */
import { Recording, type ShareSink } from "@sluice/mining-server"
import { Context, Duration, Effect, Layer } from "effect"
import type { SqlClient } from "effect/sql"
import { LedgerError, ledgerError } from "./ledger-error.ts"
import { registerMetrics } from "./metrics.ts"
import { type LedgerPlace, nameOf } from "./place.ts"
import { layer as layerPostgres } from "./postgres/postgres-client.ts"
import { layer as layerSqlite } from "./sqlite/sqlite-client.ts"
import { Spool, type SpoolOptions } from "./spool/spool.ts"
import { Books } from "./store/books.ts"
import { LedgerSql, type LedgerSqlCalls } from "./store/ledger-sql.ts"
import { prepareSchema } from "./store/migrations.ts"
import { type Fence, Shares } from "./store/shares.ts"
import type { NewShare } from "./store/share.ts"
import { Users } from "./store/users.ts"
import { ended, makeWriter, type Writer } from "./writer.ts"

/**
 * What an acknowledgement promises: the share is on the disk (`durable`), the operating system has it, so that it survives the end of
 * this process but perhaps not a power cut (`written`), or this process has it and will write it soon (`received`).
 */
export type Acknowledge = "durable" | "written" | "received"

export type LedgerOptions = LedgerPlace & LedgerSettings

export interface LedgerSettings {
  /** Default "durable". */
  readonly acknowledge?: Acknowledge
  /**
   * How long shares wait for others that are committed with them. Default 20 milliseconds. While nothing waits for them, twenty times as long,
   * but at most 400 milliseconds.
   */
  readonly commitInterval?: Duration.Input
  /** How long shares wait while the database cannot be written. Then they are not acknowledged. Default 30 seconds. */
  readonly patience?: Duration.Input
  /** The time whose shares get one hash and one roll-up. Default 1 minute. */
  readonly slice?: Duration.Input
  /** A file that takes shares while the database cannot be written, and hands them over later. Without one they wait for `patience`. */
  readonly spool?: SpoolOptions | undefined
  /** Whether an older schema is brought up to date. Default false. */
  readonly isUpgrade?: boolean
}

export const ledgerDefaults = {
  acknowledge: "durable",
  commitInterval: Duration.millis(20),
  patience: Duration.seconds(30),
  slice: Duration.minutes(1)
} as const

export interface LedgerCalls {
  /** The name of the database in messages. */
  readonly name: string
  /** The database, for reading. */
  readonly sql: LedgerSqlCalls
  /** Records accepted shares. */
  readonly sink: Required<ShareSink>
  /** Runs what nobody waits for. */
  readonly fork: (effect: Effect.Effect<void>) => void
  readonly books: Books
  /** The sequence number of the newest share that this program knows; 0 before the first. */
  readonly lastSeq: () => number
  /** Appends shares that come from elsewhere. It does not look whether the ledger has them: `readKnownShares` does. */
  readonly append: (shares: ReadonlyArray<NewShare>) => Effect.Effect<void, LedgerError>
  /** Reads what other processes have committed. Listeners of `onCommit` have it then. */
  readonly refresh: Effect.Effect<void, LedgerError>
  /** Runs statements in the next commit. */
  readonly transact: Writer["transact"]
  /** Writes nothing from now on if another process has the server id. */
  readonly fence: (fence: Fence) => void
  /** Whether no shares are in the spool. */
  readonly isSpoolClear: () => boolean
  /** Calls a function after each commit with its shares. The next commit waits for it. */
  readonly onCommit: (listener: Writer["afterCommit"]) => void
}

export class Ledger extends Context.Service<Ledger, LedgerCalls>()("sluice/ledger/Ledger") {
  static readonly layer = (options: LedgerOptions): Layer.Layer<Ledger, LedgerError> =>
    Layer.effect(Ledger, make(options)).pipe(
      Layer.provide(layerSql(options, { isDurable: options.acknowledge !== "written" }))
    )
}

/** A database, with its name in errors. */
const layerSql = (
  place: LedgerPlace,
  options: { readonly isDurable?: boolean; readonly isReadOnly?: boolean }
): Layer.Layer<LedgerSql | SqlClient.SqlClient, LedgerError> =>
  Layer.catch(
    "file" in place
      ? layerSqlite({ file: place.file, ...options })
      : layerPostgres({ url: place.postgres, ...options }),
    (error) => Layer.effectContext(Effect.fail(ledgerError(nameOf(place))(error)))
  )

const make = (options: LedgerOptions) =>
  Effect.gen(function* () {
    const { acknowledge, commitInterval, isUpgrade, patience, slice } = {
      ...ledgerDefaults,
      isUpgrade: false,
      ...options
    }
    const name = nameOf(options)
    const sql = yield* LedgerSql
    yield* prepareSchema({ isUpgrade })
    const users = new Users(sql)
    const books = new Books(sql, users)
    yield* books.refresh
    const shares = yield* Shares.open(sql, users, { sliceMs: Duration.toMillis(slice) })
    const spool =
      options.spool === undefined
        ? undefined
        : yield* Spool.open({ isDurable: acknowledge === "durable", ...options.spool })
    const writer = yield* makeWriter(sql, users, shares, { name, commitInterval, patience, spool })
    yield* registerMetrics({ counts: writer.counts, books, spool })
    const listeners: Array<Writer["afterCommit"]> = []
    writer.afterCommit = (stored, newestEntry) => {
      const heard =
        listeners.length === 0
          ? Effect.void
          : Effect.forEach(listeners, (listener) => listener(stored), { discard: true })
      return newestEntry === books.lastEntry ? heard : Effect.andThen(books.refresh, heard)
    }
    const run = yield* Effect.map(Effect.context<never>(), Effect.runForkWith)
    const fork: LedgerCalls["fork"] = (effect) => void run(effect)
    const recordLater: LedgerCalls["sink"]["recordLater"] = (accepted) => {
      const recording = writer.addAccepted(accepted)
      if (acknowledge !== "received") return recording
      recording.hurry()
      recording.onEnd((failure) => {
        if (failure !== undefined) fork(Effect.logError(`${accepted.length} shares may be lost: ${failure.message}`))
      })
      return Recording.done
    }
    return Ledger.of({
      name,
      sql,
      books,
      fork,
      lastSeq: () => shares.lastSeq,
      append: writer.add,
      refresh: writer.refresh,
      transact: writer.transact,
      fence: (fence) => void (shares.fence = fence),
      isSpoolClear: () => spool?.isClear ?? true,
      onCommit: (listener) => void listeners.push(listener),
      sink: {
        record: (accepted) => Effect.suspend(() => ended(recordLater(accepted))),
        recordLater
      }
    })
  }).pipe(Effect.mapError((error) => ledgerError(nameOf(options))(error)))

/** A ledger's database for reading, while others write to it. */
export const layerReading = (place: LedgerPlace): Layer.Layer<LedgerSql | SqlClient.SqlClient, LedgerError> =>
  Layer.effectDiscard(
    Effect.mapError(prepareSchema({ isReadOnly: true }), (error) => ledgerError(nameOf(place))(error))
  ).pipe(Layer.provideMerge(layerSql(place, { isReadOnly: true })))
