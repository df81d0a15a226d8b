/** How a program logs: to stderr, readable on a terminal, one line an event elsewhere. stdout is for `--json`. */
import { Array, Layer, Logger, Predicate, References } from "effect"
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
const logfmt = () => Logger.withConsoleError(logfmtLine)
const loggers = {
  pretty,
  logfmt,
  json: () => Logger.withConsoleError(Logger.formatJson),
  auto: () => (process.stderr.isTTY === true ? pretty() : logfmt())
}

/** Effect's logfmt, with the keys of an object that was logged as keys of the line. */
export const logfmtLine = Logger.make<unknown, string>((options) => {
  const parts: ReadonlyArray<unknown> = Array.ensure(options.message)
  const fields = parts
    .filter(Predicate.isObject)
    .flatMap((object) => Object.entries(object).map(([key, value]) => `${key}=${fieldText(value)}`))
  const message = parts.filter((part) => !Predicate.isObject(part))
  return [Logger.formatLogFmt.log({ ...options, message }), ...fields].join(" ")
})

const fieldText = (value: unknown): string => {
  const text = typeof value === "object" ? JSON.stringify(value, bigintAsText) : String(value)
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}

const bigintAsText = (_key: string, value: unknown) => (typeof value === "bigint" ? value.toString() : value)
