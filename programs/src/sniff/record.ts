/** The file of a recording: whole lines, up to a limit. */
import { Effect, FileSystem, type Scope, Semaphore } from "effect"
import { reasonOf } from "../config/read-text.ts"
import { ProgramError } from "../command/report.ts"

/** Lines that are to be written; it never fails, and waits until the system has them. */
export type Record = (lines: ReadonlyArray<string>) => Effect.Effect<void>

/**
 * Opens a new file for its owner alone: what passes between a miner and its pool is nobody else's affair. What is there is
 * never overwritten. Where the limit is reached or the disk is full the recording ends, with a line in the log.
 */
export const openRecording = Effect.fnUntraced(function* (
  path: string,
  maxBytes: number
): Effect.fn.Return<Record, ProgramError, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const file = yield* Effect.mapError(
    fs.open(path, { flag: "wx", mode: 0o600 }),
    (error) => new ProgramError({ program: "sniff", message: `cannot record to ${path}: ${reasonOf(error)}` })
  )
  const turn = yield* Semaphore.make(1)
  let left = maxBytes
  let isOver = false
  return (lines) =>
    Effect.suspend(() => {
      if (isOver) return Effect.void
      const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""))
      if (bytes.length > left) {
        isOver = true
        return Effect.logWarning(`The recording has reached its limit and ends; connections go on (${path})`)
      }
      left -= bytes.length
      return Effect.catch(file.writeAll(bytes), (error) => {
        isOver = true
        return Effect.logError(`The recording ends: cannot write to ${path}: ${reasonOf(error)}`)
      })
    }).pipe(
      // A line that was begun is written to its end.
      Effect.uninterruptible,
      turn.withPermits(1)
    )
})
