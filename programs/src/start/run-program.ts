/** Runs a program of this command within this process, with its configuration file. */
import { Effect } from "effect"
import { Command } from "effect/cli"

/** The programs that `sluice init` sets up, in the order in which they start. */
export const STARTED = ["template-provider", "pool", "proxy"] as const
export type StartedName = (typeof STARTED)[number]

export const runProgram = (name: StartedName, file: string, ...flags: ReadonlyArray<string>) =>
  loadProgram(name).pipe(
    Effect.flatMap((program) => Command.runWith(program, { version: "" })(["--config", file, ...flags]))
  )

export const loadProgram = (name: StartedName) => Effect.promise(() => programs[name]())

const programs = {
  "template-provider": () => import("../template-provider/main.ts").then((module) => module.templateProvider),
  pool: () => import("../pool/main.ts").then((module) => module.pool),
  proxy: () => import("../proxy/main.ts").then((module) => module.proxy)
}
