/**
 * Drives one server, one client and a wire that delays messages through random sequences of valid and invalid steps. Two models
 * (channel-model.ts) listen, one at each end. They decide what every answer of the server must be, whether its other messages
 * are legal, and which state the client must have.
 *
 * `SLUICE_SEQUENCES` sets the number of sequences. `npm run soak` runs 10,000.
 */
import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { type ChannelServer, type ServerOutbox, templateOf, u256ToBytes } from "../src/index.ts"
import { TestClient } from "./test-client.ts"
import { headerHash, Model, type ModelChannel, type ModelFlags, number } from "./channel-model.ts"
import { coinbaseHalves } from "@sluice/testing/coinbase-halves"
import { coinbaseRules, open, TestServer } from "./server-fixture.ts"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"

const SEQUENCES = Number(process.env["SLUICE_SEQUENCES"] ?? 1_000)
const MAX_CHANNELS = 5
const MAX_SHARES = 12
/** The hardest target at which the test looks for shares. */
const MIN_MINED = 1n << 250n
/** The full extranonce has 20 bytes: one for the server, one for the channel, and these. */
const MAX_ROLLABLE = 18

/** The kinds of steps, each as likely as it is frequent here. */
const kinds = [
  ...(["open", "open", "bad open", "share", "share", "share", "share", "share", "bad share", "bad share"] as const),
  ...(["raw share", "replay", "update", "bad update", "close", "server closes", "custom job"] as const),
  ...(["template", "template", "future", "prev hash", "prev hash", "time", "group", "prefix"] as const),
  ...(["to server", "to server", "to server", "to client", "to client", "to client", "to both", "violate"] as const)
]

const FLAGS: ReadonlyArray<ModelFlags> = [0, 1, 2, 3, 4].map((n) => ({
  requiresStandardJobs: n === 1,
  requiresWorkSelection: n === 2,
  requiresVersionRolling: n === 3,
  fixedVersion: n === 4
}))

type Share = Mining.SubmitSharesStandard | Mining.SubmitSharesExtended

class Session {
  /** Everything that happened in any session, to check that the test covers all cases. */
  static readonly seen = new Set<string>()
  readonly #flags: ModelFlags
  readonly #server: TestServer
  readonly #connection: ChannelServer
  readonly #client: TestClient
  readonly #atServer: Model
  readonly #atClient: Model
  #toServer: Array<Mining.ToServer> = []
  #toClient: Array<Mining.ToClient> = []
  readonly #submitted: Array<Share> = []
  /** The answers that the server must give to the client's shares, by channel and sequence number. */
  readonly #verdicts = new Map<string, "accepted" | "refused">()
  readonly #answered = new Set<string>()
  #rawAccepted = false
  #templateId = 1
  /** Previous hashes in the order in which they were last in force. */
  #prevHashes: ReadonlyArray<Uint8Array> = [bytes(1)]
  #nonce = 0
  #ended = false

  constructor(n: number) {
    this.#flags = FLAGS[n % FLAGS.length]!
    const { fixedVersion, requiresStandardJobs, requiresVersionRolling, requiresWorkSelection } = this.#flags
    const options = {
      policy: {
        sharesPerMinute: 60,
        maxChannels: MAX_CHANNELS,
        maxSharesPerPrevHash: MAX_SHARES,
        ntimeDriftSeconds: 0
      },
      layout: { indexSize: 1 },
      coinbase: { versionRollingAllowed: !fixedVersion }
    }
    this.#server = n % 7 === 0 ? new TestServer(options) : TestServer.working(options)
    this.#connection = this.#server.connect(
      (requiresStandardJobs ? Mining.REQUIRES_STANDARD_JOBS : 0) |
        (requiresVersionRolling ? Mining.REQUIRES_VERSION_ROLLING : 0) |
        (requiresWorkSelection ? Mining.REQUIRES_WORK_SELECTION : 0)
    )
    this.#client = new TestClient(this.#flags)
    this.#atServer = new Model("server", this.#flags, MAX_SHARES)
    this.#atClient = new Model("client", this.#flags, MAX_SHARES)
  }

  step(kind: (typeof kinds)[number], n: number): void {
    if (this.#ended) return
    switch (kind) {
      case "open":
        return this.#open(n)
      case "bad open":
        return this.#badOpen(n)
      case "share":
        for (let i = 0; i <= n % 4; i++) this.#share(n + i)
        return
      case "bad share":
        return this.#badShare(n)
      case "raw share":
        return this.#rawShare(n)
      case "replay": {
        const share = pick(this.#submitted, n)
        if (share === undefined) return
        // Sometimes names the current job instead. With the same header it would be the same share.
        const mined = this.#atClient.channels.get(share.channelId)?.mined
        return this.#rawSubmit(n % 4 === 0 && mined !== undefined ? { ...share, jobId: mined.jobId } : share)
      }
      case "update": {
        const channel = pick([...this.#atClient.channels.values()], n)
        if (channel === undefined) return
        const maximum = n % 3 === 0 ? u256ToBytes((1n << 254n) + BigInt(n)) : ANY_TARGET
        return this.#update(channel, [1, 0, 3, 8, 1e15][n % 5]!, maximum)
      }
      case "bad update": {
        const channelId = n % 4 === 0 ? 999 : (pick([...this.#atClient.channels.keys()], n) ?? 999)
        const nominalHashRate = n % 4 === 1 ? Number.NaN : n % 4 === 2 ? -1 : 1
        const maximumTarget = n % 4 === 3 ? bytes(0) : ANY_TARGET
        this.#toServer.push({ _tag: "UpdateChannel", channelId, nominalHashRate, maximumTarget })
        return
      }
      case "close": {
        // Mostly closes nothing, so that sessions last.
        const id = [999, 1, ...this.#atClient.channels.keys()][n % 6]
        if (id === undefined || (id === 1 && n % 5 > 0)) return
        // While channels join or leave a group, the ends disagree on its members: SetGroupChannel has no answer (5.3.22).
        const isJoining = this.#atClient.requests.size > 0
        if (id === 1 && (isJoining || this.#toClient.some(({ _tag }) => _tag === "SetGroupChannel"))) return
        this.#atClient.close(id)
        this.#toServer.push(this.#client.closeChannel(id, "test"))
        return
      }
      case "server closes": {
        const id = pick([...this.#atServer.channels.keys(), 999, 999], n)!
        const target = n % 11 === 0 ? (this.#atServer.channels.get(id)?.group ?? id) : id
        const exists = this.#atServer.addressed(target).length > 0
        const said = this.#ask((out) => {
          assert.equal(this.#connection.closeChannel(target, "test", this.#server.now, out), exists)
        })
        assert.deepEqual(said, exists ? [{ _tag: "CloseChannel", channelId: target, reasonCode: "test" }] : [])
        return this.#send(said)
      }
      case "custom job":
        return this.#customJob(n)
      case "template":
        if (this.#server.context.jobs.prevHash !== undefined) this.#announce(template(++this.#templateId))
        return
      case "future":
        return this.#announce(futureTemplate(++this.#templateId))
      case "prev hash": {
        // Names a future job that was sent before, or one that is sent now.
        const futures = [...this.#server.context.jobs.futureJobs()]
        if (futures.length === 0 || n % 2 === 0) this.#announce(futureTemplate(++this.#templateId))
        const { templateId } = templateOf(pick([...this.#server.context.jobs.futureJobs()], n >> 1)!)
        const headerTimestamp = this.#server.now / 1000
        // Sometimes returns to an earlier previous hash, as in a reorganisation.
        const left = this.#prevHashes.slice(0, -1)
        const prevHash = (n % 3 === 0 ? pick(left, n >> 3) : undefined) ?? u256ToBytes(BigInt(++this.#templateId))
        this.#prevHashes = [...this.#prevHashes.filter((hash) => hash !== prevHash), prevHash]
        return this.#announce(newPrevHash(Number(templateId), { headerTimestamp, prevHash }))
      }
      case "time":
        this.#server.now += (1 + (n % 20)) * 1000
        return this.#send(this.#server.tick(this.#connection).messages)
      case "group":
        return this.#group(n)
      case "prefix":
        this.#prefix(n)
        // Sends variants of jobs to one channel after the other, too.
        if (n % 3 === 0) for (const channel of this.#atClient.channels.values()) this.#update(channel, 8, ANY_TARGET)
        return
      case "to server":
        return this.#arrive(1 + (n % 6))
      case "to client":
        return this.#deliver(1 + (n % 12))
      case "to both":
        this.#arrive(100)
        return this.#deliver(1000)
      case "violate":
        if (n % 5 === 0) this.#violate(n)
    }
  }

  /** Delivers all messages. Every share of the client must then have the right answer. */
  end(): void {
    this.#arrive(1e6)
    if (!this.#ended) this.#deliver(1e6)
    if (!this.#ended && !this.#rawAccepted) {
      for (const key of this.#verdicts.keys()) {
        const id = Number(key.split(" ")[0])
        if (this.#atClient.channels.has(id) && !this.#answered.has(key)) throw new Error(`share ${key} has no answer`)
      }
    }
    const { events } = this.#server.close(this.#connection)
    assert.equal(events.length, this.#atServer.channels.size)
    assert.equal(this.#server.space.held, 0)
  }

  #open(n: number): void {
    const { requiresStandardJobs, requiresWorkSelection } = this.#flags
    const isStandard = requiresStandardJobs || (!requiresWorkSelection && n % 2 === 0)
    const maxTarget = n % 3 === 0 ? u256ToBytes((1n << 254n) + BigInt(n)) : ANY_TARGET
    const request = { userIdentity: "user", nominalHashRate: [1, 0, 2, 5, 1e15][n % 5]!, maxTarget }
    const minExtranonceSize = n % (MAX_ROLLABLE + 1)
    const message = isStandard
      ? this.#client.openStandardChannel(request)
      : this.#client.openExtendedChannel({ ...request, minExtranonceSize })
    this.#atClient.requests.set(message.requestId, requestOf(message))
    this.#toServer.push(message)
  }

  #badOpen(n: number): void {
    const bad = [
      { nominalHashRate: Number.NaN },
      { nominalHashRate: -5 },
      { maxTarget: bytes(0) },
      { userIdentity: "" },
      { userIdentity: "x\n" },
      { minExtranonceSize: MAX_ROLLABLE + 1, kind: "extended" as const },
      { minExtranonceSize: 33, kind: "extended" as const },
      { kind: this.#flags.requiresStandardJobs ? ("extended" as const) : ("standard" as const) }
    ]
    const request = { userIdentity: "user", nominalHashRate: 1, maxTarget: ANY_TARGET }
    const { requestId } = this.#client.openStandardChannel(request)
    const kind = n % 3 === 0 || this.#flags.requiresStandardJobs ? "standard" : "extended"
    const message = open({ requestId, kind, ...request, ...pick(bad, n >> 2)! })
    // Some connections accept the last kind of request. The client does not expect that answer, so it is not sent there.
    if (this.#openRefusals(message).size === 0 && message._tag === "OpenExtendedMiningChannel") return
    this.#atClient.requests.set(requestId, requestOf(open({ requestId, kind: "standard", ...request })))
    this.#toServer.push(message)
  }

  #update(channel: ModelChannel, nominalHashRate: number, maximumTarget: Uint8Array): void {
    const maximum = number(maximumTarget)
    if (maximum > channel.maxTarget) channel.maxTarget = maximum
    this.#toServer.push(this.#client.updateChannel(channel.id, nominalHashRate, maximumTarget))
  }

  /** Submits a share of an honest client, for a job that is valid as far as the client knows. */
  #share(n: number): void {
    const channel = pick([...this.#atClient.channels.values()], n)
    if (channel?.prevHash === undefined) return
    const jobs = [...channel.jobs.values()].filter(({ state }) => state === "active")
    const job = n % 3 === 0 ? pick(jobs, n >> 3)! : channel.mined!
    this.#submit(channel, job.jobId, {}, true)
  }

  #badShare(n: number): void {
    const channel = pick([...this.#atClient.channels.values()], n)
    if (channel?.prevHash === undefined) return
    const { jobId, version } = channel.mined!
    const { minNtime } = channel.prevHash
    const size = channel.extranonceSize
    switch ((n >> 3) % 6) {
      case 0:
        return this.#submit(channel, jobId, {}, false)
      case 1:
        return this.#submit(channel, jobId, { ntime: minNtime - 1 - (n % 3) }, true)
      case 2:
        // Too late, or in time if the message is delayed enough.
        return this.#submit(channel, jobId, { ntime: minNtime + this.#elapsed(channel) + (1 + (n % 3)) ** 3 }, true)
      case 3:
        return this.#submit(channel, jobId, { version: (version ^ (1 << (n % 32))) >>> 0 }, true)
      case 4:
        if (channel.kind === "standard") return
        return this.#submit(channel, jobId, { extranonce: bytes(n & 0xff, (size + 1 + (n % 5)) % 33) }, true)
      case 5:
        return this.#submit(channel, jobId, { ntime: minNtime - 1, version: (version ^ 1) >>> 0 }, false)
    }
  }

  /** Submits a share that ChannelClient never would: for a future, past or unknown job, or for a wrong channel. */
  #rawShare(n: number): void {
    const channel = pick([...this.#atServer.channels.values()], n)
    if (channel === undefined) return
    const owner = n % 3 === 0 ? pick([...this.#atServer.channels.values()], n >> 5)! : channel
    const jobs = [...owner.jobs.values()].filter(({ state }) => state !== "active" || n % 4 > 1)
    const jobId = n % 5 === 0 ? n : (pick(jobs, n >> 3)?.jobId ?? 5)
    const fields = {
      channelId: n % 7 === 0 ? 999 : channel.id,
      sequenceNumber: 0,
      jobId,
      nonce: n,
      version: 0x20000000
    }
    const share = { ...fields, ntime: channel.prevHash?.minNtime ?? 0 }
    const isStandard = (channel.kind === "standard") !== (n % 6 === 0)
    this.#rawSubmit(
      isStandard
        ? { _tag: "SubmitSharesStandard", ...share }
        : { _tag: "SubmitSharesExtended", ...share, extranonce: bytes(0, channel.extranonceSize) }
    )
  }

  #rawSubmit(share: Share): void {
    this.#toServer.push({ ...share, sequenceNumber: 0 })
  }

  /** Submits a share with these fields. Looks for a nonce whose hash meets or misses the target, if one is found soon. */
  #submit(
    channel: ModelChannel,
    jobId: number,
    fields: { readonly ntime?: number; readonly version?: number; readonly extranonce?: Uint8Array },
    good: boolean
  ): void {
    const job = channel.jobs.get(jobId)!
    const { minNtime } = channel.prevHash!
    const rolled = job.rolling ? job.version ^ ((this.#nonce << 5) & 0x1fffffe0) : job.version
    const { extranonce, ntime, version } = {
      ntime: minNtime + (this.#nonce % (this.#elapsed(channel) + 1)),
      version: rolled >>> 0,
      extranonce: bytes(this.#nonce & 0xff, channel.extranonceSize),
      ...fields
    }
    if (good && job.target < MIN_MINED) return
    const root = job.root(extranonce)
    for (let tries = 0; tries < 64; tries++) {
      const nonce = this.#nonce++
      if (number(headerHash(channel.prevHash!, root, { version, ntime, nonce })) <= job.target !== good) continue
      const message = this.#client.submit(channel.id, { jobId, nonce, ntime, version, extranonce }, this.#server.now)
      if (message === undefined) throw new Error(`the client takes active job ${jobId} for stale`)
      this.#submitted.push(message)
      this.#toServer.push(message)
      return
    }
  }

  /** Seconds since the previous hash came to the client. */
  #elapsed(channel: ModelChannel): number {
    return (this.#server.now - channel.prevHash!.at) / 1000
  }

  #customJob(n: number): void {
    const channelId = pick([1, 999, ...this.#atClient.channels.keys()], n)!
    this.#toServer.push({
      _tag: "SetCustomMiningJob",
      channelId,
      requestId: n,
      miningJobToken: bytes(1),
      version: 0x20000000,
      prevHash: bytes(1),
      minNtime: 1,
      nbits: 1,
      coinbaseTxVersion: 2,
      coinbasePrefix: bytes(1, 4),
      coinbaseTxInputNSequence: 1,
      coinbaseTxOutputs: bytes(1, 40),
      coinbaseTxLocktime: 0,
      merklePath: []
    })
  }

  #group(n: number): void {
    const groups = [...this.#atServer.groups().keys()]
    const groupId = n % 3 === 0 ? this.#connection.newGroupId() : n % 13 === 1 ? 999 : (pick(groups, n) ?? 1)
    const ids = [...this.#atServer.channels.keys()].filter((_, index) => ((n >> 2) >> index) % 2 === 1)
    if (n % 17 === 2) ids.push(999)
    if (ids.length === 0) return
    const refusal = this.#flags.requiresStandardJobs
      ? "requires-standard-jobs"
      : groupId === 999
        ? "unknown-group"
        : ids.includes(999)
          ? "unknown-channel"
          : undefined
    const said = this.#ask((out) => assert.equal(this.#connection.setGroup(groupId, ids, out), refusal))
    assert.deepEqual(
      said,
      refusal === undefined ? [{ _tag: "SetGroupChannel", groupChannelId: groupId, channelIds: ids }] : []
    )
    this.#send(said)
  }

  #prefix(n: number): void {
    const channel = pick([...this.#atServer.channels.values()], n)
    const said = this.#ask((out) =>
      assert.equal(
        this.#connection.changeExtranoncePrefix(channel?.id ?? 999, out),
        channel === undefined ? "unknown-channel" : undefined
      )
    )
    assert.equal(said.length, channel === undefined ? 0 : 1)
    this.#send(said)
    const prefixes = [...this.#atServer.channels.values()].map(({ prefix }) => Buffer.from(prefix).toString("hex"))
    // The search spaces of channels must not overlap.
    for (const prefix of prefixes) assert.equal(prefixes.filter((other) => prefix.startsWith(other)).length, 1)
  }

  /** Delivers messages to the server: a run of shares as one read, other messages one by one. */
  #arrive(count: number): void {
    const waiting = this.#toServer.splice(0, count)
    for (let first = 0; first < waiting.length;) {
      let end = first + 1
      if (isShare(waiting[first]!)) while (end < waiting.length && isShare(waiting[end]!)) end++
      const batch = waiting.slice(first, end)
      if (isShare(batch[0]!)) this.#shares(batch as ReadonlyArray<Share>)
      else this.#request(batch[0]!)
      first = end
    }
  }

  #shares(batch: ReadonlyArray<Share>): void {
    const at = this.#server.now
    const expected = batch.map((share) => ({ share, codes: this.#atServer.refusals(share, at) }))
    const refused = expected.filter(({ codes }) => codes.size > 0)
    const accepted = Map.groupBy(
      expected.filter(({ codes }) => codes.size === 0),
      ({ share }) => share.channelId
    )
    for (const { codes, share } of expected) {
      if (share.sequenceNumber > 0) this.#verdicts.set(keyOf(share), codes.size > 0 ? "refused" : "accepted")
      else if (codes.size === 0) this.#rawAccepted = true
    }
    const targets = new Map(
      expected.map(({ share }) => [share, this.#atServer.channels.get(share.channelId)?.jobs.get(share.jobId)?.target])
    )
    const { messages } = this.#server.send(this.#connection, ...batch)
    for (const message of messages) {
      if (message._tag === "SubmitShares.Error") {
        const next = refused.shift()
        if (next === undefined || keyOf(next.share) !== keyOf(message)) {
          throw new Error(`share ${keyOf(message)} should be accepted, got ${message.errorCode}`)
        }
        if (!next.codes.has(message.errorCode)) {
          throw new Error(`expected ${[...next.codes].join(" or ")}, got ${message.errorCode}`)
        }
        Session.seen.add(message.errorCode)
      } else if (message._tag === "SubmitShares.Success") {
        const { channelId, lastSequenceNumber, newSharesSum, newSubmitsAcceptedCount } = message
        const covered = accepted.get(channelId)?.splice(0, newSubmitsAcceptedCount) ?? []
        assert.equal(covered.length, newSubmitsAcceptedCount)
        assert.equal(covered.at(-1)!.share.sequenceNumber, lastSequenceNumber)
        const sum = covered.reduce((sum, { share }) => sum + difficulty(targets.get(share)!), 0)
        assert.equal(newSharesSum, BigInt(Math.round(sum)))
        Session.seen.add("accepted")
      }
    }
    const missing = [...refused, ...[...accepted.values()].flat()]
    if (missing.length > 0) {
      const { codes, share } = missing[0]!
      throw new Error(`share ${keyOf(share)} should be ${codes.size > 0 ? [...codes].join(" or ") : "accepted"}`)
    }
    this.#send(messages)
  }

  #request(message: Mining.ToServer): void {
    const model = this.#atServer
    switch (message._tag) {
      case "OpenStandardMiningChannel":
      case "OpenExtendedMiningChannel": {
        const refusals = this.#openRefusals(message)
        if (model.channels.size >= MAX_CHANNELS) refusals.add("too-many-channels")
        model.requests.set(message.requestId, requestOf(message))
        const { messages } = this.#server.send(this.#connection, message)
        const [answer, ...rest] = messages
        if (refusals.size > 0) {
          if (answer?._tag !== "OpenMiningChannel.Error" || !refusals.has(answer.errorCode)) {
            throw new Error(`expected ${[...refusals].join(" or ")}, got ${JSON.stringify(answer?._tag)}`)
          }
          Session.seen.add(answer.errorCode)
          assert.deepEqual(rest, [])
        } else {
          assert.equal(answer?._tag, `${message._tag}.Success`)
          assert.equal("requestId" in answer && answer.requestId, message.requestId)
          // 5.3.15: a future job, and the previous hash that activates it.
          if (this.#server.context.jobs.prevHash !== undefined) {
            const [job, prevHash] = rest as [Mining.NewMiningJob | Mining.NewExtendedMiningJob, Mining.SetNewPrevHash]
            assert.deepEqual([job.minNtime, prevHash._tag, prevHash.jobId], [undefined, "SetNewPrevHash", job.jobId])
          }
        }
        return this.#send(messages)
      }
      case "UpdateChannel": {
        const { channelId, maximumTarget, nominalHashRate } = message
        const channel = model.channels.get(channelId)
        const errorCode =
          channel === undefined
            ? "invalid-channel-id"
            : !(nominalHashRate >= 0)
              ? "invalid-nominal-hashrate"
              : number(maximumTarget) === 0n
                ? "max-target-out-of-range"
                : undefined
        if (errorCode === undefined) channel!.maxTarget = number(maximumTarget)
        const { messages } = this.#server.send(this.#connection, message)
        if (errorCode !== undefined) {
          assert.deepEqual(messages, [{ _tag: "UpdateChannel.Error", channelId, errorCode }])
          Session.seen.add(`update: ${errorCode}`)
        }
        this.#send(messages)
        // 5.3.7: the server must apply a smaller maximum target.
        if (errorCode === undefined) assert.ok(channel!.target <= channel!.maxTarget)
        return
      }
      case "CloseChannel":
        assert.deepEqual(this.#server.send(this.#connection, message).messages, [])
        return model.close(message.channelId)
      case "SetCustomMiningJob": {
        const { channelId, requestId } = message
        const isKnown = channelId === 1 || model.channels.get(channelId)?.kind === "extended"
        const errorCode = isKnown ? "jd-not-supported" : "invalid-channel-id"
        const { messages } = this.#server.send(this.#connection, message)
        assert.deepEqual(messages, [{ _tag: "SetCustomMiningJob.Error", channelId, requestId, errorCode }])
        Session.seen.add(`custom job: ${errorCode}`)
        return this.#send(messages)
      }
    }
  }

  /** All error codes that fit a request for a channel, except those for too many channels. */
  #openRefusals(message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel): Set<string> {
    const codes = new Set<string>()
    const isExtended = message._tag === "OpenExtendedMiningChannel"
    if (isExtended && this.#flags.requiresStandardJobs) codes.add("extended-channels-not-supported-for-standard-jobs")
    if (!isExtended && this.#flags.requiresWorkSelection) codes.add("standard-channels-not-supported-for-custom-work")
    if (!(message.nominalHashRate >= 0)) codes.add("invalid-nominal-hashrate")
    if (number(message.maxTarget) === 0n) codes.add("max-target-out-of-range")
    if (!/^\w+$/.test(message.userIdentity)) codes.add("invalid-user-identity")
    if (isExtended && message.minExtranonceSize > 32) codes.add("min-extranonce-size-too-large")
    else if (isExtended && message.minExtranonceSize > MAX_ROLLABLE) codes.add("unsupported-min-extranonce-size")
    return codes
  }

  #announce(message: Parameters<TestServer["template"]>[0]): void {
    const before = new Map([...this.#atServer.channels].map(([id, { jobs }]) => [id, jobs.size]))
    const { messages } = this.#server.template(message)[0]!
    this.#send(messages)
    const { channels, flags } = this.#atServer
    const job = message._tag === "NewTemplate"
    if (job) {
      // One message to each group, or to each channel if there are no groups.
      assert.equal(messages.length, flags.requiresStandardJobs ? channels.size : this.#atServer.groups().size)
      for (const [id, { jobs }] of channels) assert.equal(jobs.size, before.get(id)! + 1)
    } else {
      assert.ok(messages.length <= channels.size)
      for (const { prevHash } of channels.values()) assert.ok(equal(prevHash!.prevHash, message.prevHash))
    }
  }

  #ask(run: (out: ServerOutbox) => void): ReadonlyArray<Mining.ToClient> {
    return this.#server.ask(run).messages
  }

  /** Sends all messages of the server. Each must be legal, and its channel must be open. */
  #send(messages: ReadonlyArray<Mining.ToClient>): void {
    for (const message of messages) {
      const isAnswer = message._tag.endsWith(".Error") || message._tag.endsWith(".Success")
      if ("channelId" in message && !isAnswer && this.#atServer.addressed(message.channelId).length === 0) {
        throw new Error(`${message._tag} for channel ${message.channelId}, which is not there`)
      }
      const broken = this.#atServer.broken(message, this.#server.now)
      if (broken.size > 0) throw new Error(`the server's ${message._tag} breaks ${[...broken].join(", ")}`)
      this.#toClient.push(message)
    }
  }

  #deliver(count: number): void {
    for (const message of this.#toClient.splice(0, count)) {
      const isUnknown = this.#isForNobody(message)
      const broken = this.#atClient.broken(message, this.#server.now)
      if (broken.size > 0) throw new Error(`a legal ${message._tag} arrives as ${[...broken].join(", ")}`)
      let ignored = false
      for (const event of this.#client.receive([message], this.#server.now)) {
        if (event._tag === "ProtocolViolation") throw event
        if (event._tag === "Ignored" && event.reason === "unknown-channel") ignored = true
        if (this.#rawAccepted) continue
        if (event._tag === "SharesAccepted") {
          for (const { sequenceNumber } of event.shares) this.#answer(event.channelId, sequenceNumber, "accepted")
        } else if (event._tag === "ShareRefused") {
          this.#answer(event.channelId, event.share.sequenceNumber, "refused")
        }
      }
      if (ignored !== isUnknown) throw new Error(`${message._tag}: ignored ${ignored}, for nobody ${isUnknown}`)
    }
    this.#compare()
  }

  #answer(channelId: number, sequenceNumber: number, answer: "accepted" | "refused"): void {
    const key = `${channelId} ${sequenceNumber}`
    assert.deepEqual([key, this.#verdicts.get(key)], [key, answer])
    assert.equal(this.#answered.has(key), false)
    this.#answered.add(key)
  }

  #isForNobody(message: Mining.ToClient): boolean {
    const { channels } = this.#atClient
    switch (message._tag) {
      case "SubmitShares.Success":
      case "SubmitShares.Error":
      case "UpdateChannel.Error":
      case "SetExtranoncePrefix":
        return !channels.has(message.channelId)
      case "NewMiningJob":
      case "NewExtendedMiningJob":
      case "SetNewPrevHash":
      case "SetTarget":
      case "CloseChannel":
        return this.#atClient.addressed(message.channelId).length === 0
      case "SetGroupChannel":
        return !message.channelIds.every((id) => channels.has(id))
      default:
        return false
    }
  }

  /** Checks that the client's work is what the messages define. */
  #compare(): void {
    const { channels } = this.#client
    assert.equal(channels.size, this.#atClient.channels.size)
    for (const [id, model] of this.#atClient.channels) {
      const channel = channels.get(id)!
      const { work } = channel
      const same =
        channel.kind === model.kind &&
        number(channel.target) === model.target &&
        equal(channel.extranoncePrefix, model.prefix) &&
        channel.groupChannelId === model.group &&
        work?.jobId === model.mined?.jobId &&
        [...model.jobs.values()].every(({ jobId, state }) => channel.isValidJob(jobId) === (state === "active"))
      if (!same) throw new Error(`channel ${id} differs: ${show(channel)}, not ${show(model)}`)
      if (work === undefined || model.mined === undefined) continue
      const sameWork =
        number(work.target) === model.mined.target &&
        work.versionRollingAllowed === model.mined.rolling &&
        work.nbits === model.prevHash!.nbits &&
        equal(work.prevHash, model.prevHash!.prevHash) &&
        (work._tag === "StandardWork"
          ? equal(work.merkleRoot, model.mined.root(new Uint8Array(0)))
          : equal(work.extranoncePrefix, model.mined.prefix) && work.extranonceSize === model.extranonceSize)
      if (!sameWork) throw new Error(`the work of channel ${id} differs: ${show(work)}, not ${show(model.mined)}`)
    }
  }

  /** Lets the server break one rule. The client must name the rule and change nothing. */
  #violate(n: number): void {
    const message = pick(this.#illegal(n), n >> 4)
    if (message === undefined) return
    const rules = this.#atClient.broken(message, this.#server.now)
    if (rules.size === 0) throw new Error(`${message._tag} was meant to break a rule`)
    const events = this.#client.receive([message], this.#server.now)
    const [violation] = events
    if (events.length !== 1 || violation?._tag !== "ProtocolViolation" || !rules.has(violation.rule)) {
      throw new Error(`expected ${[...rules].join(" or ")}, got ${show(events)}`)
    }
    Session.seen.add(violation.rule)
    this.#compare()
    this.#ended = true
  }

  /** Messages that the state of the model at the client's end makes illegal. */
  #illegal(n: number): ReadonlyArray<Mining.ToClient> {
    const { channels, flags, requests } = this.#atClient
    const all: Array<Mining.ToClient> = []
    const prefix = bytes(7, 20)
    const opened = { channelId: 500, target: bytes(0), extranoncePrefix: prefix, groupChannelId: 1 }
    const asStandard = (fields: Partial<Mining.OpenStandardMiningChannelSuccess>): Mining.ToClient =>
      Mining.OpenStandardMiningChannelSuccess.make({ requestId: 0, ...opened, ...fields })
    const asExtended = (fields: Partial<Mining.OpenExtendedMiningChannelSuccess>): Mining.ToClient =>
      Mining.OpenExtendedMiningChannelSuccess.make({ requestId: 0, ...opened, extranonceSize: 0, ...fields })
    all.push(asStandard({ requestId: 77_777 }), { _tag: "OpenMiningChannel.Error", requestId: 77_777, errorCode: "x" })
    for (const [requestId, { kind, maxTarget, minExtranonceSize }] of requests) {
      const as = kind === "standard" ? asStandard : asExtended
      const size = kind === "standard" ? {} : { extranonceSize: 20 }
      all.push(as({ requestId, ...size, extranoncePrefix: bytes(0, 32 + 1) }))
      if (maxTarget < number(ANY_TARGET)) all.push(as({ requestId, target: u256ToBytes(maxTarget + 1n) }))
      if (minExtranonceSize > 0) all.push(asExtended({ requestId, extranonceSize: minExtranonceSize - 1 }))
      for (const id of this.#atClient.pastChannelIds()) {
        all.push(as({ requestId, ...size, channelId: id }), as({ requestId, ...size, groupChannelId: id }))
      }
      for (const { group, id } of channels.values()) {
        all.push(as({ requestId, ...size, channelId: id }))
        all.push(as({ requestId, groupChannelId: id, ...size }), as({ requestId, channelId: group, ...size }))
        all.push(as({ requestId, groupChannelId: group, extranoncePrefix: bytes(1, 9) }))
      }
    }
    const job = { jobId: 900_000 + n, version: 0x20000000, minNtime: undefined }
    const standard = (channelId: number, fields: Partial<Mining.NewMiningJob> = {}): Mining.ToClient =>
      Mining.NewMiningJob.make({ channelId, ...job, merkleRoot: bytes(1), ...fields })
    const extended = (channelId: number, fields: Partial<Mining.NewExtendedMiningJob> = {}): Mining.ToClient =>
      Mining.NewExtendedMiningJob.make({
        channelId,
        ...job,
        versionRollingAllowed: !flags.fixedVersion,
        merklePath: [],
        ...coinbaseHalves(coinbaseRules.extranonceSize),
        ...fields
      })
    for (const { group, id, jobs, kind, maxTarget, prevHash, prefix: own } of channels.values()) {
      const right = kind === "standard" ? standard : extended
      const wrong = kind === "standard" ? extended : standard
      all.push(wrong(id))
      // The client may use the previous hash of the channel's group. Only before the server's second one is there none.
      if (prevHash === undefined && this.#server.context.jobs.epoch === 0) all.push(right(id, { minNtime: 1 }))
      for (const { jobId, state } of jobs.values()) {
        if (state !== "stale") all.push(right(id, { jobId }))
        const prev = { prevHash: bytes(9), minNtime: 1, nbits: 1 }
        if (state !== "future") all.push({ _tag: "SetNewPrevHash", channelId: id, jobId, ...prev })
      }
      if (kind === "extended" && flags.requiresVersionRolling) all.push(extended(id, { versionRollingAllowed: false }))
      if (kind === "extended" && flags.fixedVersion) all.push(extended(id, { versionRollingAllowed: true }))
      if (maxTarget < number(ANY_TARGET)) {
        all.push({ _tag: "SetTarget", channelId: id, maximumTarget: u256ToBytes(maxTarget + 1n) })
      }
      all.push({ _tag: "SetExtranoncePrefix", channelId: id, extranoncePrefix: bytes(1, 33) })
      if (flags.requiresStandardJobs) {
        all.push({ _tag: "SetGroupChannel", groupChannelId: 600, channelIds: [id] })
        continue
      }
      all.push({ _tag: "SetExtranoncePrefix", channelId: group, extranoncePrefix: own })
      all.push({ _tag: "SetGroupChannel", groupChannelId: id, channelIds: [id] }, standard(group))
      if (this.#atClient.addressed(group).length > 1) {
        all.push({ _tag: "SetExtranoncePrefix", channelId: id, extranoncePrefix: bytes(1, own.length - 1) })
      }
    }
    return all
  }
}

const requestOf = (message: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel) => ({
  kind: message._tag === "OpenStandardMiningChannel" ? ("standard" as const) : ("extended" as const),
  maxTarget: number(message.maxTarget),
  minExtranonceSize: "minExtranonceSize" in message ? message.minExtranonceSize : 0
})

const isShare = ({ _tag }: Mining.ToServer): boolean =>
  _tag === "SubmitSharesStandard" || _tag === "SubmitSharesExtended"

const keyOf = ({ channelId, sequenceNumber }: Pick<Share, "channelId" | "sequenceNumber">): string =>
  `${channelId} ${sequenceNumber}`

const pick = <A>(from: ReadonlyArray<A>, n: number): A | undefined => from[n % Math.max(1, from.length)]

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const difficulty = (target: bigint): number => Number(0xffffn << 208n) / Number(target)

const show = (value: unknown): string =>
  JSON.stringify(value, (_, field: unknown) =>
    typeof field === "bigint" ? field.toString(16) : field instanceof Map ? [...field] : field
  )

/** All answers of the server, and all rules that the test lets it break. */
const EVERYTHING = [
  "accepted",
  "bad-extranonce-size",
  "custom job: invalid-channel-id",
  "custom job: jd-not-supported",
  "difficulty-too-low",
  "duplicate-share",
  "equal-extranonce-size-in-group",
  "extended-channels-not-supported-for-standard-jobs",
  "extended-job-for-extended-or-group-channel",
  "extranonce-prefix-for-channel",
  "first-job-is-future",
  "full-extranonce-size",
  "invalid-channel-id",
  "invalid-job-id",
  "invalid-nominal-hashrate",
  "invalid-non-rollable-version-bit",
  "invalid-share",
  "invalid-user-identity",
  "known-request-id",
  "max-target-out-of-range",
  "min-extranonce-size-too-large",
  "minimum-extranonce-size",
  "no-extended-jobs-with-standard-jobs-only",
  "no-groups-with-standard-jobs-only",
  "prev-hash-names-future-job",
  "stale-share",
  "standard-channels-not-supported-for-custom-work",
  "standard-job-for-standard-channel",
  "target-within-maximum",
  "too-many-channels",
  "too-many-shares",
  "unique-channel-id",
  "unique-group-channel-id",
  "unique-job-id",
  "unsupported-min-extranonce-size",
  "update: invalid-channel-id",
  "update: invalid-nominal-hashrate",
  "update: max-target-out-of-range",
  "version-is-fixed",
  "version-rolling-not-allowed",
  "version-rolling-was-required"
]

describe("a server and a client", () => {
  it(`answer as the specification says in ${SEQUENCES} random sequences`, { timeout: 600_000 }, () => {
    const step = fc.nat({ max: 0x7fffffff })
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), fc.array(step, { minLength: 20, maxLength: 60, size: "max" }), (n, steps) => {
        const session = new Session(n)
        session.step("open", n)
        session.step("open", n + 1)
        session.step("to both", 0)
        for (const one of steps) session.step(kinds[one % kinds.length]!, Math.floor(one / kinds.length))
        session.end()
      }),
      { numRuns: SEQUENCES }
    )
  })

  it.runIf(SEQUENCES >= 5000)("gave every answer and broke every rule in these sequences", () => {
    const missing = EVERYTHING.filter((one) => !Session.seen.has(one))
    expect(missing).toEqual([])
  })
})
