/** Shows the demo as a live table on a terminal, as a line for each block elsewhere, or as events in JSON. */
import { Layer, Logger } from "effect"
import { eventLine } from "../output/events.ts"
import { logfmtLine } from "../output/log-line.ts"
import { stdout } from "../output/streams.ts"
import type { DemoEvent } from "./event.ts"
import { type Output, Screen } from "./screen.ts"
import { blockLine, type Snapshot, table } from "./table.ts"

export interface Presentation {
  readonly onStart: (roles: Roles) => void
  readonly onEvent: (event: DemoEvent, now: number) => void
  /** Called some times a second. */
  readonly onTick: (snapshot: Snapshot) => void
  readonly onBlock: (snapshot: Snapshot) => void
  readonly onEnd: (summary: string) => void
  /** Replaces the program's log where its lines would disturb the table. */
  readonly logging: Layer.Layer<never>
}

/** The addresses of the roles while the demo runs. */
export interface Roles {
  readonly node: string
  readonly templateProvider: string
  readonly pool: string
  /** The operators' page. */
  readonly page: string
}

export const presentation = (json: boolean): Presentation => {
  if (json) return jsonLines
  return process.stdout.isTTY ? liveTable(new Screen(terminal)) : plainLines
}

const print = (line: string): void => stdout.print(line)
const terminal: Output = {
  write: (text) => stdout.write(text),
  get columns() {
    return process.stdout.columns
  }
}
const nothing = (): void => {}

const jsonLines: Presentation = {
  onStart: (roles) => print(eventLine("demo", { _tag: "Started", at: Date.now(), ...roles })),
  onEvent: ({ event, role, ...more }, now) => print(eventLine(role, { at: now, ...more, ...event })),
  onTick: nothing,
  onBlock: nothing,
  onEnd: nothing,
  logging: Layer.empty
}

const plainLines: Presentation = {
  onStart: ({ node, page, pool, templateProvider }) => {
    print(
      `Sluice demo: node ${node}, template provider ${templateProvider}, pool ${pool}, two miners. Ctrl-C stops it.`
    )
    print(`The operators' page is at ${page}`)
  },
  onEvent: nothing,
  onTick: nothing,
  onBlock: (snapshot) => print(blockLine(snapshot)),
  onEnd: print,
  logging: Layer.empty
}

const liveTable = (screen: Screen): Presentation => ({
  onStart: ({ page }) => screen.print(`The operators' page is at ${page}`),
  onEvent: nothing,
  onTick: (snapshot) => screen.draw(table(snapshot)),
  onBlock: (snapshot) => screen.draw(table(snapshot)),
  onEnd: print,
  logging: Logger.layer([Logger.map(logfmtLine, (line) => screen.print(line))])
})
