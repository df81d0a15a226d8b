/**
 * A share sink that appends accepted shares to a file, one line of JSON each. The operating system has the shares of one read
 * of a socket, in one write, before they are acknowledged: a server that is killed loses no share that a miner knows to be
 * accepted. It does not wait for the disk, so a machine that loses its power may lose the last seconds.
 */
import { hashToDisplay } from "@sluice/bitcoin"
import type { ShareAccepted } from "@sluice/channels"
import { Clock, Effect, Schema, type Scope } from "effect"
import { type ShareSink, ShareSinkError } from "./share-sink.ts"
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs"

/** One line. */
export const LoggedShare = Schema.Struct({
  /** Milliseconds since 1970. */
  at: Schema.Number,
  user: Schema.String,
  /** Who found it behind a proxy, where that is told. */
  worker: Schema.optionalKey(Schema.String),
  /** These three are one run's of the pool. */
  connectionId: Schema.Number,
  channelId: Schema.Number,
  sequenceNumber: Schema.Number,
  jobId: Schema.Number,
  /** Of the block that it could have been. */
  height: Schema.Number,
  /** What it counts. */
  difficulty: Schema.Number,
  /** Of its header, 64 hex digits in display order. No two lines have the same. */
  hash: Schema.String,
  block: Schema.Boolean
})
export type LoggedShare = typeof LoggedShare.Type

/** The file cannot be opened or written. */
export class ShareLogError extends Schema.TaggedError<ShareLogError>("sluice/mining-server/ShareLogError")(
  "ShareLogError",
  {
    path: Schema.String,
    cause: Schema.Defect()
  }
) {
  override get message(): string {
    const why = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `the share log ${this.path} cannot be written: ${why}`
  }
}

/** Opens the file to append to it, and closes it with the Scope. Warns where others can read one that was there. */
export const openShareLog = (path: string): Effect.Effect<ShareSink, ShareLogError, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const file = yield* Effect.acquireRelease(
      Effect.try({ try: () => openSync(path, "a+", OWNER_ONLY), catch: (cause) => new ShareLogError({ path, cause }) }),
      (file) => Effect.sync(() => closeSync(file))
    )
    if (process.platform !== "win32" && (fstatSync(file).mode & OTHERS) !== 0) {
      yield* Effect.logWarning(`Every user of this machine can read or write the share log ${path}; chmod 600 ${path}`)
    }
    yield* Effect.try({ try: () => endLine(file), catch: (cause) => new ShareLogError({ path, cause }) })
    /** Whether a write that failed left half a line that could not be taken back. */
    let isTorn = false
    const write = (shares: ReadonlyArray<ShareAccepted>): void => {
      const at = clock.currentTimeMillisUnsafe()
      let lines = isTorn ? "\n" : ""
      for (const share of shares) lines += `${JSON.stringify(lineOf(share, at))}\n`
      const bytes = Buffer.from(lines)
      let written = 0
      try {
        // A write may take less than all of it, and the next one then fails: on a full disk, for example.
        while (written < bytes.length) written += writeSync(file, bytes, written)
        isTorn = false
      } catch (cause) {
        if (written > 0) isTorn = !takeBack(file, written) || isTorn
        throw cause
      }
    }
    return {
      record: (shares) =>
        Effect.try({
          try: () => write(shares),
          catch: (cause) => new ShareSinkError({ message: new ShareLogError({ path, cause }).message })
        })
    }
  })

const lineOf = (share: ShareAccepted, at: number): LoggedShare => {
  const { channel, difficulty, hash, height, isBlock, jobId, sequenceNumber, worker } = share
  const { channelId, connectionId, userIdentity } = channel
  return {
    at,
    user: userIdentity,
    ...(worker === undefined ? {} : { worker }),
    connectionId,
    channelId,
    sequenceNumber,
    jobId,
    height,
    difficulty,
    hash: hashToDisplay(hash),
    block: isBlock
  }
}

/** A process that was killed within a write may have left half a line, of shares that were not acknowledged. */
const endLine = (file: number): void => {
  const { size } = fstatSync(file)
  if (size === 0) return
  const last = new Uint8Array(1)
  readSync(file, last, 0, 1, size - 1)
  if (last[0] !== LINE_FEED) writeSync(file, Uint8Array.of(LINE_FEED))
}

const LINE_FEED = 0x0a
/** Of a file that is made: who mines how much is nobody else's business. */
const OWNER_ONLY = 0o600
/** Reading and writing by those who neither own the file nor are of its group. */
const OTHERS = 0o006

/** Shortens the file by what a write that failed put there; false where it cannot be, as in a file only to append to. */
const takeBack = (file: number, written: number): boolean => {
  try {
    ftruncateSync(file, fstatSync(file).size - written)
    return true
  } catch {
    return false
  }
}
