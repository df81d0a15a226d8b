/** `sluice start`: runs all programs of a folder that `sluice init` has made, in this process, until one ends. */
import { Effect, FileSystem } from "effect"
import { Argument, Command } from "effect/cli"
import { join } from "node:path"
import { ProgramError } from "../command/report.ts"
import { summaries } from "../command/summaries.ts"
import { runProgram, STARTED } from "./run-program.ts"

export const start = Command.make(
  "start",
  { folder: Argument.String("FOLDER").pipe(Argument.withDescription("The folder that `sluice init` has written.")) },
  Effect.fnUntraced(function* ({ folder }) {
    const fs = yield* FileSystem.FileSystem
    const files = STARTED.map((name) => ({ name, file: join(folder, `${name}.toml`) }))
    const found = yield* Effect.filter(files, ({ file }) => Effect.orElseSucceed(fs.exists(file), () => false))
    if (found.length === 0) {
      const message = `there is no ${files.map(({ file }) => file).join(" or ")}: run sluice init first`
      return yield* new ProgramError({ program: "start", message })
    }
    yield* Effect.raceAllFirst(
      found.map(({ file, name }) => Effect.annotateLogs(runProgram(name, file), "program", name))
    )
  })
).pipe(
  Command.withDescription(`${summaries.start} Each can also be run alone, with --config and its file.`),
  Command.withShortDescription(summaries.start)
)
