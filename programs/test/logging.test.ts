import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { MiningDialer, Plain, Setup, Tcp } from "@sluice/transport"
import { Cause, Effect, Layer, Logger, Stream } from "effect"
import { stripVTControlCharacters } from "node:util"
import { eventLine } from "../src/output/events.ts"
import { jsonLine, logfmtLine, prettyLine } from "../src/output/log-line.ts"
import { Sluice } from "@sluice/testing/program"

/** What was logged, as text in this format. */
const written = (format: Logger.Logger<unknown, string>, log: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const collect = Logger.map(format, (line) => void lines.push(line))
    yield* Effect.provide(log, Logger.layer([collect]))
    return lines.join("\n")
  })

/** Forges a line, steers a terminal, turns the direction of text, and has a byte that is not UTF-8. */
const HOSTILE = "x\ny\u001b[2J\u009b1m\u202e\u200b\u2028\udcff"
// oxlint-disable-next-line no-control-regex
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

describe("a log line", () => {
  it.effect("in logfmt has the keys of a logged object beside the message", () =>
    Effect.gen(function* () {
      const fields = { height: 7, user: "a b", value: 5n, undone: undefined }
      const line = yield* written(logfmtLine, Effect.logInfo("A miner found a block", fields))
      assert.match(line, /message="A miner found a block" height=7 user="a b" value=5 undone=undefined$/)
    })
  )

  it.effect("for people has the time, the level, the message, the fields, and a cause that is indented", () =>
    Effect.gen(function* () {
      const cause = Cause.fail(new Error("no node"))
      const log = Effect.annotateLogs(Effect.logError("A block is lost", { height: 7, user: "a b" }, cause), "by", "us")
      const [first, ...rest] = (yield* written(prettyLine(false), log)).split("\n")
      assert.match(first!, /^\[\d\d:\d\d:\d\d\.\d{3}\] ERROR: A block is lost height=7 user="a b" by=us$/)
      assert.strictEqual(rest[0], "    Error: no node")
      for (const line of rest) assert.match(line, /^ {4}/)
      const colored = yield* written(prettyLine(true), log)
      assert.notStrictEqual(colored, stripVTControlCharacters(colored))
      assert.strictEqual(stripVTControlCharacters(colored).split("\n")[0], first)
    })
  )

  it.effect("escapes a peer's text in every format and in every part", () =>
    Effect.gen(function* () {
      const log = Effect.logWarning(HOSTILE, { field: HOSTILE, deep: { field: [HOSTILE] } }, HOSTILE).pipe(
        Effect.annotateLogs("annotation", HOSTILE)
      )
      for (const format of [logfmtLine, jsonLine, prettyLine(false)])
        assert.notMatch(yield* written(format, log), UNSEEN)
      const read = JSON.parse(yield* written(jsonLine, log)) as { readonly message: ReadonlyArray<unknown> }
      assert.deepStrictEqual(read.message[0], HOSTILE)
    })
  )

  it.effect("of a cause is always indented", () =>
    Effect.gen(function* () {
      const log = Effect.logError("failed", Cause.fail(new Error(`no\n[00:00:00.000] INFO: all is well ${HOSTILE}`)))
      for (const format of [logfmtLine, jsonLine]) assert.notMatch(yield* written(format, log), UNSEEN)
      const lines = (yield* written(prettyLine(false), log)).split("\n").slice(1)
      for (const line of lines) assert.match(line, /^ {4}[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u)
    })
  )
})

describe("an event as a line of JSON", () => {
  it("escapes a peer's text, and gives the same text when it is parsed", () => {
    const event = { _tag: "ChannelRefused", at: 1, text: HOSTILE }
    const line = eventLine("pool", event)
    assert.notMatch(line, UNSEEN)
    assert.strictEqual(JSON.parse(line).text, HOSTILE)
  })
})

describe("the log of a pool", () => {
  it.live.each(["logfmt", "json", "pretty"])("as %s cannot be forged by a client's device description", (format) =>
    Effect.gen(function* () {
      const [host, port] = ["127.0.0.1", 0]
      const pool = new Sluice(
        ["pool", "--plain", "--listen", `${host}:${port}`, "--log-format", format].concat(
          ["--template-provider", "stratum2+tcp+plain://127.0.0.1:1"],
          ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]
        )
      )
      const [, own] = yield* Effect.promise(() =>
        pool.find(/listens: connect to stratum2\+tcp\+plain:\/\/127\.0\.0\.1:(\d+)/)
      )
      const device = { vendor: `v${HOSTILE}`, hardwareVersion: "", firmware: "", deviceId: "" }
      const dialer = Setup.client(MiningDialer).pipe(Layer.provide(Plain.dialer), Layer.provide(Tcp.dialer))
      yield* Effect.gen(function* () {
        const { dial } = yield* MiningDialer
        const connection = yield* dial({ host, port: Number(own), security: { _tag: "plain" } }, { device })
        const open: Mining.ToServer = {
          _tag: "OpenStandardMiningChannel",
          requestId: 1,
          userIdentity: `u${HOSTILE}`,
          nominalHashRate: 0,
          maxTarget: new Uint8Array(32).fill(0xff)
        }
        yield* connection.send([open])
        yield* connection.receive.pipe(Stream.take(1), Stream.runDrain)
      }).pipe(Effect.provide(dialer), Effect.scoped)
      yield* Effect.promise(() => pool.find(/gets no channel: invalid-user-identity/))
      const { stderr } = yield* Effect.promise(() => pool.stop())
      assert.match(stderr, /connected: v/)
      for (const line of stderr.trimEnd().split("\n")) assert.notMatch(line, UNSEEN)
    })
  )
})
