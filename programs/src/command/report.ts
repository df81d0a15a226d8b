/**
 * Prints failures for people and chooses the exit status. The status is 0 after the work is done and after SIGINT or SIGTERM,
 * 2 when the command line, the configuration or the environment (a port in use) prevents the start, and 1 for anything else.
 */
import { escaped } from "@sluice/protocol/printable"
import { Cause, Console, Effect, Exit, Schema } from "effect"
import { CliError } from "effect/cli"
import { ConfigError } from "../config/config-error.ts"
import { withoutUserinfo } from "../config/userinfo.ts"

/** The command line is right, but the program cannot run. The message says why. */
export class ProgramError extends Schema.TaggedError<ProgramError>()("ProgramError", {
  program: Schema.String,
  message: Schema.String
}) {}

/** The program ran and printed faults that it found, such as broken rules. Nothing more is printed; the status is 1. */
export class FaultsFound extends Schema.TaggedError<FaultsFound>()("FaultsFound", {}) {}

/** Runs the program and gives the exit status. Prints one line for each problem, and never a stack trace. */
export const report = <E, R>(main: Effect.Effect<void, E, R>): Effect.Effect<number, never, R> =>
  main.pipe(
    Effect.as(0),
    Effect.catchCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.succeed(0)
      const { lines, status } = describe(Cause.squash(cause))
      return lines.length === 0
        ? Effect.succeed(status)
        : Effect.as(Console.error(lines.map(escaped).join("\n")), status)
    })
  )

/** The exit status of the process. An interrupt by a signal is an orderly end, with status 0. */
export const statusOf = (exit: Exit.Exit<unknown, unknown>): number => {
  const status = Exit.isSuccess(exit) ? exit.value : 0
  return typeof status === "number" ? status : 0
}

const describe = (error: unknown): { readonly lines: ReadonlyArray<string>; readonly status: number } => {
  if (error instanceof ConfigError) {
    const command = `sluice ${error.program}`
    return {
      lines: [...error.problems.map((problem) => `${command}: ${problem}`), `See \`${command} --help\`.`],
      status: 2
    }
  }
  if (CliError.isCliError(error)) {
    if (error._tag !== "ShowHelp") return { lines: [`sluice: ${oneLine(error.message)}`], status: 2 }
    const command = error.commandPath.join(" ")
    const wrong = worthPrinting(error.errors).map((one) => `${command}: ${describeUsage(one)}`)
    return { lines: wrong.length === 0 ? [] : [...wrong, `See \`${command} --help\`.`], status: 2 }
  }
  if (error instanceof FaultsFound) return { lines: [], status: 1 }
  if (error instanceof ProgramError) {
    return { lines: [`sluice ${error.program}: ${oneLine(error.message)}`], status: 2 }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { lines: [`sluice: unexpected error: ${oneLine(message)}`], status: 1 }
}

/** The errors to print. The value of an unknown flag is also reported as an unknown command: only the flag is worth printing. */
const worthPrinting = (errors: ReadonlyArray<CliError.NonShowHelpErrors>) => {
  const flags = errors.filter((error) => error._tag === "UnrecognizedOption")
  return flags.length > 0 ? flags : errors
}

const describeUsage = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `there is no flag ${error.option}${didYouMean(error.suggestions)}`
    case "UnknownSubcommand":
      return `there is no command ${withoutUserinfo(error.subcommand)}${didYouMean(error.suggestions)}`
    case "InvalidValue":
      if (error.value.endsWith("occurrences")) return `--${error.option} is given more than once`
      return error.value === ""
        ? `--${error.option} needs a value: ${error.expected}`
        : `--${error.option}: expected ${error.expected}, got ${JSON.stringify(withoutUserinfo(error.value))}`
    default:
      return oneLine(error.message)
  }
}

const didYouMean = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : `; did you mean ${suggestions.join(" or ")}?`

const oneLine = (message: string): string => message.replaceAll(/\s*\n\s*/g, " ")
