/**
 * A lock on a file that the operating system releases when its process ends, however it ends. Node has no such call, so this is
 * SQLite's lock of an empty database beside the file.
 */
import { Duration, Effect, Schedule, type Scope } from "effect"
import { closeSync, openSync } from "node:fs"
import { resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { LedgerError } from "../ledger-error.ts"

/** A process that was told to end may still have the file. */
const PATIENCE = Duration.seconds(2)
const RETRY = Duration.millis(100)
const OWNER_ONLY = 0o600
/** SQLITE_BUSY: another connection has the lock, in this process or another one. */
const BUSY = 5

/** Locks a file until the Scope closes. `inUse` is the error if somebody else keeps the lock. */
export const lockFile = (file: string, inUse: LedgerError): Effect.Effect<void, LedgerError, Scope.Scope> => {
  const path = `${resolve(file)}.lock`
  const take = Effect.try({
    try: () => openLocked(path),
    catch: (cause) =>
      isBusy(cause)
        ? inUse
        : new LedgerError({
            message: `the lock ${path} cannot be taken: ${cause instanceof Error ? cause.message : String(cause)}`
          })
  })
  const taken = Effect.retry(take, {
    schedule: Schedule.upTo(Schedule.spaced(RETRY), { duration: PATIENCE }),
    while: (error) => error === inUse
  })
  return Effect.asVoid(Effect.acquireRelease(taken, (database) => Effect.sync(() => database.close())))
}

const openLocked = (path: string): DatabaseSync => {
  createOnce(path)
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    // Nothing is written, so the transaction leaves no journal behind.
    database.exec("BEGIN EXCLUSIVE")
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** With a file that is there, `close` would end the lock that this process has on it. */
const createOnce = (path: string): void => {
  try {
    closeSync(openSync(path, "ax", OWNER_ONLY))
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error
  }
}

const isBusy = (cause: unknown): boolean =>
  cause instanceof Error && "errcode" in cause && (Number(cause.errcode) & 0xff) === BUSY
const isCode = (cause: unknown, code: string): boolean =>
  cause instanceof Error && "code" in cause && cause.code === code
