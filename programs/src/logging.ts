/** How a program logs: to stderr, readable on a terminal, one line an event elsewhere. stdout is for `--json`. */
import { Layer, Logger, References } from "effect"
import { defaulted } from "./config/key.ts"
import { choice } from "./config/value.ts"

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

export const layerLogging = ({ logLevel, logFormat }: LoggingConfig): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([loggers[logFormat]()]),
    Layer.succeed(References.MinimumLogLevel, levels[logLevel]),
    Layer.succeed(Logger.LogToStderr, true)
  )

const levels = { trace: "Trace", debug: "Debug", info: "Info", warn: "Warn", error: "Error", none: "None" } as const

const pretty = () => Logger.consolePretty({ colors: process.stderr.isTTY === true })
const logfmt = () => Logger.withConsoleError(Logger.formatLogFmt)
const loggers = {
  pretty,
  logfmt,
  json: () => Logger.withConsoleError(Logger.formatJson),
  auto: () => (process.stderr.isTTY === true ? pretty() : logfmt())
}
