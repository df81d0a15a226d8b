/**
 * Drives the machine of a proxy between three pools and two miners through random sequences of what each of them may do, with wires
 * that delay messages. The pools check shares by themselves (scripted-pool.ts). The test keeps books of what the miners found, and
 * compares: no share without exactly one answer, none that a pool credits without a miner that found it, and ids never mixed.
 *
 * `SLUICE_SEQUENCES` sets the number of sequences. `npm run soak` runs 10,000.
 */
import { describe, expect, it } from "@effect/vitest"
import {
  type ChannelEvent,
  ChannelServer,
  type ChannelWork,
  defaultChannelPolicy,
  ExtranonceSpace,
  latestNtime,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  u256ToBytes
} from "@sluice/channels"
import { ChannelClient, type ClientEvent } from "@sluice/channels"
import { ShareCheck, Target } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { ANY_TARGET, bytes } from "@sluice/testing/templates"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { UpstreamMachine } from "../src/upstream/machine.ts"
import { addressOf, CHANNEL, type PoolConnection, ScriptedPool } from "./scripted-pool.ts"

const SEQUENCES = Number(process.env["SLUICE_SEQUENCES"] ?? 1_000)
const POOLS = 3
const RETURN_AFTER_MS = 60_000
/** Easy enough for a test to mine. */
const EASY = u256ToBytes(1n << 253n)
const HARDER = u256ToBytes(1n << 251n)

const kinds = [
  ...(["job", "job", "future", "future", "block", "block", "target", "prefix"] as const),
  ...(["share", "share", "share", "share", "share", "bad share", "old share", "join", "leave"] as const),
  ...(["up", "up", "up", "down", "reconnect", "hostile", "pull", "pull", "pull", "time", "long time", "load"] as const),
  ...(["to pool", "to pool", "from pool", "from pool", "from pool", "all"] as const)
]

class Miner {
  readonly server: ChannelServer
  readonly client: ChannelClient
  readonly out = new Outbox<Mining.ToServer, ClientEvent>()
  readonly toClient: ServerOutbox = new Outbox()
  /** Work that it had, oldest first. */
  readonly works: Array<ChannelWork> = []
  seen: number
  /** Shares by sequence number that have no answer yet. */
  readonly open = new Set<number>()
  readonly seenJobIds = new Set<number>()

  constructor(server: ChannelServer, seen: number, requiresStandardJobs: boolean) {
    this.server = server
    this.seen = seen
    this.client = new ChannelClient({ requiresStandardJobs, maxPendingShares: 1_000_000 })
  }
}

interface Wire {
  readonly connection: PoolConnection
  toPool: Array<Mining.ToServer>
  toProxy: Array<Mining.ToClient>
}

class Session {
  static readonly seen = new Set<string>()
  readonly #pools = Array.from(
    { length: POOLS },
    (_, index) =>
      new ScriptedPool({ prefix: Uint8Array.of(0xa0 + index, 0, 0), prefixPerConnection: true, target: EASY })
  )
  readonly #wires: Array<Wire | undefined> = this.#pools.map(() => undefined)
  readonly #machine: UpstreamMachine
  readonly #miners: Array<Miner> = []
  readonly #validator = new ShareValidator(policy)
  readonly #check = new ShareCheck()
  /** Headers of accepted shares, in hex, and how often each was accepted. */
  readonly #found = new Map<string, number>()
  #now = 1_800_000_000_000
  #nonce = 0
  #lastId = -1

  constructor() {
    this.#machine = new UpstreamMachine({
      upstreams: this.#pools.map((_, index) => ({
        server: addressOf(index),
        name: `pool ${index}`,
        userIdentity: "account"
      })),
      space: new ExtranonceSpace({
        upstreamPrefix: new Uint8Array(0),
        serverId: new Uint8Array(0),
        indexSize: 3,
        fullSize: 11,
        rollableSize: 8
      }),
      firstJobId: 0xfffffff0,
      returnAfterMs: RETURN_AFTER_MS,
      silenceMs: 90_000,
      idleMs: 600_000,
      repeatAfterMs: 60_000,
      checkPayout: undefined
    })
  }

  step(kind: (typeof kinds)[number], n: number): void {
    const index = n % POOLS
    const pool = this.#pools[index]!
    const wire = this.#wires[index]
    switch (kind) {
      case "job":
        if (pool.hasWork) this.#say(index, pool.makeJob().message)
        return
      case "future":
        return this.#say(index, pool.makeFuture().message)
      case "block": {
        const futures = pool.futureCount
        if (futures === 0 || n % 3 === 0) this.#say(index, pool.makeFuture().message)
        pool.height = 100 + (Math.floor(n / 7) % 3)
        // Pools often find the same previous hash.
        const prevHash = n % 4 === 0 ? undefined : bytes(1 + (Math.floor(n / 5) % 3))
        return this.#say(index, pool.makeBlock(n % Math.max(1, pool.futureCount), prevHash).message)
      }
      case "target":
        pool.target = n % 2 === 0 ? HARDER : EASY
        return this.#say(index, { _tag: "SetTarget", channelId: CHANNEL, maximumTarget: pool.target })
      case "prefix": {
        if (wire?.connection.isOpen !== true) return
        const extranoncePrefix = Uint8Array.from(wire.connection.prefix).with(2, n & 0xff)
        return this.#say(index, { _tag: "SetExtranoncePrefix", channelId: CHANNEL, extranoncePrefix })
      }
      case "share":
      case "bad share":
      case "old share":
        return this.#share(kind, n)
      case "join":
        return this.#join(n % 2 === 0)
      case "leave": {
        const miner = this.#miners[n % Math.max(1, this.#miners.length)]
        if (miner === undefined || n % 3 > 0) return
        for (const channelId of miner.client.channels.keys()) miner.client.closeChannel(channelId, "test", miner.out)
        return this.#exchange(miner)
      }
      case "up":
        if (wire === undefined) this.#connect(index)
        return
      case "down":
        if (wire !== undefined && n % 2 === 0) this.#lose(index)
        return
      case "reconnect":
        if (n % 4 === 0) this.#say(index, { _tag: "Reconnect", newHost: "", newPort: 0 })
        return
      case "hostile":
        if (n % 2 === 0) this.#hostile(index, n)
        return
      case "pull":
        return this.#pull()
      case "time":
      case "long time":
        this.#now += kind === "time" ? 1 + (n % 5_000) : 20_000 + (n % 60_000)
        return this.#run(() => this.#machine.tick(this.#now))
      case "load":
        return this.#run(() => this.#machine.observe({ channels: n % 5, hashRate: n % 1_000_000 }, this.#now))
      case "to pool":
        if (wire !== undefined) this.#deliverToPool(wire, 1 + (n % 4))
        return
      case "from pool":
        return this.#deliverToProxy(index, 1 + (n % 4))
      case "all":
        return this.#deliverAll()
    }
  }

  /** Delivers everything and compares the books. */
  end(): void {
    for (let round = 0; round < 4; round++) this.#deliverAll()
    this.#pull()
    for (const miner of this.#miners) assert.deepEqual([...miner.open], [], "a share has no answer")
    for (const [index, pool] of this.#pools.entries()) {
      for (const header of pool.credited) assert.ok(this.#found.has(header), "a pool credits a share that nobody found")
      const answers = new Map<string, number>()
      for (const { answer } of pool.shares) answers.set(answer, (answers.get(answer) ?? 0) + 1)
      for (const answer of answers.keys()) {
        assert.ok(["accepted", "stale-share"].includes(answer), `pool ${index} answered ${answer}`)
        Session.seen.add(answer)
      }
      const { pending, tally } = this.#machine.upstream(index)
      const { accepted, passedOn, refusedCount, unanswered } = tally
      assert.equal(passedOn, accepted + refusedCount + unanswered + pending, "passed on is not accounted for")
      // Answers that a lost connection carried are unanswered here.
      assert.ok(accepted <= (answers.get("accepted") ?? 0))
      assert.ok(passedOn >= pool.shares.length)
      if (tally.unanswered > 0) Session.seen.add("unanswered")
      if (tally.late > 0) Session.seen.add("late")
      if (tally.lost > 0) Session.seen.add("lost")
    }
    // Every header is of one pool.
    const credited = this.#pools.flatMap((pool) => [...pool.credited])
    assert.equal(new Set(credited).size, credited.length)
    // Nothing waits: the upstream in use works, or none does.
    const { active } = this.#machine
    const open = this.#wires.flatMap((wire, index) =>
      wire?.connection.isOpen === true && this.#pools[index]!.hasWork ? [index] : []
    )
    assert.equal(active === undefined, open.length === 0)
    if (active !== undefined) assert.ok(open.includes(active))
  }

  #connect(index: number): void {
    const wire: Wire = { connection: this.#pools[index]!.connect(), toPool: [], toProxy: [] }
    this.#wires[index] = wire
    this.#run(() => this.#machine.connected(index, { flags: 0, withWorkers: false }, this.#now))
  }

  #lose(index: number): void {
    this.#wires[index] = undefined
    this.#run(() => this.#machine.lost(index, "test", this.#now))
  }

  /** Runs a step of the machine, and gives the pools what it sends. */
  #run(step: () => void): void {
    step()
    for (const event of this.#machine.takeEvents()) {
      if (event._tag === "Send") {
        this.#wires[event.index]?.toPool.push(...event.messages)
        if (event.messages.some(({ _tag }) => _tag === "CloseChannel")) Session.seen.add("replaced")
      }
      if (event._tag === "Failed") {
        Session.seen.add(event.fault.reason)
        this.#lose(event.index)
      } else if (event._tag === "Chosen") Session.seen.add(event.why)
      else if (event._tag === "KeptShares") Session.seen.add(event.sent > 0 ? "kept and sent" : "kept and lost")
    }
  }

  #say(index: number, ...messages: ReadonlyArray<Mining.ToClient>): void {
    const wire = this.#wires[index]
    if (wire !== undefined) wire.toProxy.push(...wire.connection.say(...messages))
  }

  /** What no honest pool sends. Its connection ends. */
  #hostile(index: number, n: number): void {
    const job = this.#pools[index]!.makeFuture().message
    const channelId = CHANNEL
    const messages: ReadonlyArray<Mining.ToClient> = [
      { _tag: "SetNewPrevHash", channelId, jobId: 0xfffffff, prevHash: bytes(1), minNtime: 0, nbits: 0x1d00ffff },
      { _tag: "SetTarget", channelId, maximumTarget: bytes(0) },
      { _tag: "SetExtranoncePrefix", channelId, extranoncePrefix: bytes(1, 32) },
      { ...job, jobId: 0xeeeeeee, coinbaseTxSuffix: bytes(0, 3) },
      { _tag: "CloseChannel", channelId, reasonCode: "go away" }
    ]
    this.#wires[index]?.toProxy.push(messages[Math.floor(n / 2) % messages.length]!)
  }

  #deliverToPool(wire: Wire, count: number): void {
    wire.toProxy.push(...wire.connection.answer(wire.toPool.splice(0, count)))
  }

  #deliverToProxy(index: number, count: number): void {
    const messages = this.#wires[index]?.toProxy.splice(0, count) ?? []
    if (messages.length > 0) this.#run(() => this.#machine.received(index, messages, this.#now))
  }

  #deliverAll(): void {
    for (let index = 0; index < POOLS; index++) {
      const wire = this.#wires[index]
      if (wire === undefined) continue
      this.#deliverToPool(wire, Infinity)
      this.#deliverToProxy(index, Infinity)
    }
  }

  #join(isStandard: boolean): void {
    if (this.#miners.length >= 3) return
    const { work } = this.#machine
    const flags = isStandard ? Mining.REQUIRES_STANDARD_JOBS : 0
    const context = { jobs: work.common.jobs, space: work.space, validator: this.#validator, policy }
    const miner = new Miner(new ChannelServer(this.#miners.length + 1, flags, context), work.changeCount, isStandard)
    this.#miners.push(miner)
    const request = { userIdentity: "user.worker", nominalHashRate: 1, maxTarget: ANY_TARGET }
    if (isStandard) miner.client.openStandardChannel(request, miner.out)
    else miner.client.openExtendedChannel({ ...request, minExtranonceSize: 4 }, miner.out)
    this.#exchange(miner)
  }

  /** Tells all miners of the changes that the machine made. */
  #pull(): void {
    for (const change of this.#machine.work.pull(this.#now)) {
      if (change._tag === "NewPrevHash") continue
      const { id } = change.job
      if (this.#lastId >= 0) assert.ok(((id - this.#lastId) | 0) > 0, "job ids do not count up")
      this.#lastId = id
    }
    for (const miner of this.#miners) this.#exchange(miner)
  }

  /** Finds a share of the present work, or of earlier work, and submits it. */
  #share(kind: "share" | "bad share" | "old share", n: number): void {
    const miner = this.#miners[n % Math.max(1, this.#miners.length)]
    const work = kind === "old share" ? miner?.works[n % miner.works.length] : miner?.works.at(-1)
    if (miner === undefined || work === undefined) return
    const extranonce = bytes(n & 0xff, work._tag === "ExtendedWork" ? work.extranonceSize : 0)
    const latest = latestNtime(work, this.#now)
    const ntime = kind === "bad share" ? work.minNtime - 1 : work.minNtime + (n % (1 + latest - work.minNtime))
    const check = this.#check
    if (work._tag === "StandardWork") check.root.set(work.merkleRoot)
    else {
      const { coinbasePrefix, coinbaseSuffix, extranoncePrefix, merklePath } = work
      check.merkleRoot(coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix, merklePath, merklePath.length / 32)
    }
    do check.hash(work.version, work.prevHash, check.root, ntime, work.nbits, ++this.#nonce)
    while (Target.compareU256(check.digest, 0, work.target, 0) > 0)
    const { channelId, jobId, version } = work
    const header = Buffer.from(check.header).toString("hex")
    // The client would not send a share for a stale job.
    const sequenceNumber = ++this.#nonce
    const fields = { channelId, sequenceNumber, jobId, nonce: this.#nonceOf(header), ntime, version }
    miner.out.messages.push(
      work._tag === "StandardWork"
        ? { _tag: "SubmitSharesStandard", ...fields }
        : { _tag: "SubmitSharesExtended", ...fields, extranonce }
    )
    miner.open.add(sequenceNumber)
    this.#exchange(miner, header)
  }

  #nonceOf(header: string): number {
    return Buffer.from(header, "hex").readUInt32LE(76)
  }

  /** Gives the server what the client says, and the client what the server says. `header` is that of the share among it. */
  #exchange(miner: Miner, header?: string): void {
    const { work } = this.#machine
    for (const change of work.changesSince(work.common, miner.seen)) {
      if (change._tag === "Ignored") continue
      miner.server.announce(change, miner.toClient)
    }
    miner.seen = work.changeCount
    miner.server.receive(miner.out.takeMessages(), this.#now, miner.toClient)
    for (const event of miner.toClient.takeEvents()) this.#note(event, header)
    const messages = miner.toClient.takeMessages()
    for (const message of messages) {
      if (message._tag === "SubmitShares.Error") {
        assert.ok(miner.open.delete(message.sequenceNumber), "an answer for a share that was answered or never sent")
        Session.seen.add(`below: ${message.errorCode}`)
      } else if (message._tag === "SubmitShares.Success") {
        assert.equal(message.newSubmitsAcceptedCount, 1)
        assert.ok(
          miner.open.delete(message.lastSequenceNumber),
          "an answer for a share that was answered or never sent"
        )
      }
    }
    const events = new Outbox<Mining.ToServer, ClientEvent>()
    // The client did not send these shares by itself, so it knows no answers to them.
    const others = messages.filter(({ _tag }) => !_tag.startsWith("SubmitShares."))
    miner.client.receive(others, this.#now, events)
    for (const event of events.events) {
      if (event._tag === "ProtocolViolation") assert.fail(event.message)
      if (event._tag === "WorkChanged") miner.works.push(event.work)
    }
  }

  #note(event: ChannelEvent, header: string | undefined): void {
    if (event._tag === "ShareAccepted") {
      assert.ok(header !== undefined)
      const count = (this.#found.get(header) ?? 0) + 1
      assert.equal(count, 1, "a share is accepted twice")
      this.#found.set(header, count)
    } else if (event._tag === "ShareForSource" || event._tag === "BlockFound") {
      this.#run(() => this.#machine.submit([event.found], this.#now))
    }
  }
}

const policy = { ...defaultChannelPolicy, minHashRate: 1, maxSharesPerSecond: 1_000 }

/** Everything that must have happened in many sequences. */
const EVERYTHING = (
  "accepted|stale-share|unanswered|late|lost|kept and lost|first|again|preferred|violation|channel-closed|silence|" +
  "reconnect|reconnect-again|replaced|below: stale-share|below: invalid-share"
).split("|")

describe("a proxy between pools and miners", () => {
  it(`keeps every share accounted for in ${SEQUENCES} random sequences`, { timeout: 900_000 }, () => {
    const step = fc.nat({ max: 0x7fffffff })
    fc.assert(
      fc.property(fc.array(step, { minLength: 40, maxLength: 100, size: "max" }), (steps) => {
        const session = new Session()
        session.step("join", 0)
        session.step("join", 1)
        for (const [index, kind] of (["up", "up", "block", "block", "all", "all", "pull"] as const).entries()) {
          session.step(kind, index)
        }
        for (const one of steps) session.step(kinds[one % kinds.length]!, Math.floor(one / kinds.length))
        session.end()
      }),
      { numRuns: SEQUENCES }
    )
  })

  it("went through all cases in these sequences", () => {
    expect(EVERYTHING.filter((one) => !Session.seen.has(one))).toEqual([])
  })
})
