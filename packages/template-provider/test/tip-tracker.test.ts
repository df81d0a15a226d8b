import { assert, describe, it } from "@effect/vitest"
import { hashFromDisplay, serializeHeader } from "@sluice/bitcoin"
import type { BlockTemplate, NodeNotification } from "@sluice/node"
import { Result } from "effect"
import { TemplateMachine } from "../src/index.ts"
import { type TipAction, TipTracker } from "../src/provider/node/tip-tracker.ts"
import { templateAt } from "./templates.ts"

/** Above the first halvings, at the recorded subsidy. */
const HEIGHT = 2_400_000
const NOW = 1_700_000_000_000
const TIP = templateAt(HEIGHT).previousblockhash
const NEXT = "aa".repeat(32)
const AFTER = "bb".repeat(32)

const empty = (height: number, previousblockhash: string): BlockTemplate =>
  templateAt(height, { previousblockhash, transactions: [], coinbasevalue: 2_441_406 })

/** One client, "a", and a tracker whose node has answered with a template on `TIP`. */
const tracking = () => {
  const machine = new TemplateMachine<string>({
    firstTemplateId: 1n,
    feeDelta: 1_000n,
    intervalMs: 30_000,
    renewAfterMs: 300_000,
    emptyTemplates: true,
    maxRetained: 4,
    maxRetainedBytes: 1_000_000
  })
  Result.getOrThrow(
    machine.onConstraints("a", { coinbaseOutputMaxAdditionalSize: 0, coinbaseOutputMaxAdditionalSigops: 0 }, NOW)
  )
  const tracker = new TipTracker(machine)
  const answer = (source: BlockTemplate, now = NOW) =>
    Result.getOrThrow(tracker.onAnswer(source, machine.beginRequest(), now))
  const notify = (notification: NodeNotification, at = 0n) => tracker.onNotification(notification, at, NOW)
  assert.deepStrictEqual(namesOf(answer(empty(HEIGHT, TIP)).actions), ["Deliver tip"])
  return { machine, tracker, answer, notify }
}

const namesOf = (actions: ReadonlyArray<TipAction<string>>) =>
  actions.map((action) => {
    if (action._tag === "Deliver") return `Deliver ${action.answered.change}`
    return action._tag === "GetHeader" ? `GetHeader ${action.hash.slice(0, 2)}` : action._tag
  })

const announcedAt = (actions: ReadonlyArray<TipAction<string>>) =>
  actions.flatMap((action) => (action._tag === "Deliver" ? [action.announcedAt] : []))

const newBlock = (hash: string, header?: Uint8Array): NodeNotification => ({
  _tag: "NewBlock",
  hash: hashFromDisplay(hash),
  ...(header === undefined ? {} : { header })
})

const rawHeader = (previous: string, time: number) =>
  serializeHeader({
    version: 0x20000000,
    previousHash: hashFromDisplay(previous),
    merkleRoot: new Uint8Array(32),
    time,
    bits: 0x207fffff,
    nonce: 0
  })

const header = (hash: string, previousblockhash: string, height = HEIGHT) => ({
  hash,
  previousblockhash,
  height,
  bits: "207fffff",
  mediantime: 1_699_999_000,
  time: 1_699_999_999,
  confirmations: 1
})

describe("the tracker of the tip", () => {
  it("gets the header of an announced block, sends SetNewPrevHash from it, and then asks for the template", () => {
    const { answer, notify, tracker } = tracking()
    assert.deepStrictEqual(namesOf(notify(newBlock(NEXT), 7n)), ["GetHeader aa"])
    assert.isFalse(tracker.isQuiet)
    assert.isTrue(tracker.isHeard)
    assert.isTrue(tracker.needsHeader(NEXT))
    const actions = tracker.onHeader({ hash: NEXT, at: 7n }, header(NEXT, TIP), NOW)
    assert.deepStrictEqual(namesOf(actions), ["Deliver tip", "Ask"])
    assert.deepStrictEqual(announcedAt(actions), [7n])
    assert.isFalse(tracker.isQuiet, "the template is still to come")
    const full = answer(empty(HEIGHT + 1, NEXT), NOW + 1)
    assert.deepStrictEqual(announcedAt(full.actions), [7n])
    assert.isTrue(tracker.isQuiet)
    assert.isTrue(tracker.isHeard)
    assert.strictEqual(tracker.answeredAt, NOW + 1)
  })

  it("follows a block once, however often it is announced, and not one that it builds on already", () => {
    const { notify, tracker } = tracking()
    const connected: NodeNotification = { _tag: "BlockConnected", hash: hashFromDisplay(NEXT) }
    assert.deepStrictEqual(namesOf(notify(connected)), ["GetHeader aa"])
    assert.deepStrictEqual([...notify(newBlock(NEXT)), ...notify(connected)], [])
    assert.deepStrictEqual([...notify(newBlock(TIP)), ...tracker.onBlock(TIP, 0n)], [])
  })

  it("only asks for a template when the header does not come in time, or a template overtakes it", () => {
    const { answer, notify, tracker } = tracking()
    notify(newBlock(NEXT))
    assert.deepStrictEqual(namesOf(tracker.onHeader({ hash: NEXT, at: 0n }, undefined, NOW)), ["Ask"])
    answer(empty(HEIGHT + 1, NEXT))
    assert.isFalse(tracker.needsHeader(NEXT))
    assert.deepStrictEqual(tracker.onHeader({ hash: NEXT, at: 0n }, header(NEXT, TIP), NOW), [])
  })

  it("uses the raw block's header without a call once it knows the times before, and waits for the next raw block first", () => {
    const { notify, tracker } = tracking()
    assert.isUndefined(tracker.lookBackFrom, "no raw block came yet")
    assert.deepStrictEqual(namesOf(notify(newBlock(NEXT, rawHeader(TIP, 1_700_000_000)))), ["GetHeader aa"])
    assert.strictEqual(tracker.lookBackFrom, TIP)
    tracker.onTimes(TIP, [1_699_999_000])
    assert.isUndefined(tracker.lookBackFrom)
    assert.strictEqual(tracker.headerDelayMs, 0)
    const actions = notify(newBlock(NEXT, rawHeader(TIP, 1_700_000_000)), 9n)
    assert.deepStrictEqual(namesOf(actions), ["Deliver tip", "Ask"])
    assert.deepStrictEqual(announcedAt(actions), [0n], "from the first announcement on")
    assert.isFalse(tracker.needsHeader(NEXT))
    assert.isAbove(tracker.headerDelayMs, 0)
    assert.isUndefined(tracker.lookBackFrom, "the raw block told its own time")
    assert.isTrue(tracker.needsHeader(AFTER))
    assert.strictEqual(tracker.headerDelayMs, 0, "the raw block was late this time")
  })

  it("expects an announcement for a tip that came without one, and warns once until announcements arrive again", () => {
    const { answer, notify, tracker } = tracking()
    assert.deepStrictEqual(namesOf(answer(empty(HEIGHT + 1, NEXT)).actions), ["ExpectAnnouncement", "Deliver tip"])
    assert.isFalse(tracker.isHeard)
    assert.deepStrictEqual(tracker.onAnnouncementDue(NEXT, false), [], "the publisher may be connected again")
    assert.deepStrictEqual(namesOf(tracker.onAnnouncementDue(NEXT, true)), ["WarnUnannounced"])
    assert.deepStrictEqual(tracker.onAnnouncementDue(NEXT, true), [])
    notify(newBlock(NEXT))
    assert.deepStrictEqual(tracker.onAnnouncementDue(NEXT, true), [], "it was only late")
    answer(empty(HEIGHT + 2, AFTER))
    assert.deepStrictEqual(namesOf(tracker.onAnnouncementDue(AFTER, true)), ["WarnUnannounced"])
  })

  it.each(["BlockDisconnected", "Connected"] as const)("expects no announcement of the tip after %s", (_tag) => {
    const { answer, notify } = tracking()
    const notification: NodeNotification = _tag === "Connected" ? { _tag } : { _tag, hash: hashFromDisplay(TIP) }
    assert.deepStrictEqual(namesOf(notify(notification)), ["Ask"])
    assert.deepStrictEqual(namesOf(answer(empty(HEIGHT + 1, NEXT)).actions), ["Deliver tip"])
    assert.deepStrictEqual(namesOf(answer(empty(HEIGHT + 2, AFTER)).actions), ["ExpectAnnouncement", "Deliver tip"])
  })

  it.each([{ _tag: "Disconnected" }, { _tag: "Missed", topic: "hashblock", count: 1 }] as const)(
    "asks at once and relies on announcements no longer after $_tag",
    (notification) => {
      const { notify, tracker } = tracking()
      notify(newBlock(NEXT))
      assert.deepStrictEqual(namesOf(notify(notification)), ["Ask"])
      assert.isFalse(tracker.isHeard)
    }
  )

  it("asks soon again while the node does not build on an announced block, and gives up after some answers", () => {
    const { answer, notify, tracker } = tracking()
    notify(newBlock(NEXT))
    let answers = 0
    while (tracker.isBehind(answer(empty(HEIGHT, TIP)).change)) answers++
    assert.strictEqual(answers, 8)
    assert.isTrue(tracker.isQuiet)
    assert.isFalse(tracker.isBehind("none"))
    assert.isTrue(tracker.isBehind("behind"))
  })

  it("refuses an answer that makes no template, and goes on from the one before", () => {
    const { machine, tracker } = tracking()
    const answer = tracker.onAnswer({ ...empty(HEIGHT + 1, NEXT), target: "ff" }, machine.beginRequest(), NOW + 5)
    assert.match(Result.getOrThrow(Result.flip(answer)), /ff/)
    assert.strictEqual(tracker.answeredAt, NOW)
    assert.strictEqual(machine.current?.source.previousblockhash, TIP)
  })

  it("warns of a header that no work can be made behind, and asks for a template", () => {
    const { notify, tracker } = tracking()
    notify(newBlock(NEXT))
    const bad = header("zz", TIP)
    assert.deepStrictEqual(namesOf(tracker.onHeader({ hash: NEXT, at: 0n }, bad, NOW)), ["WarnHeader", "Ask"])
  })
})
