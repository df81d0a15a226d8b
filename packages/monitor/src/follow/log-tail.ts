/** The last lines of the log, for the page. The log itself goes where it went before. */
import { printable } from "@sluice/protocol"
import { type Layer, Logger } from "effect"
import { LEVELS, type LogLine } from "../api/journal.ts"
import { loggedLine, shortened } from "./log-line.ts"
import { Ring } from "./ring.ts"

const KEPT = 1000

export class LogTail {
  readonly #lines = new Ring<LogLine>(KEPT)
  /** Adds the tail to the loggers of everything that it is provided to. */
  readonly layer: Layer.Layer<never>

  constructor() {
    const logger = Logger.make<unknown, void>((options) => {
      const { at, level, message } = loggedLine(options)
      this.add(level, message, at)
    })
    this.layer = Logger.layer([logger], { mergeWithExisting: true })
  }

  add(level: LogLine["level"], message: string, at: number): void {
    this.#lines.add((id) => ({ id, at, level, message: printable(shortened(message)) }))
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
