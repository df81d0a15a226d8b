/**
 * A share sink that appends accepted shares to a file, one line of JSON each. It writes the shares of one read of a socket to the
 * operating system, in one write, before they are acknowledged: a server that is killed loses no acknowledged share. It does not
 * wait for the disk, so a machine that loses power may lose the last seconds.
 */
import { hashToDisplay } from "@sluice/bitcoin"
import type { ShareAccepted } from "@sluice/channels"
import { Clock, Effect, Schema, type Scope } from "effect"
import { Recording, type ShareSink, ShareSinkError } from "./share-sink.ts"
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs"

/** One line. */
export const LoggedShare = Schema.Struct({
  /** Milliseconds since 1970. */
  at: Schema.Number,
  user: Schema.String,
  /** The worker behind a proxy that found the share, if the proxy names it. */
  worker: Schema.optionalKey(Schema.String),
  /** These three are unique only within one run of the server. */
  connectionId: Schema.Number,
  channelId: Schema.Number,
  sequenceNumber: Schema.Number,
  jobId: Schema.Number,
  /** The height of the block that the share could have been. */
  height: Schema.Number,
  /** The difficulty that the share is credited with. */
  difficulty: Schema.Number,
  /** The hash of the header, 64 hex digits in display order. It is different in each line. */
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

/** Opens the file to append to it, and closes it with the Scope. Warns if other users can read or write the file. */
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
    /** Whether a failed write left half a line in the file that could not be removed. */
    let isTorn = false
    const write = (shares: ReadonlyArray<ShareAccepted>): void => {
      const at = clock.currentTimeMillisUnsafe()
      let lines = isTorn ? "\n" : ""
      for (const share of shares) lines += `${JSON.stringify(lineOf(share, at))}\n`
      const bytes = Buffer.from(lines)
      let written = 0
      try {
        // A write may take only a part, and the next one then fails: on a full disk, for example.
        while (written < bytes.length) written += writeSync(file, bytes, written)
        isTorn = false
      } catch (cause) {
        if (written > 0) isTorn = !takeBack(file, written) || isTorn
        throw cause
      }
    }
    const failureOf = (cause: unknown) => new ShareSinkError({ message: new ShareLogError({ path, cause }).message })
    return {
      record: (shares) => Effect.try({ try: () => write(shares), catch: failureOf }),
      recordLater: (shares) => {
        try {
          write(shares)
          return Recording.done
        } catch (cause) {
          return Recording.failed(failureOf(cause))
        }
      }
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

/** Ends a half line that a process killed during a write may have left; its shares were not acknowledged. */
const endLine = (file: number): void => {
  const { size } = fstatSync(file)
  if (size === 0) return
  const last = new Uint8Array(1)
  readSync(file, last, 0, 1, size - 1)
  if (last[0] !== LINE_FEED) writeSync(file, Uint8Array.of(LINE_FEED))
}

const LINE_FEED = 0x0a
/** The mode of a new file: other users must not see who mines how much. */
const OWNER_ONLY = 0o600
/** Read and write permission for users that are neither the owner nor in the group. */
const OTHERS = 0o006

/** Removes the bytes of a failed write from the end of the file. Returns false if it cannot, as with an append-only file. */
const takeBack = (file: number, written: number): boolean => {
  try {
    ftruncateSync(file, fstatSync(file).size - written)
    return true
  } catch {
    return false
  }
}
