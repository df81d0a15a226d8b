/** `sluice init`: asks what somebody wants to be, writes the configuration and keys for it, tries them, and says what to do next. */
import { Console, Effect } from "effect"
import { Command, TerminalCapabilities } from "effect/cli"
import { networkInterfaces } from "node:os"
import { basename } from "node:path"
import { configured, printWarnings } from "../command/program.ts"
import { FaultsFound } from "../command/report.ts"
import { summaries } from "../command/summaries.ts"
import type { Answers } from "./answers.ts"
import { Asker, layerNobody, layerTerminal, refuse } from "./asker.ts"
import { InitConfig } from "./config.ts"
import { type Files, filesOf, type Keys, programsOf } from "./files.ts"
import { commandOf, lanAddressOf, nextSteps, serversHere } from "./next-steps.ts"
import type { Beginning } from "./ask.ts"
import { askAll } from "./questions.ts"
import { trial } from "./trial.ts"
import { existing, keysOf, writeAll } from "./write.ts"

const { flags, loadFrom, note } = configured(InitConfig)

export const init = Command.make(
  "init",
  flags,
  Effect.fnUntraced(function* (input) {
    const { config, given, warnings } = yield* loadFrom(input)
    yield* printWarnings("init", warnings)
    const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
    if (!config.yes && !canPrompt) {
      return yield* refuse(
        "there is no terminal to ask in: give --role and --yes, and the other answers as flags (`sluice init --help` lists them)"
      )
    }
    yield* setUp({ config, given }).pipe(Effect.provide(config.yes ? layerNobody : layerTerminal))
  })
).pipe(
  Command.withDescription(
    [summaries.init, "", "Each question has a flag. Ctrl-C stops it, and nothing is written.", ...note].join("\n  ")
  ),
  Command.withShortDescription(summaries.init)
)

/** Asks, writes, tries, and says what to do next. */
export const setUp = Effect.fn("Init.setUp")(function* (beginning: Beginning) {
  const asker = yield* Asker
  const answers = yield* askAll(beginning)
  const { folder } = answers
  const programs = programsOf(answers)
  yield* mayReplace(yield* existing(folder, programs), beginning.config.replace)
  const keys = yield* keysOf(folder, programs)
  const files = filesOf(answers, keys)
  const warnings = yield* writeAll(files)
  const names = [...files.programs.map(({ path }) => path), ...files.secrets.keys()].map((path) => basename(path))
  yield* asker.say(
    `Wrote ${names.join(", ")} to ${folder}. Keep a copy of the .key files, and keep them secret: miners know you by your key.`
  )
  yield* printWarnings("init", warnings)
  const isGood = beginning.config.noTrial || (yield* tryOut(answers, files, keys))
  const here = { command: commandOf(process.env), lanAddress: lanAddressOf(networkInterfaces()) }
  yield* asker.say(`\n${nextSteps(answers, files, keys, here)}`)
  if (!isGood) return yield* new FaultsFound()
})

/** Fails unless there are no such files, or they may be replaced. */
const mayReplace = Effect.fnUntraced(function* (paths: ReadonlyArray<string>, isAllowed: boolean) {
  if (paths.length === 0 || isAllowed) return
  const asker = yield* Asker
  const names = paths.join(" and ")
  if (!asker.isPerson)
    return yield* refuse(`${names}: there is a file already; --replace replaces it, or give another --folder`)
  const yes = yield* asker.confirm({ message: `Replace ${names}? The keys stay`, initial: false })
  if (!yes) return yield* refuse("stopped; nothing was written")
})

/** Starts the programs for a moment, and says how it went. */
const tryOut = Effect.fnUntraced(function* (answers: Answers, files: Files, keys: Keys) {
  const asker = yield* Asker
  const node = answers.source?._tag === "Node" ? answers.source.node : undefined
  if (node?.noTemplate !== undefined) {
    yield* asker.say(
      "It cannot be tried yet, because the node has no work to give. It begins by itself when the node is ready."
    )
    return true
  }
  yield* asker.say("Trying it: starting it for a moment, and asking for work as a miner does ...")
  const user = answers.payoutScheme === "none" ? "trial" : `${answers.payoutAddress}.trial`
  const { isGood, remarks } = yield* trial(files.programs, serversHere(answers, keys), user)
  if (isGood) {
    yield* asker.say("It works: a miner gets work.")
    if (remarks.length > 0) yield* asker.say(["But there are warnings:", ...remarks].join("\n"))
    return true
  }
  yield* Console.error(
    ["The files are written, but they do not work yet:", ...remarks, "Mend it, then start it."].join("\n")
  )
  return false
})
