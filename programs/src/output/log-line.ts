/**
 * Formats log lines. Peers choose much of what is logged (names, reasons, answers of a node). All of it is escaped, so that it
 * can neither forge a line nor control a terminal.
 */
import { escaped } from "@sluice/protocol/printable"
import { Array, Cause, Logger, Predicate, References } from "effect"
import { styleText } from "node:util"

/** Effect's logfmt. A logged object becomes `key=value` for each of its keys. */
export const logfmtLine = Logger.make<unknown, string>((options) => {
  const { fields, texts } = partsOf(options.message)
  return escaped([Logger.formatLogFmt.log({ ...options, message: texts }), ...fields].join(" "))
})

export const jsonLine = Logger.map(Logger.formatJson, escaped)

/** For people: time, level, message and fields. A cause follows on lines of its own, indented. */
export const prettyLine = (hasColors: boolean): Logger.Logger<unknown, string> =>
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
      hasColors ? styleText(style, text, { validateStream: false }) : text
    const { fields, texts } = partsOf([message, fiber.getRef(References.CurrentLogAnnotations)].flat())
    const line = [
      `[${timeOfDay(date)}]`,
      `${paint(LEVEL_STYLES[logLevel] ?? "reset", logLevel.toUpperCase())}:`,
      paint("bold", escaped(texts.map(String).join(" "))),
      ...fields.map((field) => paint("dim", escaped(field)))
    ].join(" ")
    if (cause.reasons.length === 0) return line
    return [
      line,
      ...Cause.pretty(cause)
        .split("\n")
        .map((part) => `    ${escaped(part)}`)
    ].join("\n")
  })

const LEVEL_STYLES: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  Trace: "gray",
  Debug: "blue",
  Info: "green",
  Warn: "yellow",
  Error: "red",
  Fatal: "red"
}

const timeOfDay = (date: Date): string => {
  const two = (number: number): string => String(number).padStart(2, "0")
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two)
  return `${hours}:${minutes}:${seconds}.${String(date.getMilliseconds()).padStart(3, "0")}`
}

/** Splits a log message into its texts and `key=value` for each key of its objects. */
const partsOf = (message: unknown) => {
  const parts: ReadonlyArray<unknown> = Array.ensure(message)
  return {
    texts: parts.filter((part) => !Predicate.isObject(part)),
    fields: parts
      .filter(Predicate.isObject)
      .flatMap((object) => Object.entries(object).map(([key, value]) => `${key}=${fieldText(value)}`))
  }
}

const fieldText = (value: unknown): string => {
  const text = typeof value === "object" ? JSON.stringify(value, bigintAsText) : String(value)
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}

const bigintAsText = (_key: string, value: unknown) => (typeof value === "bigint" ? value.toString() : value)
