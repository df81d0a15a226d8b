/** Writes a recording to a file: whole lines, up to a limit of bytes. */
import { Effect, FileSystem, type Scope, Semaphore } from "effect"
import { reasonOf } from "../config/read-text.ts"
import { ProgramError } from "../command/report.ts"

/** Writes lines, and completes when the operating system has them. It never fails. */
export type Record = (lines: ReadonlyArray<string>) => Effect.Effect<void>

/**
 * Opens a new file that only its owner can read, since a recording shows who mines what for whom. It never overwrites a file. At
 * the limit, or when the disk is full, the recording ends with a log line.
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
        return Effect.logWarning(`The recording ends because it reached its limit; connections go on (${path})`)
      }
      left -= bytes.length
      return Effect.catch(file.writeAll(bytes), (error) => {
        isOver = true
        return Effect.logError(`The recording ends: cannot write to ${path}: ${reasonOf(error)}`)
      })
    }).pipe(
      // An interrupt never leaves a line incomplete.
      Effect.uninterruptible,
      turn.withPermits(1)
    )
})
