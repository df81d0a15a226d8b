/**
 * Standard output and standard error of this process. Neither blocks on a pipe, and neither ends the process when it cannot
 * be written. Log lines are dropped and counted; a program that needs the reader of its standard output watches `outputLost`.
 */
import { Console, Effect } from "effect"
import { writeSync } from "node:fs"
import { format } from "node:util"
import { LineWriter } from "./line-writer.ts"

/** About ten thousand lines. */
const MAX_WAITING = 1 << 20
/** Bytes of standard output that may wait while a program makes more. */
const ROOM = 1 << 16

const writerTo = (stream: NodeJS.WriteStream & { readonly fd: number }, maxWaiting: number): LineWriter => {
  // Since the stream exists, writes to a pipe fail with EAGAIN instead of blocking. Only Node writes to the stream itself, its
  // warnings. Without a listener, an error of the stream, such as a reader that is gone, would end the process.
  stream.on("error", () => {})
  return new LineWriter({ maxWaiting, write: (bytes) => writeSync(stream.fd, bytes) })
}

/** For log lines. A slow or missing reader neither stops the program nor slows it down. */
export const stderr = writerTo(process.stderr, MAX_WAITING)

/** For a program's results. Nothing is dropped for a slow reader, unless the program runs `withoutReader`. */
export const stdout = writerTo(process.stdout, Infinity)

/** Effect's Console over both streams. */
export const console: Console.Console = {
  ...globalThis.console,
  log: (...parts) => stdout.print(format(...parts)),
  error: (...parts) => stderr.print(format(...parts))
}

/** Prints one of many lines, then waits while much output is unread. */
export const print = (line: string): Effect.Effect<void> => Effect.andThen(Console.log(line), outputRoom)

/** Waits while much output is unread. */
export const outputRoom: Effect.Effect<void> = Effect.suspend(() =>
  stdout.waitingBytes <= ROOM ? Effect.void : Effect.promise(() => stdout.settled(ROOM))
)

/** Completes with the error when standard output can no longer be written. */
export const outputLost: Effect.Effect<NodeJS.ErrnoException> = Effect.callback((resume) => {
  stdout.onFailed = (failure) => resume(Effect.succeed(failure))
})

/**
 * Makes the program independent of the reader of standard output: from here on, lines that cannot be written or for which the
 * reader is too slow are dropped, and a log line says so. For programs that serve clients while they print.
 */
export const withoutReader: Effect.Effect<void> = Effect.gen(function* () {
  const runSync = Effect.runSyncWith(yield* Effect.context<never>())
  let isLogged = false
  stdout.maxWaiting = MAX_WAITING
  stdout.onFailed = ({ message }) => {
    if (isLogged) return
    isLogged = true
    runSync(
      Effect.logWarning(`Standard output cannot be written (${message}): its lines are dropped, connections go on`)
    )
  }
  stdout.onResumed = () => {
    isLogged = false
    runSync(
      Effect.logWarning("Standard output can be written again; lines were dropped", { droppedSoFar: stdout.dropped })
    )
  }
})

/** How long the program waits at its end for a reader of its log, or of the output of a service. */
const LAST_LINES_MS = 1000

/**
 * Waits until all lines are written: results without a time limit, log lines for a second. Gives the error if results could not
 * be written although their reader is still there.
 */
export const flushed = async (): Promise<NodeJS.ErrnoException | undefined> => {
  const isWanted = stdout.maxWaiting === Infinity
  await Promise.all([stdout.settled(0, isWanted ? Infinity : LAST_LINES_MS), stderr.settled(0, LAST_LINES_MS)])
  return isWanted && stdout.failure?.code !== "EPIPE" ? stdout.failure : undefined
}
