/** The last lines of the log, for the page. The log itself goes where it went before. */
import { printable } from "@sluice/protocol"
import { Array, type Layer, Logger } from "effect"
import { LEVELS, type LogLine } from "../api/journal.ts"
import { Ring } from "./ring.ts"

const KEPT = 1000
/** Characters of a line; a longer one is cut. */
const MAX_LENGTH = 2000

export class LogTail {
  readonly #lines = new Ring<LogLine>(KEPT)
  /** Adds the tail to the loggers of everything that it is provided to. */
  readonly layer: Layer.Layer<never>

  constructor() {
    const logger = Logger.make<unknown, void>(({ date, logLevel, message }) => {
      const level = LEVELS.find((name) => name === logLevel.toLowerCase()) ?? "info"
      this.add(level, Array.ensure(message).map(textOf).join(" "), date.getTime())
    })
    this.layer = Logger.layer([logger], { mergeWithExisting: true })
  }

  add(level: LogLine["level"], message: string, at: number): void {
    const text = message.length > MAX_LENGTH ? `${message.slice(0, MAX_LENGTH)}...` : message
    this.#lines.add((id) => ({ id, at, level, message: printable(text) }))
  }

  /** The kept lines of this level and above that contain the text, newest first. */
  lines({ level = "trace", search = "" }: { readonly level?: LogLine["level"]; readonly search?: string }) {
    const least = LEVELS.indexOf(level)
    const wanted = search.toLowerCase()
    return this.#lines
      .newest()
      .filter((line) => LEVELS.indexOf(line.level) >= least && line.message.toLowerCase().includes(wanted))
  }
}

const textOf = (part: unknown): string => {
  if (typeof part === "string") return part
  try {
    return JSON.stringify(part, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)) ?? ""
  } catch {
    return String(part)
  }
}
