/** Runs `sluice ARGS` in this process, for commands that end by themselves. */
import { Console, Effect } from "effect"
import { sluice } from "../src/sluice.ts"
import type { Finished } from "@sluice/testing/program"

export const run = (args: ReadonlyArray<string>): Promise<Finished> => {
  const stdout: Array<string> = []
  const stderr: Array<string> = []
  const console: Console.Console = {
    ...globalThis.console,
    log: (...line) => stdout.push(line.join(" ")),
    error: (...line) => stderr.push(line.join(" "))
  }
  const text = (lines: ReadonlyArray<string>): string => lines.map((line) => `${line}\n`).join("")
  return Effect.runPromise(Effect.provideService(sluice(args), Console.Console, console)).then((status) => ({
    status,
    stdout: text(stdout),
    stderr: text(stderr)
  }))
}
