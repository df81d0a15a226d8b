/**
 * Standard output and standard error of this process. Neither blocks on a pipe, and neither ends the process when it cannot
 * be written: log lines are dropped and counted, and who needs the reader of standard output watches `outputLost`.
 */
import { Console, Effect } from "effect"
import { writeSync } from "node:fs"
import { format } from "node:util"
import { LineWriter } from "./line-writer.ts"

/** About ten thousand lines. */
const MAX_WAITING = 1 << 20
/** What may wait of standard output while more is made. */
const ROOM = 1 << 16

const writerTo = (stream: NodeJS.WriteStream & { readonly fd: number }, maxWaiting: number): LineWriter => {
  // Making the stream, which this has done, is what lets writes to a pipe fail with EAGAIN instead of blocking. Only Node
  // writes to it, its own warnings; without a listener a reader that is gone would end the process.
  stream.on("error", () => {})
  return new LineWriter({ maxWaiting, write: (bytes) => writeSync(stream.fd, bytes) })
}

/** For log lines: what its reader does is no reason to stop or to slow down. */
export const stderr = writerTo(process.stderr, MAX_WAITING)

/** For what a program was asked for: nothing is dropped for a slow reader, unless it says `withoutReader`. */
export const stdout = writerTo(process.stdout, Infinity)

/** Effect's Console over the two. */
export const console: Console.Console = {
  ...globalThis.console,
  log: (...parts) => stdout.print(format(...parts)),
  error: (...parts) => stderr.print(format(...parts))
}

/** Prints a line of many, and waits while the reader of standard output has much to read. */
export const print = (line: string): Effect.Effect<void> => Effect.andThen(Console.log(line), outputRoom)

/** Waits while the reader of standard output has much to read. */
export const outputRoom: Effect.Effect<void> = Effect.suspend(() =>
  stdout.waitingBytes <= ROOM ? Effect.void : Effect.promise(() => stdout.settled(ROOM))
)

/** Completes with the reason when standard output cannot be written from now on. */
export const outputLost: Effect.Effect<NodeJS.ErrnoException> = Effect.callback((resume) => {
  stdout.onFailed = (failure) => resume(Effect.succeed(failure))
})

/**
 * From here on lines of standard output that cannot be written, or that a slow reader is too far behind to get, are dropped,
 * with a line in the log: for programs that serve others besides who reads what they print.
 */
export const withoutReader: Effect.Effect<void> = Effect.gen(function* () {
  const runSync = Effect.runSyncWith(yield* Effect.context<never>())
  let isTold = false
  stdout.maxWaiting = MAX_WAITING
  stdout.onFailed = ({ message }) => {
    if (isTold) return
    isTold = true
    runSync(
      Effect.logWarning(`Standard output cannot be written: its lines are dropped, connections go on (${message})`)
    )
  }
  stdout.onResumed = () => {
    isTold = false
    runSync(Effect.logWarning("Standard output is written again; lines were dropped", { droppedSoFar: stdout.dropped }))
  }
})

/** How long a reader of the log, or of a service's output, is waited for at the end. */
const LAST_LINES_MS = 1000

/**
 * Waits for what is not written yet, without a limit for what a program was asked for; and gives the reason where that could
 * not be written though somebody wants it.
 */
export const flushed = async (): Promise<NodeJS.ErrnoException | undefined> => {
  const isWanted = stdout.maxWaiting === Infinity
  await Promise.all([stdout.settled(0, isWanted ? Infinity : LAST_LINES_MS), stderr.settled(0, LAST_LINES_MS)])
  return isWanted && stdout.failure?.code !== "EPIPE" ? stdout.failure : undefined
}
