/**
 * Drives one server and a client that sets its own jobs through random sequences of valid and invalid steps. The model of
 * channel-model.ts decides what every answer must be.
 *
 * `SLUICE_SEQUENCES` sets the number of sequences. `npm run soak` runs 10,000.
 */
import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { customHalves } from "@sluice/testing/custom-job"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { type ChannelServer, MAX_CUSTOM_JOBS, type ServerOutbox, u256ToBytes } from "../src/index.ts"
import { headerHash, Model, type ModelChannel, type ModelJob, type ModelPrevHash, number } from "./channel-model.ts"
import { customJob, TestCustomJobs } from "./custom-jobs-fixture.ts"
import { open, START_SECONDS, TestServer } from "./server-fixture.ts"

const SEQUENCES = Number(process.env["SLUICE_SEQUENCES"] ?? 300)
const MAX_CHANNELS = 4
const MAX_SHARES = 12
/** The hardest target at which the test looks for shares. */
const MIN_MINED = 1n << 250n
/** The server remembers a channel's shares for so many previous hashes, the present one included. */
const REMEMBERED_TIPS = 4

/** The kinds of steps, each as likely as it is frequent here. */
const kinds = [
  ...(["open", "job", "job", "job", "group job", "bad job", "many jobs"] as const),
  ...(["share", "share", "share", "share", "bad share", "bad share", "raw share", "replay", "replay"] as const),
  ...([
    "update",
    "close",
    "template",
    "tip",
    "tip",
    "tip again",
    "there and back",
    "time",
    "group",
    "prefix",
    "standard"
  ] as const)
]

type Share = Mining.SubmitSharesExtended

class Session {
  /** All answers in any session. */
  static readonly seen = new Set<string>()
  readonly #customJobs = new TestCustomJobs()
  readonly #server: TestServer
  readonly #connection: ChannelServer
  readonly #model: Model
  readonly #submitted: Array<Share> = []
  /** The jobs that were set, by id. */
  readonly #messages = new Map<number, Mining.SetCustomMiningJob>()
  /** Previous hashes in the order in which they were last in force. */
  #tips: ReadonlyArray<Uint8Array> = [bytes(1)]
  #tip: ModelPrevHash
  #templateId = 1
  #nonce = 0
  #sequenceNumber = 0
  #requestId = 0

  constructor(n: number) {
    const fixedVersion = n % 4 === 0
    const policy = {
      sharesPerMinute: 60,
      maxChannels: MAX_CHANNELS,
      maxSharesPerPrevHash: MAX_SHARES,
      ntimeDriftSeconds: 0
    }
    this.#server = TestServer.working({
      customJobs: this.#customJobs,
      policy,
      layout: { indexSize: 1 },
      coinbase: { versionRollingAllowed: !fixedVersion }
    })
    this.#connection = this.#server.connect(Mining.REQUIRES_WORK_SELECTION)
    const flags = { requiresStandardJobs: false, requiresWorkSelection: true, requiresVersionRolling: false }
    this.#model = new Model("server", { ...flags, fixedVersion, customJobs: true }, MAX_SHARES)
    this.#tip = { prevHash: bytes(1), minNtime: START_SECONDS, nbits: 0x1d00ffff, at: this.#server.now }
  }

  step(kind: (typeof kinds)[number], n: number): void {
    const channel = pick([...this.#model.channels.values()], n)
    switch (kind) {
      case "open":
        return this.#open(n)
      case "standard":
        return this.#refusedOpen("standard", "standard-channels-not-supported-for-custom-work")
      case "job":
        return this.#job(channel?.id ?? 999, n)
      case "many jobs":
        for (let i = 0; i < n % (MAX_CUSTOM_JOBS + 3); i++) this.#job(channel?.id ?? 999, n + i)
        return
      case "group job":
        return this.#job(pick([...this.#model.groups().keys()], n) ?? 1, n)
      case "bad job":
        return this.#badJob(channel, n)
      case "share":
        for (let i = 0; i <= n % 4; i++) this.#share(channel, n + i)
        return
      case "bad share":
        return this.#badShare(channel, n)
      case "raw share":
        return this.#rawShare(n)
      case "replay": {
        const share = pick(this.#submitted, n)
        if (share === undefined) return
        // Under the id of another job it is the same share if the jobs are equal.
        const channel = this.#model.channels.get(share.channelId)
        const job = n % 4 === 0 ? channel?.mined : pick([...(channel?.jobs.values() ?? [])], n >> 4)
        return this.#submit(n % 2 === 0 && job !== undefined ? { ...share, jobId: job.jobId } : share)
      }
      case "update":
        return channel === undefined ? undefined : this.#update(channel, n)
      case "close": {
        const id = n % 3 > 0 ? 999 : (channel?.id ?? 1)
        const said = this.#server.send(this.#connection, { _tag: "CloseChannel", channelId: id, reasonCode: "test" })
        assert.deepEqual(said.messages, [])
        return this.#model.close(id)
      }
      case "template":
        return this.#silent(template(++this.#templateId))
      case "tip":
        return this.#newTip(u256ToBytes(BigInt(++this.#templateId)))
      case "tip again":
        // A reorganisation of few blocks, or the present block once more.
        return this.#newTip(pick(this.#tips.slice(-REMEMBERED_TIPS + 1), n)!)
      case "there and back": {
        const share = pick(this.#submitted.slice(-8), n)
        const before = this.#model.channels.get(share?.channelId ?? 0)
        const message = this.#messages.get(share?.jobId ?? 0)
        if (share === undefined || before === undefined || message === undefined) return
        const { prevHash } = this.#tip
        this.#newTip(u256ToBytes(BigInt(++this.#templateId)))
        this.#job(before.id, n)
        this.#share(before, 1)
        this.#newTip(prevHash)
        // The client sets an old job once more, and submits a share of it again.
        this.#set({ ...message, channelId: before.id })
        return this.#submit({ ...share, jobId: before.mined!.jobId })
      }
      case "time":
        this.#server.now += (1 + (n % 20)) * 1000
        return this.#send(this.#server.tick(this.#connection).messages)
      case "group":
        return this.#group(n)
      case "prefix": {
        const said = this.#ask((out) => this.#connection.changeExtranoncePrefix(channel?.id ?? 999, out))
        assert.equal(said.length, channel === undefined ? 0 : 1)
        return this.#send(said)
      }
    }
  }

  /** Nothing is kept of a connection that ends. */
  end(): void {
    const { events } = this.#server.close(this.#connection)
    assert.equal(events.length, this.#model.channels.size)
    assert.equal(this.#server.space.held, 0)
    assert.equal(this.#customJobs.bytes, 0)
  }

  #open(n: number): void {
    const message = open({
      requestId: ++this.#requestId,
      nominalHashRate: [1, 0, 2, 5, 1e15][n % 5]!,
      userIdentity: "user"
    })
    if (this.#model.channels.size >= MAX_CHANNELS) return this.#refusedOpen("extended", "too-many-channels")
    assert.equal(message._tag, "OpenExtendedMiningChannel")
    this.#model.requests.set(message.requestId, {
      kind: "extended",
      maxTarget: number(ANY_TARGET),
      minExtranonceSize: 4
    })
    const { messages } = this.#server.send(this.#connection, message)
    // It gets no job.
    assert.deepEqual(
      messages.map(({ _tag }) => _tag),
      ["OpenExtendedMiningChannel.Success"]
    )
    this.#send(messages)
    const [answer] = messages
    if (answer?._tag === "OpenExtendedMiningChannel.Success") {
      this.#model.tell(this.#model.channels.get(answer.channelId)!, this.#tip)
    }
  }

  #refusedOpen(kind: "standard" | "extended", errorCode: string): void {
    const { messages } = this.#server.send(this.#connection, open({ kind, requestId: 7 }))
    assert.deepEqual(messages, [{ _tag: "OpenMiningChannel.Error", requestId: 7, errorCode }])
  }

  /** Sets a job on a channel or a group. Few kinds of jobs, so that many are equal. */
  #job(channelId: number, n: number): void {
    const { minNtime, nbits, prevHash } = this.#tip
    const version = n % 5 === 0 ? 0x3fffe000 : 0x20000000
    const tag = Uint8Array.of(n % 2)
    const fields = { requestId: n, prevHash, nbits, minNtime: minNtime + (n % 3), version }
    this.#set(customJob(channelId, fields, { tag, token: Uint8Array.of(n % 7) }))
  }

  #set(message: Mining.SetCustomMiningJob): void {
    const { channelId, requestId } = message
    const channels = this.#model.addressed(channelId)
    const { messages } = this.#server.send(this.#connection, message)
    const [answer] = messages
    if (channels.length === 0) return this.#refused(message, messages, "invalid-channel-id")
    assert.equal(messages.length, 1)
    assert.equal(answer?._tag, "SetCustomMiningJob.Success")
    assert.deepEqual([answer.channelId, answer.requestId], [channelId, requestId])
    this.#messages.set(answer.jobId, message)
    const { prefix, suffix } = customHalves(message, 20)
    const halves = { coinbaseTxPrefix: prefix, coinbaseTxSuffix: suffix }
    this.#model.setCustomJob(message, answer.jobId, channels, halves, MAX_CUSTOM_JOBS)
    Session.seen.add("job set")
  }

  #badJob(channel: ModelChannel | undefined, n: number): void {
    const token = { miningJobToken: new Uint8Array(0) }
    const channelId = n % 2 === 0 || channel === undefined ? 999 : channel.id
    const message = customJob(channelId, { requestId: n, ...token })
    const errorCode = channelId === 999 ? "invalid-channel-id" : "invalid-mining-job-token"
    this.#refused(message, this.#server.send(this.#connection, message).messages, errorCode)
  }

  #refused(message: Mining.SetCustomMiningJob, said: ReadonlyArray<Mining.ToClient>, errorCode: string): void {
    const { channelId, requestId } = message
    assert.deepEqual(said, [{ _tag: "SetCustomMiningJob.Error", channelId, requestId, errorCode }])
    Session.seen.add(`custom job: ${errorCode}`)
  }

  #share(channel: ModelChannel | undefined, n: number): void {
    const job = this.#anyJob(channel, n)
    if (job !== undefined) this.#mine(channel!, job, {}, true)
  }

  #badShare(channel: ModelChannel | undefined, n: number): void {
    const job = this.#anyJob(channel, n)
    if (job === undefined) return
    const least = job.minNtime!
    const changes: ReadonlyArray<Partial<Share>> = [
      {},
      { ntime: least - 1 },
      { ntime: this.#tip.minNtime + this.#elapsed + 1 + (n % 3) },
      { version: (job.version ^ (1 << (n % 32))) >>> 0 },
      { extranonce: bytes(n & 0xff, (channel!.extranonceSize + 1 + (n % 5)) % 33) }
    ]
    this.#mine(channel!, job, pick(changes, n >> 3)!, n % 5 > 0)
  }

  /** A share for any job id, on any channel. */
  #rawShare(n: number): void {
    const channel = pick([...this.#model.channels.values()], n)
    const jobs = [...this.#model.channels.values()].flatMap(({ jobs }) => [...jobs.keys()])
    const jobId = pick([0, 1, 1000, n, ...jobs], n >> 2)!
    const sequenceNumber = ++this.#sequenceNumber
    const share = { channelId: n % 5 === 0 ? 999 : (channel?.id ?? 2), sequenceNumber, jobId, nonce: n }
    const size = channel?.extranonceSize ?? 8
    const rest = { version: 0x20000000, ntime: this.#tip.minNtime, extranonce: bytes(0, size) }
    this.#submit({ _tag: "SubmitSharesExtended", ...share, ...rest })
  }

  /** The newest job of a channel, or another one, which may be stale. */
  #anyJob(channel: ModelChannel | undefined, n: number): ModelJob | undefined {
    return n % 3 === 0 ? pick([...(channel?.jobs.values() ?? [])], n >> 3) : channel?.mined
  }

  /** Submits a share with these fields. Looks for a nonce whose hash meets or misses the target, if one is found soon. */
  #mine(channel: ModelChannel, job: ModelJob, fields: Partial<Share>, good: boolean): void {
    const rolled = job.rolling ? job.version ^ ((this.#nonce << 5) & 0x1fffffe0) : job.version
    const { extranonce, ntime, version } = {
      ntime: Math.min(job.minNtime! + (this.#nonce % 3), this.#tip.minNtime + this.#elapsed),
      version: rolled >>> 0,
      extranonce: bytes(this.#nonce & 0xff, channel.extranonceSize),
      ...fields
    }
    if (good && job.target < MIN_MINED) return
    const root = job.root(extranonce)
    for (let tries = 0; tries < 64; tries++) {
      const nonce = this.#nonce++
      if (number(headerHash(this.#tip, root, { version, ntime, nonce })) <= job.target !== good) continue
      const share = { channelId: channel.id, sequenceNumber: ++this.#sequenceNumber, jobId: job.jobId, nonce, ntime }
      const message: Share = { _tag: "SubmitSharesExtended", ...share, version, extranonce }
      this.#submitted.push(message)
      return this.#submit(message)
    }
  }

  #submit(share: Share): void {
    const codes = this.#model.refusals(share, this.#server.now)
    const { events, messages } = this.#server.send(this.#connection, share)
    // A new target may come before the answer.
    const answer = messages.find(({ _tag }) => _tag !== "SetTarget")
    if (codes.size === 0) {
      assert.equal(
        answer?._tag,
        "SubmitShares.Success",
        `should be accepted, got ${answer !== undefined && "errorCode" in answer ? answer.errorCode : answer?._tag}`
      )
      assert.equal(answer.newSubmitsAcceptedCount, 1)
      assert.deepEqual(events.filter(({ _tag }) => _tag === "ShareAccepted").length, 1)
      Session.seen.add("accepted")
    } else {
      assert.equal(answer?._tag, "SubmitShares.Error", `should be ${[...codes].join(" or ")}`)
      assert.ok(codes.has(answer.errorCode), `expected ${[...codes].join(" or ")}, got ${answer.errorCode}`)
      Session.seen.add(answer.errorCode)
    }
    this.#send(messages)
  }

  #update(channel: ModelChannel, n: number): void {
    const maximum = n % 3 === 0 ? u256ToBytes((1n << 254n) + BigInt(n)) : ANY_TARGET
    channel.maxTarget = number(maximum)
    const nominalHashRate = [1, 0, 3, 8, 1e15][n % 5]!
    const update = { _tag: "UpdateChannel", channelId: channel.id, nominalHashRate, maximumTarget: maximum } as const
    this.#send(this.#server.send(this.#connection, update).messages)
    assert.ok(channel.target <= channel.maxTarget)
  }

  #newTip(prevHash: Uint8Array): void {
    const isSame = Buffer.compare(prevHash, this.#tip.prevHash) === 0
    this.#silent(futureTemplate(++this.#templateId))
    const headerTimestamp = Math.floor(this.#server.now / 1000)
    this.#silent(newPrevHash(this.#templateId, { prevHash, headerTimestamp }))
    if (isSame) return
    this.#tips = [...this.#tips.filter((tip) => Buffer.compare(tip, prevHash) !== 0), prevHash]
    this.#tip = { prevHash, minNtime: headerTimestamp, nbits: 0x1d00ffff, at: this.#server.now }
    this.#model.newTip(this.#tip)
  }

  /** A message of the template provider of which the client hears nothing. */
  #silent(message: Parameters<TestServer["template"]>[0]): void {
    assert.deepEqual(this.#server.template(message)[0]!.messages, [])
  }

  #group(n: number): void {
    const groupId = n % 3 === 0 ? this.#connection.newGroupId() : (pick([...this.#model.groups().keys()], n) ?? 1)
    const ids = [...this.#model.channels.keys()].filter((_, index) => ((n >> 2) >> index) % 2 === 1)
    if (ids.length > 0) this.#send(this.#ask((out) => this.#connection.setGroup(groupId, ids, out)))
  }

  #ask(run: (out: ServerOutbox) => void): ReadonlyArray<Mining.ToClient> {
    return this.#server.ask(run).messages
  }

  /** Each message must be legal, and none is a job. */
  #send(messages: ReadonlyArray<Mining.ToClient>): void {
    for (const message of messages) {
      assert.ok(!/Job|PrevHash/.test(message._tag), message._tag)
      const broken = this.#model.broken(message, this.#server.now)
      if (broken.size > 0) throw new Error(`the server's ${message._tag} breaks ${[...broken].join(", ")}`)
    }
  }

  /** Seconds since the previous hash came. */
  get #elapsed(): number {
    return (this.#server.now - this.#tip.at) / 1000
  }
}

const pick = <A>(from: ReadonlyArray<A>, n: number): A | undefined => from[n % Math.max(1, from.length)]

const EVERYTHING = [
  "accepted",
  "bad-extranonce-size",
  "custom job: invalid-channel-id",
  "custom job: invalid-mining-job-token",
  "difficulty-too-low",
  "duplicate-share",
  "invalid-channel-id",
  "invalid-job-id",
  "invalid-non-rollable-version-bit",
  "invalid-share",
  "job set",
  "stale-share",
  "too-many-shares",
  "version-rolling-not-allowed"
]

describe("a server and a client that sets its own jobs", () => {
  it(`answer as the specification says in ${SEQUENCES} random sequences`, { timeout: 600_000 }, () => {
    const step = fc.nat({ max: 0x7fffffff })
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), fc.array(step, { minLength: 20, maxLength: 80, size: "max" }), (n, steps) => {
        const session = new Session(n)
        session.step("open", n)
        session.step("job", n)
        for (const one of steps) session.step(kinds[one % kinds.length]!, Math.floor(one / kinds.length))
        session.end()
      }),
      { numRuns: SEQUENCES }
    )
    expect(EVERYTHING.filter((one) => !Session.seen.has(one))).toEqual([])
  })
})
