import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "vitest"
import { columns } from "../src/output/columns.ts"
import { Screen } from "../src/demo/screen.ts"
import { Tally } from "../src/demo/tally.ts"
import { eventLine } from "../src/output/events.ts"
import { Sluice } from "@sluice/testing/program"

/** As much of a terminal as the screen needs: lines, the cursor up (CPL) and erasing below it (ED). */
class Terminal {
  readonly lines: Array<string> = [""]
  readonly columns = 20
  write(text: string): void {
    for (const [part] of text.matchAll(new RegExp(String.raw`${ESCAPE}\[\d*[A-Za-z]|\n|[^\n${ESCAPE}]+`, "g"))) {
      if (part === "\n") this.lines.push("")
      else if (part.endsWith("F") && part.startsWith(ESCAPE)) this.lines.splice(-1 - Number(part.slice(2, -1)))
      else if (part === `${ESCAPE}[J`) this.lines.push("")
      else if (!part.startsWith(ESCAPE)) this.lines[this.lines.length - 1] += part
    }
  }
}
const ESCAPE = "\u001B"

describe("the screen", () => {
  it("draws in place, and prints other lines above", () => {
    const terminal = new Terminal()
    const screen = new Screen(terminal)
    screen.draw([{ text: "one" }, { text: "two" }])
    screen.print("a log line")
    screen.draw([{ text: "three", style: "bold" }])
    assert.deepStrictEqual(terminal.lines, ["a log line", "three", ""])
  })

  it("cuts lines off at the terminal's width, counted in columns", () => {
    const terminal = new Terminal()
    new Screen(terminal).draw([{ text: "0123456789012345678901" }, { text: "水".repeat(11), style: "dim" }])
    assert.deepStrictEqual(terminal.lines.map(stripVTControlCharacters), ["01234567890123456789", "水".repeat(10), ""])
  })
})

describe("columns", () => {
  it("are as wide as their widest cell", () => {
    assert.deepStrictEqual(
      columns([
        ["a", "bb"],
        ["aaa", "b"]
      ]),
      ["a     bb", "aaa   b"]
    )
    assert.deepStrictEqual(
      columns(
        [
          ["a", "bb"],
          ["aaa", "b"]
        ],
        "right"
      ),
      ["a     bb", "aaa    b"]
    )
  })
})

describe("the tally", () => {
  const channel = { connectionId: 1, channelId: 2, kind: "standard", userIdentity: "alice" } as const
  const started = { _tag: "JobStarted", channelId: 2, jobId: 1, prevHash: "", newPrevHash: true, minNtime: 0 } as const
  const template = { _tag: "NewTemplate", cause: "tip", height: 1, transactions: 0, value: 0n } as const

  it("counts the blocks that the node accepted as its tip, with their finders", () => {
    const tally = new Tally()
    const none = new Uint8Array()
    const job = {
      id: 1,
      height: 1,
      version: 0,
      versionRollingAllowed: true,
      coinbasePrefix: none,
      coinbaseSuffix: none,
      merklePath: [],
      merklePathBytes: none,
      origin: {}
    }
    const share = { job, version: 0, ntime: 0, nonce: 0, extranonce: none, hash: none, isBlock: true }
    const found = { ...share, userIdentity: "alice", worker: undefined }
    const event = { _tag: "BlockFound", channel, refusal: undefined, height: 1, hash: "00aa", found } as const
    tally.onEvent({ role: "pool", event }, 0)
    const accepted = { _tag: "BlockAccepted", hash: "00aa", height: 1, txCount: 3, verdict: null } as const
    const aside = { ...accepted, verdict: "inconclusive" } as const
    assert.isUndefined(tally.onEvent({ role: "node", event: aside }, 0))
    const block = tally.onEvent({ role: "node", event: accepted }, 0)
    assert.deepStrictEqual(block, { height: 1, hash: "00aa", transactions: 3, user: "alice" })
    assert.strictEqual(tally.blocks, 1)
  })

  it("times each miner from a template that went to a client to the first job that starts after it", () => {
    const tally = new Tally()
    const start = (miner: "standard" | "extended", at: number) =>
      tally.onEvent({ role: "miner", miner, event: { ...started, difficulty: 1, latencyMs: 0, at } }, at)
    tally.onEvent({ role: "template-provider", event: { ...template, clients: 0 } }, 0)
    start("standard", 5000)
    assert.isUndefined(tally.templateToJobMs.standard)
    tally.onEvent({ role: "template-provider", event: { ...template, clients: 1 } }, 6000)
    start("standard", 6002.5)
    start("standard", 6100)
    start("extended", 6003)
    assert.deepStrictEqual(tally.templateToJobMs, { standard: 2.5, extended: 3 })
  })
})

describe("an event as a line of JSON", () => {
  it("has amounts as decimal text and bytes as hex", () => {
    const event = { _tag: "E", at: 1, id: 2n ** 64n - 1n, bytes: Uint8Array.of(0, 255) }
    assert.strictEqual(
      eventLine("pool", event),
      '{"role":"pool","event":"E","at":1,"id":"18446744073709551615","bytes":"00ff"}'
    )
  })
})

describe("sluice demo", () => {
  it("ends with 0 after as many blocks as were asked for, each accepted by the node, with events of every role", async () => {
    const { status, stdout, stderr } = await new Sluice(["demo", "--blocks", "2", "--bits", "1f00ffff", "--json"])
      .finished
    assert.strictEqual(status, 0, stderr)
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    const accepted = events.filter(({ event, verdict }) => event === "BlockAccepted" && verdict === null)
    assert.lengthOf(accepted, 2)
    assert.deepStrictEqual(events.at(-1), accepted[1])
    for (const role of ["node", "template-provider", "pool", "miner"]) {
      assert.isTrue(
        events.some((event) => event.role === role),
        role
      )
    }
    const kinds = events
      .filter(({ event, role }) => role === "miner" && event === "ChannelOpened")
      .map(({ kind }) => kind)
    assert.sameMembers(kinds, ["standard", "extended"])
  }, 60_000)

  it("stops everything at a signal, and prints a summary", async () => {
    const demo = new Sluice(["demo", "--bits", "1f00ffff"])
    await demo.find(/block \d+ found by demo\.(standard|extended)/)
    // npm passes on what the terminal has sent already.
    void demo.stop("SIGINT")
    const { status, stdout, stderr } = await demo.stop("SIGINT")
    assert.match(stdout, /Stopped: the node accepted \d+ blocks? in [\d.]+ s\.\n$/)
    assert.strictEqual(status, 0, stderr)
  }, 60_000)
})
