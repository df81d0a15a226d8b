/**
 * A program of the CLI, made of a configuration and a function to run. Flags, help and `sluice NAME config` are made from the
 * configuration.
 */
import { escaped } from "@sluice/protocol/printable"
import { Console, Effect, type Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { effectiveToml, exampleToml } from "../config/example.ts"
import { ConfigurationInForce, keysInForce } from "../config/in-force.ts"
import { type KeyInfo, keysOf, variableOf } from "../config/key.ts"
import { load, type ProgramConfig } from "../config/load.ts"
import { OptionNames } from "../config/option-names.ts"
import { layerLogging, type LoggingConfig } from "../output/logging.ts"
import { type Link, link } from "../workers/link.ts"
import type { Start } from "../workers/messages.ts"
import type { Worker } from "../workers/worker.ts"
import { FaultsFound, ProgramError } from "./report.ts"

/** Makes the command `sluice NAME` and its subcommand `sluice NAME config`. */
export const program = <A extends LoggingConfig, E extends { readonly message: string }, R>(
  options: ProgramConfig<A> & {
    readonly description: string
    readonly run: (config: A, beginning: Beginning) => Effect.Effect<void, E, R>
  }
) => {
  const { flags, loadFrom, note } = configured(options)
  const optionNames = new OptionNames(keysOf(options.program, options.schema.fields))
  const example = Flag.Boolean("example").pipe(
    Flag.withDescription("Print a configuration file that documents every key."),
    Flag.withDefault(false)
  )
  const config = Command.make("config", { example, ...flags }, ({ example, ...input }) =>
    example
      ? Console.log(exampleToml(options).trimEnd())
      : Effect.flatMap(loadFrom(input), ({ given, warnings }) =>
          Effect.andThen(printWarnings(options.program, warnings), Console.log(effectiveToml(options, given)))
        )
  ).pipe(
    Command.withDescription(
      `Check the configuration of sluice ${options.program} and print what is in force, without starting anything.`
    ),
    Command.withShortDescription("Check and print the configuration; --example documents every key.")
  )
  const run = (config: A, beginning: Beginning) =>
    options.run(config, beginning).pipe(
      Effect.tapDefect((defect) =>
        Effect.logDebug("The program has a bug: it failed with an unexpected error", defect)
      ),
      Effect.mapError((error) =>
        error instanceof FaultsFound
          ? error
          : new ProgramError({ program: options.program, message: optionNames.describe(error) })
      )
    )
  const logging = (config: A) => layerLogging(config, optionNames.replace)
  return Command.make(options.program, flags, (input) =>
    Effect.gen(function* () {
      if (link !== undefined) return yield* runWorker(link, options, run, logging)
      const { config, given, warnings } = yield* loadFrom(input)
      const values = Array.from(given, ([name, { raw }]) => [name, raw] as const)
      yield* logWarnings(warnings).pipe(
        Effect.andThen(run(config, { given: values, worker: undefined })),
        Effect.provideService(ConfigurationInForce, keysInForce(options, given)),
        Effect.provide(logging(config))
      )
    })
  ).pipe(
    Command.withDescription([options.description, "", ...note].join("\n  ")),
    Command.withShortDescription(options.description),
    Command.withSubcommands([config])
  )
}

/** How a program began. */
export interface Beginning {
  /** The values of its configuration that are given, before they are decoded. */
  readonly given: Start["given"]
  /** Its part, if it is one of several workers. */
  readonly worker: Worker | undefined
}

/** Runs the program as a worker: with the configuration of its primary, which also tells people of its failure. */
const runWorker = <A, E extends { readonly message: string }, R>(
  link: Link,
  options: ProgramConfig<A>,
  run: (config: A, beginning: Beginning) => Effect.Effect<void, E, R>,
  logging: (config: A) => Layer.Layer<never>
) =>
  Effect.gen(function* () {
    const start = yield* Effect.promise(() => link.start)
    const { given, number } = start
    const { config } = yield* load(options, { flags: new Map(given), environment: {}, file: undefined })
    yield* run(config, { given, worker: { link, start } }).pipe(
      Effect.raceFirst(Effect.promise(() => link.stopped)),
      Effect.annotateLogs("worker", number),
      Effect.provide(logging(config))
    )
  }).pipe(
    Effect.catch((error) =>
      Effect.andThen(link.sendNow({ _tag: "Failed", message: error.message }), Effect.fail(new FaultsFound()))
    ),
    Effect.ensuring(Effect.sync(() => link.close()))
  )

/** Logs warnings, for programs that log. */
export const logWarnings = (warnings: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })

/** Prints warnings to stderr, for programs that do not log. */
export const printWarnings = (program: string, warnings: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.forEach(warnings, (warning) => Console.error(`sluice ${program}: warning: ${escaped(warning)}`), {
    discard: true
  })

/** The flags of a configuration, and the function that loads it from their values. */
export const configured = <A>(options: ProgramConfig<A>) => {
  const keys = keysOf(options.program, options.schema.fields)
  const first = keys[0]!
  return {
    flags: { config: configFlag(options.program), ...flagsOf(keys) },
    loadFrom: ({ config, ...rest }: Readonly<Record<string, Option.Option<string | boolean>>>) =>
      load(options, {
        flags: new Map(
          Object.entries(rest).flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value] as const] : []))
        ),
        environment: process.env,
        file: config === undefined ? undefined : Option.getOrUndefined(Option.map(config, String))
      }),
    /** A note for the help: the other places where a key can be given. */
    note: [
      `Every flag is also a key of the configuration file and an environment variable: --${first.name} is`,
      `${first.name} in the file and ${first.variable}. Flags win over variables, variables over the file.`
    ]
  }
}

const configFlag = (program: string) =>
  Flag.String("config").pipe(
    Flag.withMetavar("FILE.toml"),
    Flag.withDescription(`The configuration file; or ${variableOf(program, "config")}.`),
    Flag.optional
  )

/** Flags take text, which config/load.ts decodes, so that an error reads the same for flags, variables and files. */
const flagsOf = (keys: ReadonlyArray<KeyInfo>): Record<string, Flag.Flag<Option.Option<string | boolean>>> =>
  Object.fromEntries(
    keys.flatMap((key) => {
      const described = flagOf(key)
      if (!key.value.secret) return [[key.name, described]]
      const name = `${key.name}-file`
      const inFile = Flag.String(name).pipe(
        Flag.withMetavar("FILE"),
        Flag.withDescription("A file that holds it, to keep it off the command line."),
        Flag.optional
      )
      return [
        [key.name, described],
        [name, inFile]
      ]
    })
  )

/** The flag of a list may be given several times, each with one value or more. */
const flagOf = (key: KeyInfo): Flag.Flag<Option.Option<string | boolean>> => {
  const { kind, metavar, separator } = key.value
  const described = <A>(flag: Flag.Flag<A>) => flag.pipe(Flag.withMetavar(metavar), Flag.withDescription(help(key)))
  if (separator === undefined) {
    return Flag.optional(
      described<string | boolean>(kind === "boolean" ? Flag.Boolean(key.name) : Flag.String(key.name))
    )
  }
  return described(Flag.String(key.name)).pipe(
    Flag.atLeast(0),
    Flag.map((texts) => (texts.length === 0 ? Option.none() : Option.some(texts.join(separator))))
  )
}

const help = (key: KeyInfo): string => {
  if (key.default !== undefined) return `${key.description} Default: ${key.default}.`
  return key.required ? `${key.description} Required.` : key.description
}
