import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { logfmtLine } from "../src/logging.ts"

describe("a line of logfmt", () => {
  it.effect("has the keys of what was logged beside the message", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      yield* Effect.logInfo("A miner found a block", { height: 7, user: "a b", value: 5n, undone: undefined })
      assert.match(lines[0]!, /message="A miner found a block" height=7 user="a b" value=5 undone=undefined$/)
    }).pipe(
      Effect.provide(
        Logger.layer([
          Logger.map(logfmtLine, (line) => {
            lines.push(line)
          })
        ])
      )
    )
  })
})
