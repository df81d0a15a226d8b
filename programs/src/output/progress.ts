/** A bar for long work, on the terminal of standard error. Elsewhere nothing is printed. */
import { Effect } from "effect"
import { stderr } from "./streams.ts"

const WIDTH = 30
/** The time between two pictures of the bar, in milliseconds. */
const INTERVAL = 100

/** Runs the work with a function that takes how much of it is done, from 0 to 1. The bar is gone when the work is done. */
export const withProgress = <A, E, R>(
  what: string,
  work: (progress: (part: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  if (process.stderr.isTTY !== true) return work(() => Effect.void)
  let drawn = 0
  const progress = (part: number) =>
    Effect.sync(() => {
      if (performance.now() - drawn < INTERVAL) return
      drawn = performance.now()
      stderr.write(`\r${barLine(what, part)}`)
    })
  return Effect.ensuring(
    work(progress),
    Effect.sync(() => stderr.write("\r\u001b[K"))
  )
}

/** `audit [#######-----] 58 %`. */
export const barLine = (what: string, part: number): string => {
  const done = Math.round(Math.min(1, Math.max(0, part)) * WIDTH)
  return `${what} [${"#".repeat(done)}${"-".repeat(WIDTH - done)}] ${Math.floor(part * 100)} %`
}
