/** Channels of a server behind each of which stands a channel at the source of work. */
import { describe, expect, it } from "@effect/vitest"
import type { ForeignMessage, Mining } from "@sluice/protocol"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import {
  ChannelServer,
  defaultChannelPolicy,
  type ExtranonceLease,
  ExtranonceSpace,
  type Announcement,
  Jobs,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  type SourceChange,
  type SourceChannel,
  type SourceShare,
  TemplateJobs,
  u256FromBytes,
  u256ToBytes
} from "../src/index.ts"
import { coinbaseRules, open, START, TestMiner } from "./server-fixture.ts"

const policy = { ...defaultChannelPolicy, minHashRate: 1, maxSharesPerSecond: 100 }
/** Every fourth hash meets it. */
const TARGET = u256ToBytes(1n << 254n)

/** The source's end of one channel. */
class Source implements SourceChannel {
  readonly templates = new TemplateJobs({ coinbase: coinbaseRules, firstJobId: 70 })
  readonly jobs = this.templates.jobs
  readonly lease: ExtranonceLease
  readonly target = TARGET
  readonly calls: Array<unknown> = []
  #changes: Array<SourceChange> = []
  onChange = (): void => {}

  constructor(isStandard: boolean) {
    const prefix = bytes(0xaa, isStandard ? 20 : 12)
    this.lease = { prefix, rollableSize: isStandard ? 0 : 8, index: -1 }
  }

  readonly takeChanges = () => this.#changes.splice(0)
  readonly update = (...args: ReadonlyArray<unknown>) => void this.calls.push(["update", ...args])
  readonly close = (reason: string) => void this.calls.push(["close", reason])
  readonly forward = (message: ForeignMessage) => void this.calls.push(["forward", message])

  make(...changes: ReadonlyArray<SourceChange>): void {
    this.#changes.push(...changes)
    this.onChange()
  }

  work(message: Parameters<TemplateJobs["onTemplate"]>[0] | Parameters<TemplateJobs["onSetNewPrevHash"]>[0]): void {
    const made =
      message._tag === "NewTemplate"
        ? this.templates.onTemplate(message, START)
        : this.templates.onSetNewPrevHash(message, START)
    this.make(made as Announcement)
  }
}

const setup = (kind: "standard" | "extended" = "extended") => {
  const validator = new ShareValidator(policy)
  const space = new ExtranonceSpace()
  const jobs = new Jobs({ firstJobId: 1, versionRollingAllowed: true })
  const source = new Source(kind === "standard")
  let changes = 0
  let answer: SourceChannel | string = source
  const channels = { opened: () => answer, onChange: () => changes++ }
  const server = new ChannelServer(1, 0, { jobs, space, validator, policy, source: channels })
  const out: ServerOutbox = new Outbox()
  const said = () => ({ messages: out.takeMessages(), events: out.takeEvents() })
  const receive = (...messages: ReadonlyArray<Mining.ToServer>) => {
    server.receive(messages, START, out)
    return said()
  }
  source.work(futureTemplate(1))
  source.work(newPrevHash(1))
  const opened = receive(open({ kind, userIdentity: "alice" }))
  const miner = new TestMiner()
  for (const message of opened.messages) miner.receive(message)
  /** Submits a share. Gives it as the source gets it. */
  const submit = (share = miner.mine()): SourceShare => {
    const { events, messages } = receive(share)
    expect(messages).toEqual([])
    const [event] = events
    if (events.length !== 1 || event?._tag !== "ShareForSource") throw new Error("expected one share for the source")
    return event.found
  }
  const refuseNext = (errorCode: string) => void (answer = errorCode)
  return { server, source, opened, miner, receive, submit, out, said, space, refuseNext, changes: () => changes }
}

const tags = (all: ReadonlyArray<{ readonly _tag: string }>) => all.map(({ _tag }) => _tag)

describe("a channel of the source", () => {
  it("has the source's target, prefix and size, a group of its own, and the source's jobs", () => {
    const { miner, opened, source, space } = setup()
    const [success] = opened.messages
    expect(success).toMatchObject({ target: TARGET, extranoncePrefix: source.lease.prefix, extranonceSize: 8 })
    expect(success).toMatchObject({ channelId: 2, groupChannelId: 3 })
    expect(tags(opened.messages).slice(1)).toEqual(["NewExtendedMiningJob", "SetNewPrevHash"])
    expect(miner.jobId).toBe(70)
    expect(space.held).toBe(0)
  })

  it("is refused with the source's error code, and closed at the source if this end refuses it", () => {
    const { receive, refuseNext, source } = setup()
    expect(receive(open({ userIdentity: "" })).messages).toMatchObject([{ errorCode: "invalid-user-identity" }])
    expect(source.calls).toEqual([["close", "invalid-user-identity"]])
    refuseNext("unknown-user")
    expect(receive(open({ requestId: 9 })).messages).toMatchObject([{ requestId: 9, errorCode: "unknown-user" }])
  })

  it.each(["standard", "extended"] as const)("gives each share of a %s channel one answer, the source's", (kind) => {
    const { changes, miner, receive, source, submit } = setup(kind)
    const shares = [1, 2, 3].map(() => submit())
    expect(shares.map(({ via }) => via?.message.sequenceNumber)).toEqual([1, 2, 3])
    const [first, second, third] = shares.map(({ via }) => via!.key!)
    const before = changes()
    source.make({ _tag: "ShareRefused", key: second!, errorCode: "stale-share" })
    source.make({ _tag: "SharesAccepted", keys: [first!, third!, first!, 99] })
    source.make({ _tag: "ShareRefused", key: third!, errorCode: "stale-share" })
    expect(changes()).toBe(before + 3)
    const { events, messages } = receive()
    expect(messages).toMatchObject([
      { _tag: "SubmitShares.Error", sequenceNumber: 2, errorCode: "stale-share" },
      { _tag: "SubmitShares.Success", lastSequenceNumber: 3, newSubmitsAcceptedCount: 2 }
    ])
    expect(tags(events)).toEqual(["ShareRefused", "ShareAccepted", "ShareAccepted"])
    expect(receive().messages).toEqual([])
    // A share that fails the check of this end never gets to the source.
    expect(receive(miner.mine({ bad: true }))).toMatchObject({
      messages: [{ _tag: "SubmitShares.Error", errorCode: "difficulty-too-low" }],
      events: [{ _tag: "ShareRefused" }]
    })
  })

  it("acknowledges no share before all older ones have their verdicts, because a client counts from its oldest on", () => {
    const { miner, receive, server, source, submit } = setup()
    const [first, second, third, fourth] = [1, 2, 3, 4].map(() => submit().via!.key!)
    const accept = (...keys: ReadonlyArray<number>) => source.make({ _tag: "SharesAccepted", keys })
    const refuse = (key: number) => source.make({ _tag: "ShareRefused", key, errorCode: "stale-share" })
    accept(fourth!, second!)
    expect(receive()).toEqual({ messages: [], events: [] })
    // Refusals name their shares, so they never wait.
    refuse(third!)
    expect(receive(miner.mine({ bad: true })).messages).toMatchObject([
      { _tag: "SubmitShares.Error", sequenceNumber: 3, errorCode: "stale-share" },
      { _tag: "SubmitShares.Error", sequenceNumber: 5, errorCode: "difficulty-too-low" }
    ])
    expect(server.waitingShares).toBe(3)
    // The first verdict counts.
    refuse(second!)
    expect(receive()).toEqual({ messages: [], events: [] })
    accept(first!)
    const { events, messages } = receive()
    expect(messages).toMatchObject([
      { _tag: "SubmitShares.Success", lastSequenceNumber: 4, newSubmitsAcceptedCount: 3 }
    ])
    expect(events).toMatchObject([1, 2, 4].map((sequenceNumber) => ({ _tag: "ShareAccepted", sequenceNumber })))
    expect(server.waitingShares).toBe(0)
  })

  it.each(["refused by the source", "without a verdict when the channel is closed"])(
    "acknowledges a share as soon as the only older one is %s",
    (why) => {
      const { receive, source, submit } = setup()
      const [first, second] = [1, 2].map(() => submit().via!.key!)
      source.make({ _tag: "SharesAccepted", keys: [second!] })
      expect(receive().messages).toEqual([])
      const isClosed = why !== "refused by the source"
      if (isClosed) source.make({ _tag: "Closed", reasonCode: "gone" })
      else source.make({ _tag: "ShareRefused", key: first!, errorCode: "stale-share" })
      const { messages } = receive()
      expect(messages.slice(0, 2)).toMatchObject([
        { _tag: "SubmitShares.Error", sequenceNumber: 1, errorCode: isClosed ? "no-verdict" : "stale-share" },
        { _tag: "SubmitShares.Success", lastSequenceNumber: 2, newSubmitsAcceptedCount: 1 }
      ])
      expect(tags(messages.slice(2))).toEqual(isClosed ? ["CloseChannel"] : [])
    }
  )

  it.each(["channel", "connection"])(
    "counts a share that the source has accepted when its client ends the %s",
    (end) => {
      const { out, receive, said, server, source, submit } = setup()
      const [, second] = [1, 2].map(() => submit().via!.key!)
      source.make({ _tag: "SharesAccepted", keys: [second!] })
      receive()
      if (end === "connection") server.close("gone", START, out)
      const { events } = end === "connection" ? said() : receive({ _tag: "CloseChannel", channelId: 2, reasonCode: "" })
      expect(events).toMatchObject([
        { _tag: "ShareRefused", sequenceNumber: 1, errorCode: "no-verdict" },
        { _tag: "ShareAccepted", sequenceNumber: 2 },
        { _tag: "ChannelClosed" }
      ])
    }
  )

  it("has shares without a verdict refused before it is closed, by the source or by this end", () => {
    for (const close of ["source", "server", "end"] as const) {
      const { out, receive, said, server, source, submit } = setup()
      submit()
      if (close === "source") source.make({ _tag: "Closed", reasonCode: "gone" })
      if (close === "server") server.closeChannel(2, "gone", START, out)
      if (close === "end") server.answerWaiting(START, out)
      const { events, messages } = close === "source" ? receive() : said()
      expect(messages[0]).toMatchObject({ _tag: "SubmitShares.Error", sequenceNumber: 1, errorCode: "no-verdict" })
      expect(events[0]).toMatchObject({ _tag: "ShareRefused", errorCode: "no-verdict" })
      if (close === "end") continue
      expect(messages.slice(1)).toEqual([{ _tag: "CloseChannel", channelId: 2, reasonCode: "gone" }])
      expect(source.calls).toEqual([["close", "gone"]])
    }
  })

  it("is closed at the source by its client, and hears no more", () => {
    const { receive, source, submit } = setup()
    const { via } = submit()
    expect(receive({ _tag: "CloseChannel", channelId: 2, reasonCode: "bye" })).toMatchObject({
      messages: [],
      events: [{ _tag: "ShareRefused", errorCode: "no-verdict" }, { _tag: "ChannelClosed" }]
    })
    expect(source.calls).toEqual([["close", "bye"]])
    source.make({ _tag: "SharesAccepted", keys: [via!.key!] })
    expect(receive()).toEqual({ messages: [], events: [] })
  })

  it("passes UpdateChannel and messages of unknown extensions on, and the answers back", () => {
    const { receive, source } = setup()
    const maximumTarget = ANY_TARGET
    expect(receive({ _tag: "UpdateChannel", channelId: 2, nominalHashRate: 7, maximumTarget }).messages).toEqual([])
    const foreign: ForeignMessage = { _tag: "ForeignMessage", extension: 5, type: 1, channelId: 2, content: bytes(1) }
    receive(foreign as unknown as Mining.ToServer)
    expect(source.calls).toEqual([
      ["update", 7, maximumTarget],
      ["forward", foreign]
    ])
    source.make({ _tag: "UpdateRefused", errorCode: "invalid-nominal-hashrate" })
    source.make({ _tag: "Forwarded", message: { ...foreign, channelId: 77 } })
    expect(receive().messages).toEqual([
      { _tag: "UpdateChannel.Error", channelId: 2, errorCode: "invalid-nominal-hashrate" },
      foreign
    ])
  })

  it("keeps the target of an active job, and takes the new one for the next, though both come at once", () => {
    const { miner, receive, source } = setup()
    const harder = u256ToBytes(1n << 250n)
    const change = { _tag: "NewTarget", target: harder, since: source.jobs.activations } as const
    const old = miner.jobId
    source.work(template(2))
    const [job] = source.takeChanges()
    source.make(change, job!)
    const { messages } = receive()
    expect(tags(messages)).toEqual(["SetTarget", "NewExtendedMiningJob"])
    for (const message of messages) miner.receive(message)
    expect(receive(miner.mine({ bad: true })).messages).toMatchObject([{ errorCode: "difficulty-too-low" }])
    miner.target = u256FromBytes(TARGET)
    expect(receive(miner.mine({ jobId: old })).events).toMatchObject([{ _tag: "ShareForSource" }])
  })

  it("follows a prefix of another size from the next job on, with old shares still checked with the old one", () => {
    const { miner, receive, source, submit } = setup()
    const old = miner.mine()
    const prefix = bytes(0xbb, 16)
    source.make({ _tag: "NewPrefix", prefix, fromJobId: source.jobs.nextId })
    source.work(template(2))
    const { messages } = receive()
    expect(messages[0]).toEqual({ _tag: "SetExtranoncePrefix", channelId: 2, extranoncePrefix: prefix })
    expect(submit(old).extranonce.subarray(0, 12)).toEqual(bytes(0xaa, 12))
    miner.prefix = prefix
    for (const message of messages) miner.receive(message)
    expect(submit().extranonce.subarray(0, 16)).toEqual(prefix)
  })

  it("mines a job of which only the merkle root is known", () => {
    const { receive, source, submit, miner } = setup("standard")
    const { jobs } = source
    const merkleRoot = bytes(0x77)
    const job = {
      ...jobs.current!,
      id: jobs.nextId,
      merkleRoot,
      coinbasePrefix: bytes(0, 0),
      coinbaseSuffix: bytes(0, 0)
    }
    source.make(jobs.activateJob(job, START))
    const { messages } = receive()
    expect(messages).toMatchObject([{ _tag: "NewMiningJob", merkleRoot, jobId: 71 }])
    for (const message of messages) miner.receive(message)
    expect(submit().job).toBe(job)
  })

  it("stays where it is: this end changes neither its prefix nor its group", () => {
    const { out, server } = setup()
    expect(server.changeExtranoncePrefix(2, out)).toBe("upstream-decides")
    expect(server.setGroup(server.newGroupId(), [2], out)).toBe("upstream-decides")
    expect(out.messages).toEqual([])
  })

  it("refuses shares beyond those that may wait for a verdict", () => {
    const { receive, source, submit, miner, server } = setup()
    const keys = Array.from({ length: 1024 }, () => submit().via!.key!)
    expect(receive(miner.mine()).messages).toMatchObject([{ errorCode: "too-many-shares-per-second" }])
    expect(server.waitingShares).toBe(1024)
    // Those that wait for the verdict on the oldest one count too.
    source.make({ _tag: "SharesAccepted", keys: keys.slice(1) })
    expect(receive(miner.mine()).messages).toMatchObject([{ errorCode: "too-many-shares-per-second" }])
    source.make({ _tag: "SharesAccepted", keys: keys.slice(0, 1) })
    const { events, messages } = receive()
    expect(tags(events)).toEqual(keys.map(() => "ShareAccepted"))
    expect(messages.at(-1)).toMatchObject({ _tag: "SubmitShares.Success", lastSequenceNumber: 1024 })
    expect(server.waitingShares).toBe(0)
  })
})
