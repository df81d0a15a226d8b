/** The parts of a log line that the page shows. */
import { Array, type Logger } from "effect"

export const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const

export interface LoggedLine {
  readonly level: (typeof LEVELS)[number]
  readonly message: string
  /** In milliseconds since 1970. */
  readonly at: number
}

/** Characters of a line; a longer one is cut. */
const MAX_LENGTH = 2000

export const loggedLine = ({
  date,
  logLevel,
  message
}: Pick<Logger.Options<unknown>, "date" | "logLevel" | "message">): LoggedLine => {
  const level = LEVELS.find((name) => name === logLevel.toLowerCase()) ?? "info"
  return { level, message: shortened(Array.ensure(message).map(textOf).join(" ")), at: date.getTime() }
}

export const shortened = (text: string): string => (text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}...` : text)

const textOf = (part: unknown): string => {
  if (typeof part === "string") return part
  try {
    return JSON.stringify(part, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)) ?? ""
  } catch {
    return String(part)
  }
}
