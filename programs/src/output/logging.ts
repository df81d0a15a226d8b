/** Logging of programs: to stderr, for people on a terminal, one line an event elsewhere. stdout is for results. */
import { Array, Console, Effect, Layer, Logger, References } from "effect"
import { defaulted } from "../config/key.ts"
import { choice } from "../config/value.ts"
import { jsonLine, logfmtLine, prettyLine } from "./log-line.ts"
import { stderr } from "./streams.ts"

/** The keys about logging that every program has. */
export const loggingKeysWith = (level: "info" | "warn") => ({
  logLevel: defaulted(choice(["trace", "debug", "info", "warn", "error", "none"]), {
    description: "The least severe level that is logged.",
    default: level
  }),
  logFormat: defaulted(choice(["auto", "pretty", "logfmt", "json"]), {
    description: "How log lines look. auto is pretty on a terminal and logfmt elsewhere. Logs go to stderr.",
    default: "auto"
  })
})

export const loggingKeys = loggingKeysWith("info")

export interface LoggingConfig {
  readonly logLevel: keyof typeof levels
  readonly logFormat: "auto" | "pretty" | "logfmt" | "json"
}

/**
 * Log lines go to `Console.error`. Lines that could not be written there are counted, and the count is logged as soon as
 * lines can be written again. `rewrite` changes the text of each message.
 */
export const layerLogging = (
  { logLevel, logFormat }: LoggingConfig,
  rewrite: (text: string) => string = (text) => text
): Layer.Layer<never> =>
  Layer.effectDiscard(logDropped).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        Logger.layer([toConsole(formats[logFormat](), rewrite)]),
        Layer.succeed(References.MinimumLogLevel, levels[logLevel])
      )
    )
  )

const levels = { trace: "Trace", debug: "Debug", info: "Info", warn: "Warn", error: "Error", none: "None" } as const

const pretty = () => prettyLine(process.stderr.isTTY === true)
const formats = {
  pretty,
  logfmt: () => logfmtLine,
  json: () => jsonLine,
  auto: () => (process.stderr.isTTY === true ? pretty() : logfmtLine)
}

const toConsole = (line: Logger.Logger<unknown, string>, rewrite: (text: string) => string) =>
  Logger.make<unknown, void>((options) => {
    const message = Array.ensure(options.message).map((part) => (typeof part === "string" ? rewrite(part) : part))
    options.fiber.getRef(Console.Console).error(line.log({ ...options, message }))
  })

const logDropped = Effect.gen(function* () {
  const runSync = Effect.runSyncWith(yield* Effect.context<never>())
  const onResumed = (): void =>
    runSync(Effect.logWarning("The log can be written again; lines were dropped", { droppedSoFar: stderr.dropped }))
  yield* Effect.acquireRelease(
    Effect.sync(() => void (stderr.onResumed = onResumed)),
    () => Effect.sync(() => void (stderr.onResumed = undefined))
  )
})
