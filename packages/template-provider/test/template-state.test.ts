import { assert, describe, it } from "@effect/vitest"
import { coinbasePrefix } from "@sluice/bitcoin"
import { TemplateDistribution } from "@sluice/protocol"
import { Result } from "effect"
import { type TemplateMessage, TemplateState } from "../src/index.ts"

const template = (templateId: bigint, futureTemplate: boolean, height = 100) =>
  TemplateDistribution.NewTemplate.make({
    templateId,
    futureTemplate,
    version: 0x20000000,
    coinbaseTxVersion: 2,
    coinbasePrefix: coinbasePrefix(height),
    coinbaseTxInputSequence: 0xffffffff,
    coinbaseTxValueRemaining: 1n,
    coinbaseTxOutputsCount: 0,
    coinbaseTxOutputs: new Uint8Array(0),
    coinbaseTxLocktime: 0,
    merklePath: []
  })

const prevHash = (templateId: bigint, block = Number(templateId)) =>
  TemplateDistribution.SetNewPrevHash.make({
    templateId,
    prevHash: new Uint8Array(32).fill(block),
    headerTimestamp: 1,
    nbits: 0x207fffff,
    target: new Uint8Array(32)
  })

const nameOf = (message: TemplateMessage) =>
  message._tag === "SetNewPrevHash"
    ? `tip ${message.templateId}`
    : `${message.futureTemplate ? "future" : "template"} ${message.templateId}`

const replayOf = (state: TemplateState) => state.replay().map(({ at, message }) => `${nameOf(message)} at ${at}`)

const stateOf = (...messages: ReadonlyArray<TemplateMessage>) => {
  const state = new TemplateState()
  for (const [index, message] of messages.entries()) Result.getOrThrow(state.add([message], index))
  return state
}

describe("the state of templates", () => {
  it("replays the tip, the newest template and the future ones, each with the time at which it came", () => {
    const state = stateOf(
      template(1n, true),
      prevHash(1n),
      template(2n, false),
      template(3n, true),
      template(4n, false),
      template(5n, true)
    )
    const replay = ["future 1 at 0", "tip 1 at 1", "future 3 at 3", "template 4 at 4", "future 5 at 5"]
    assert.deepStrictEqual(replayOf(state), replay)
    assert.strictEqual(state.height, 100)
    const late = new TemplateState()
    for (const { at, message } of state.replay()) late.follow(message, at)
    assert.deepStrictEqual(replayOf(late), replay)
    assert.strictEqual(late.prevHashAt, 1)
  })

  it("keeps the time at which the tip came when another template is named for the same block", () => {
    const state = stateOf(template(1n, true), prevHash(1n, 7), template(2n, true), prevHash(2n, 7))
    assert.deepStrictEqual(replayOf(state), ["future 2 at 2", "tip 2 at 1"])
    assert.strictEqual(state.prevHashAt, 1)
    Result.getOrThrow(state.add([template(3n, true), prevHash(3n, 8)], 9))
    assert.strictEqual(state.prevHashAt, 9)
  })

  it("forgets the oldest future template beyond the limit", () => {
    const state = new TemplateState()
    const { MAX_FUTURE_TEMPLATES } = TemplateDistribution
    for (let id = 0; id <= MAX_FUTURE_TEMPLATES; id++) Result.getOrThrow(state.add([template(BigInt(id), true)], 0))
    assert.strictEqual(state.replay().length, MAX_FUTURE_TEMPLATES)
    assert.match(String(Result.getOrThrow(Result.flip(state.add([prevHash(0n)], 0)))), /among the last/)
    Result.getOrThrow(state.add([prevHash(1n)], 0))
  })

  it.each([
    ["a template with a number that it had before", [template(6n, true), template(5n, true)], "number 5"],
    ["a SetNewPrevHash for a template that it never sent", [template(6n, true), prevHash(9n)], "template 9"],
    [
      "a SetNewPrevHash for a template of the tip before",
      [template(6n, true), prevHash(6n), prevHash(1n)],
      "template 1"
    ]
  ])("refuses %s, with all that came with it", (_, messages, actual) => {
    const state = stateOf(template(1n, true), prevHash(1n), template(5n, true))
    const before = replayOf(state)
    const error = Result.getOrThrow(Result.flip(state.add(messages, 9)))
    assert.strictEqual(error._tag, "TemplateProtocolError")
    assert.strictEqual(error.actual, actual)
    assert.deepStrictEqual(replayOf(state), before)
    assert.deepStrictEqual(Result.getOrThrow(state.add([template(6n, false)], 10)).map(nameOf), ["template 6"])
  })

  it("follows a source whose template numbers begin anew, in the order of arrival", () => {
    const state = stateOf(template(7n, true), prevHash(7n), template(8n, false))
    state.follow(template(1n, true), 10)
    state.follow(template(2n, true), 11)
    state.follow(template(1n, true), 12)
    assert.deepStrictEqual(replayOf(state), [
      "future 7 at 0",
      "tip 7 at 1",
      "template 8 at 2",
      "future 2 at 11",
      "future 1 at 12"
    ])
    state.follow(prevHash(1n), 13)
    assert.deepStrictEqual(replayOf(state), ["future 1 at 12", "tip 1 at 13"])
  })
})
