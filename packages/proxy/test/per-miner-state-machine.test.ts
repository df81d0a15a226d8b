/**
 * Random sequences of events of pools, miners and connections through the machine of a proxy with a channel upstream for each miner.
 * The pools are servers of @sluice/channels, which have a model of their own, and check each share for themselves. Their books are
 * the truth: each share of a miner has one answer, and those that are answered well were credited once, to the same user.
 *
 * `SLUICE_SEQUENCES` sets the number of sequences. `npm run soak` runs 10,000.
 */
import {
  ChannelClient,
  type ChannelEvent,
  ChannelServer,
  type ClientEvent,
  defaultChannelPolicy,
  ExtranonceSpace,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  type SourceChannel,
  u256FromBytes
} from "@sluice/channels"
import { ShareCheck } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { ANY_TARGET } from "@sluice/testing/templates"
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { PerMinerMachine } from "../src/per-miner/machine.ts"
import type { MinerChannel } from "../src/per-miner/miner-channel.ts"
import { PerMinerWork } from "../src/per-miner/work.ts"
import { ChannelPool, type Wire } from "./channel-pool.ts"

const SEQUENCES = Number(process.env["SLUICE_SEQUENCES"] ?? 500)
const POOLS = 2
const MAX_MINERS = 5
const START = 1_800_000_000_000
const HASH_RATE = 1.6

const kinds = [
  ...([
    "share",
    "share",
    "share",
    "share",
    "share",
    "bad share",
    "old share",
    "open",
    "open",
    "close",
    "leave"
  ] as const),
  ...(["job", "job", "future", "block", "block", "prefix", "group", "pool closes", "update"] as const),
  ...(["up", "up", "down", "reconnect", "time", "long time", "pull", "pull"] as const),
  ...(["to pool", "to pool", "from pool", "from pool", "all", "all", "return"] as const)
]

type Request = Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel

/** A connection below the proxy. */
class Miner {
  readonly client: ChannelClient
  readonly server: ChannelServer
  readonly toServer = new Outbox<Mining.ToServer, ClientEvent>()
  readonly toClient: ServerOutbox = new Outbox()
  readonly opened = new Map<Request, SourceChannel | string>()
  readonly opening = new Set<MinerChannel>()
  /** Shares without an answer, by channel and sequence number. */
  readonly open = new Map<string, string>()
  /** Earlier work, whose shares may be late. */
  readonly past: Array<NonNullable<ReturnType<Miner["workOf"]>>> = []
  /** Channels that the client itself has closed: nobody waits for answers there. */
  readonly closed = new Set<number>()
  isGone = false

  constructor(id: number, requiresStandardJobs: boolean, onChange: () => void) {
    this.client = new ChannelClient({ requiresStandardJobs })
    const policy = { ...defaultChannelPolicy, minHashRate: 1 }
    const opened = (request: Request) => this.opened.get(request)!
    this.server = new ChannelServer(id, requiresStandardJobs ? Mining.REQUIRES_STANDARD_JOBS : 0, {
      ...shared,
      policy,
      source: { opened, onChange }
    })
  }

  workOf(n: number) {
    const channels = [...this.client.channels.values()]
    return channels[n % Math.max(1, channels.length)]?.work
  }
}

const shared = {
  jobs: new PerMinerWork(() => assert.fail("not used")).common.jobs,
  space: new ExtranonceSpace(),
  validator: new ShareValidator({ ...defaultChannelPolicy, minHashRate: 1 })
}

class Session {
  static readonly seen = new Set<string>()
  readonly #machine: PerMinerMachine
  readonly #pools: ReadonlyArray<ChannelPool>
  readonly #wires: Array<Wire | undefined> = []
  #miners: Array<Miner> = []
  /** Users by the hash of each share that a miner found, in hex. */
  readonly #found = new Map<string, string>()
  /** The hashes of shares that were answered well. */
  readonly #credited = new Map<string, string>()
  /** What the servers below decided about each share, by connection, channel and sequence number. */
  readonly #verdicts = new Map<string, string>()
  readonly #check = new ShareCheck()
  #users = 0
  #connections = 0
  #nonce = 0
  #now = START

  constructor(n: number) {
    // The second pool mostly has another size of extranonce.
    const layouts = [
      {},
      { fullSize: [20, 16, 28][n % 3]!, rollableSize: [8, 10, 12][n % 3]!, serverId: Uint8Array.of(7) }
    ]
    this.#pools = layouts.map((layout, index) => new ChannelPool({ layout, mark: 0x31 + index }))
    this.#machine = new PerMinerMachine({
      upstreams: this.#pools.map((_, index) => ({
        server: { host: "pool", port: index, security: { _tag: "plain" } },
        name: `pool ${index}`,
        identityOf: (identity) => identity
      })),
      work: new PerMinerWork(() => assert.fail("not used")),
      firstJobId: 0xffffffe0,
      returnAfterMs: 20_000,
      silenceMs: 90_000,
      idleMs: 600_000,
      checkPayout: undefined,
      wake: () => {}
    })
    for (const pool of this.#pools) if ((n >> 2) % 4 > 0) pool.block(START)
  }

  step(kind: (typeof kinds)[number], n: number): void {
    const index = n % POOLS
    const pool = this.#pools[index]!
    const wire = this.#wires[index]
    switch (kind) {
      case "share":
      case "bad share":
      case "old share":
        return this.#share(kind, n)
      case "open":
        return this.#open(n)
      case "close": {
        const miner = this.#miners[n % Math.max(1, this.#miners.length)]
        const id = miner === undefined || n % 2 === 0 ? undefined : miner.workOf(n)?.channelId
        if (id === undefined) return
        for (const key of miner!.open.keys()) if (key.startsWith(`${id} `)) miner!.open.delete(key)
        miner!.closed.add(id)
        miner!.client.closeChannel(id, "test", miner!.toServer)
        return this.#exchange(miner!)
      }
      case "leave": {
        const miner = this.#miners[n % Math.max(1, this.#miners.length)]
        if (miner === undefined || n % 3 > 0) return
        return this.#leave(miner)
      }
      case "update": {
        const miner = this.#miners[n % Math.max(1, this.#miners.length)]
        const id = miner?.workOf(n)?.channelId
        if (id === undefined) return
        miner!.client.updateChannel(id, [1, 1e6, Number.NaN][n % 3]!, ANY_TARGET, miner!.toServer)
        return this.#exchange(miner!)
      }
      case "job":
        if (pool.hasWork) pool.job(this.#now)
        return
      case "future":
        return pool.future(this.#now)
      case "block":
        // Pools often find the same previous hash.
        return pool.block(this.#now, undefined, n % 4 === 0 ? new Uint8Array(32).fill(1 + (n % 3)) : undefined)
      case "prefix":
      case "group":
      case "pool closes":
        return this.#poolActs(kind, n)
      case "up":
        if (wire === undefined) this.#connect(index)
        return
      case "down":
        if (wire !== undefined && n % 2 === 0) this.#lose(index)
        return
      case "reconnect":
        if (wire !== undefined && n % 4 === 0) pool.run(wire, (server, out) => server.reconnect("", 0, out))
        return
      case "time":
      case "long time":
        this.#now += kind === "time" ? 1 + (n % 5_000) : 15_000 + (n % 20_000)
        for (const each of this.#pools) {
          for (const one of each.wires) each.run(one, (server, out) => server.tick(this.#now, out))
        }
        return this.#run(() => this.#machine.tick(this.#now))
      case "pull":
        return this.#pull()
      case "to pool":
        if (wire !== undefined) pool.answer(wire, 1 + (n % 4), this.#now)
        return
      case "from pool":
        if (wire !== undefined) this.#fromPool(index, wire, 1 + (n % 4))
        return
      case "all":
        return this.#deliverAll()
      case "return":
        // Miners go over to the preferred pool while the other one, which has shares of theirs, is slow.
        this.step("share", n)
        this.step("long time", n)
        for (let time = 0; time < 2; time++) {
          this.#deliverAll(1)
          this.step("share", n)
        }
        return this.#deliverAll(1)
    }
  }

  /** Delivers everything and compares the books. */
  end(): void {
    for (let round = 0; round < 4; round++) this.#deliverAll()
    for (const miner of this.#miners) assert.deepEqual([...miner.open.keys()], [], "a share has no answer")
    for (const [hash, user] of this.#pools.flatMap(({ credited }) => [...credited])) {
      assert.equal(this.#found.get(hash), user, "a pool credits a share to another user, or one that nobody found")
    }
    for (const [hash, user] of this.#credited) {
      const credits = this.#pools.filter(({ credited }) => credited.get(hash) === user)
      assert.equal(credits.length, 1, "a share that was answered well is credited once")
    }
    for (const index of this.#pools.keys()) {
      const { pending, tally } = this.#machine.upstream(index)
      const { accepted, counts, passedOn, refusedCount, unanswered } = tally
      assert.ok(accepted + refusedCount + unanswered + pending <= passedOn, "more answers than shares")
      // The proxy has checked the shares, so the pools find no other fault with them.
      for (const errorCode of Object.keys(counts.refused)) assert.equal(errorCode, "stale-share")
    }
    for (const miner of this.#miners) this.#leave(miner)
    this.#deliverAll()
    for (const pool of this.#pools) for (const { server } of pool.wires) assert.equal(server.channelCount, 0)
    for (const pool of this.#pools) assert.equal(pool.space.held, 0)
  }

  #open(n: number): void {
    const isNew = this.#miners.length === 0 || (n % 3 === 0 && this.#miners.length < MAX_MINERS)
    let miner = this.#miners[n % Math.max(1, this.#miners.length)]
    if (isNew) {
      miner = new Miner(++this.#connections, n % 2 === 0, () => {})
      this.#miners.push(miner)
    }
    const { client, toServer } = miner!
    if (client.channels.size >= 3) return
    const request = { userIdentity: `user${++this.#users}.x`, nominalHashRate: HASH_RATE, maxTarget: ANY_TARGET }
    const isStandard = this.#isHeaderOnly(miner!) || n % 5 < 2
    if (isStandard) client.openStandardChannel(request, toServer)
    else client.openExtendedChannel({ ...request, minExtranonceSize: n % 10 }, toServer)
    const [message] = toServer.takeMessages() as [Request]
    this.#run(() => {
      const channel: MinerChannel = this.#machine.open(message, this.#now, (result) => {
        miner!.opening.delete(channel)
        if (miner!.isGone) return typeof result === "string" ? undefined : result.close("gone")
        miner!.opened.set(message, result)
        miner!.toServer.messages.push(message)
        return undefined
      })
      if (!miner!.opened.has(message)) miner!.opening.add(channel)
    })
  }

  #isHeaderOnly({ server }: Miner): boolean {
    return server.id % 2 === 0
  }

  #leave(miner: Miner): void {
    miner.isGone = true
    miner.server.close("left", this.#now, miner.toClient)
    for (const channel of miner.opening) channel.close("left")
    this.#books(miner.toClient.takeEvents())
    this.#miners = this.#miners.filter((other) => other !== miner)
    this.#run(() => {})
  }

  #share(kind: "share" | "bad share" | "old share", n: number): void {
    const miner = this.#miners[n % Math.max(1, this.#miners.length)]
    if (miner === undefined) return
    const work = kind === "old share" ? miner.past[n % Math.max(1, miner.past.length)] : miner.workOf(n)
    if (work === undefined) return
    miner.past.push(work)
    if (miner.past.length > 4) miner.past.shift()
    const check = this.#check
    const extranonce = new Uint8Array(work._tag === "ExtendedWork" ? work.extranonceSize : 0).fill(n & 0xff)
    if (work._tag === "StandardWork") check.root.set(work.merkleRoot)
    else {
      const { coinbasePrefix, coinbaseSuffix, extranoncePrefix, merklePath } = work
      check.merkleRoot(coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix, merklePath, merklePath.length / 32)
    }
    const target = u256FromBytes(work.target)
    const { jobId, minNtime: ntime, version } = work
    for (let tries = 0; tries < 200; tries++) {
      check.hash(version, work.prevHash, check.root, ntime, work.nbits, ++this.#nonce)
      if (u256FromBytes(check.digest) <= target === (kind === "bad share")) continue
      const share = { jobId, nonce: this.#nonce, ntime, version, extranonce }
      const sequenceNumber = miner.client.submit(work.channelId, share, this.#now, miner.toServer)
      if (sequenceNumber === undefined) return
      const hash = Buffer.from(check.digest).toString("hex")
      miner.open.set(`${work.channelId} ${sequenceNumber}`, hash)
      return this.#exchange(miner)
    }
  }

  #poolActs(kind: "prefix" | "group" | "pool closes", n: number): void {
    const index = n % POOLS
    const pool = this.#pools[index]!
    const wire = this.#wires[index]
    if (wire === undefined || wire.server.channelCount === 0) return
    const id = 2 + (n % 8)
    pool.run(wire, (server, out) => {
      if (kind === "prefix") server.changeExtranoncePrefix(id, out)
      else if (kind === "group") server.setGroup(n % 2 === 0 ? server.newGroupId() : 1, [id], out)
      else if (n % 3 === 0) server.closeChannel(id, "the pool says so", this.#now, out)
    })
  }

  #connect(index: number): void {
    this.#wires[index] = this.#pools[index]!.connect()
    this.#run(() => this.#machine.connected(index, { flags: 0, withWorkers: false }, this.#now))
  }

  #lose(index: number): void {
    const wire = this.#wires[index]!
    this.#wires[index] = undefined
    this.#pools[index]!.disconnect(wire)
    this.#run(() => this.#machine.lost(index, "down", this.#now))
  }

  /** Runs a step of the proxy's machine, and does what it asks for. */
  #run(step: () => void): void {
    step()
    for (const event of this.#machine.takeEvents()) {
      Session.seen.add(event._tag === "Chosen" ? `chosen: ${event.why}` : event._tag)
      switch (event._tag) {
        case "Send":
          this.#wires[event.index]?.toPool.push(...event.messages)
          break
        case "Failed":
          // The pools keep to the rules.
          assert.ok(
            ["reconnect", "reconnect-again", "silence", "open-refused"].includes(event.fault.reason),
            event.fault.message
          )
          this.#lose(event.index)
      }
    }
    for (const miner of this.#miners) if (miner.toServer.messages.length > 0) this.#exchange(miner)
  }

  #fromPool(index: number, wire: Wire, count: number): void {
    const messages = wire.toProxy.splice(0, count)
    if (messages.length > 0) this.#run(() => this.#machine.received(index, messages, this.#now))
  }

  #pull(): void {
    this.#machine.work.pull()
    for (const miner of this.#miners) this.#exchange(miner)
    const waiting = this.#miners.reduce((sum, { server }) => sum + server.waitingShares, 0)
    const pending = this.#pools.reduce((sum, _, index) => sum + this.#machine.upstream(index).pending, 0)
    if (waiting > pending) Session.seen.add("accepted before an older share")
  }

  /** Delivers all messages, or those of all pools but one. */
  #deliverAll(but?: number): void {
    for (let round = 0; round < 6; round++) {
      for (const [index, pool] of this.#pools.entries()) {
        if (index === but) continue
        const wire = this.#wires[index]
        if (wire !== undefined) pool.answer(wire, 1e6, this.#now)
        if (wire !== undefined) this.#fromPool(index, wire, 1e6)
      }
      this.#pull()
    }
  }

  /** Gives the server below what a client says, and the client what it answers. */
  #exchange(miner: Miner): void {
    const { client, server, toClient, toServer } = miner
    server.receive(toServer.takeMessages(), this.#now, toClient)
    miner.opened.clear()
    this.#books(toClient.takeEvents())
    const events = new Outbox<Mining.ToServer, ClientEvent>()
    for (const message of toClient.takeMessages()) {
      // The client ignores the answers to shares that it sent before it knew that the server had closed the channel.
      const isLate = message._tag === "SubmitShares.Error" && !client.channels.has(message.channelId)
      if (isLate && !miner.closed.has(message.channelId))
        this.#answered(miner, message.channelId, message.sequenceNumber, message.errorCode)
      client.receive([message], this.#now, events)
      for (const event of events.takeEvents()) this.#told(miner, event)
    }
    this.#send()
  }

  /** Sends what the step of a server below has for the pools. */
  #send(): void {
    for (const event of this.#machine.takeEvents()) {
      if (event._tag === "Send") this.#wires[event.index]?.toPool.push(...event.messages)
    }
  }

  #books(events: ReadonlyArray<ChannelEvent>): void {
    for (const event of events) {
      if (event._tag === "ShareForSource" || event._tag === "BlockFound") {
        const hash = Buffer.from(event.found.hash).toString("hex")
        this.#found.set(hash, event.channel.userIdentity)
        this.#machine.submit([event.found], this.#now)
      } else if (event._tag === "ShareAccepted") {
        const hash = Buffer.from(event.hash).toString("hex")
        assert.ok(!this.#credited.has(hash), "a share is answered well twice")
        this.#credited.set(hash, event.channel.userIdentity)
        const { channelId, connectionId } = event.channel
        this.#decided(`${connectionId} ${channelId} ${event.sequenceNumber}`, "accepted")
      } else if (event._tag === "ShareRefused") {
        this.#decided(`${event.connectionId} ${event.channelId} ${event.sequenceNumber}`, event.errorCode)
      }
    }
  }

  #decided(key: string, verdict: string): void {
    Session.seen.add(verdict)
    assert.ok(!this.#verdicts.has(key), "a share has two verdicts")
    this.#verdicts.set(key, verdict)
  }

  #told(miner: Miner, event: ClientEvent): void {
    switch (event._tag) {
      case "ProtocolViolation":
        throw event
      case "Ignored":
        // The client has closed the channel.
        assert.notEqual(event.reason, "unknown-share", "a share has two answers")
        return
      case "SharesAccepted":
        // The client takes its oldest shares without an answer for those that are accepted.
        assert.equal(event.shares.length, event.acceptedCount, "an acknowledgement counts other shares than it names")
        for (const { sequenceNumber } of event.shares) {
          this.#answered(miner, event.channelId, sequenceNumber, "accepted")
        }
        return
      case "ShareRefused":
        return this.#answered(miner, event.channelId, event.share.sequenceNumber, event.errorCode)
      case "ChannelClosed":
        Session.seen.add("closed")
        return
      case "ExtranoncePrefixChanged":
        Session.seen.add("prefix")
    }
  }

  #answered(miner: Miner, channelId: number, sequenceNumber: number, answer: string): void {
    assert.ok(miner.open.delete(`${channelId} ${sequenceNumber}`), "an answer for no share")
    const verdict = this.#verdicts.get(`${miner.server.id} ${channelId} ${sequenceNumber}`)
    assert.equal(answer, verdict, "a share got the answer to another one")
  }
}

const EVERYTHING = [
  "Chosen: first",
  "accepted",
  "stale-share",
  "no-verdict",
  "difficulty-too-low",
  "closed",
  "prefix",
  "accepted before an older share"
].map((one) => one.replace("Chosen", "chosen"))

describe("the machine of a proxy with a channel upstream for each miner", () => {
  it(
    `gives each share one answer and mixes up no channels in ${SEQUENCES} random sequences`,
    { timeout: 600_000 },
    () => {
      const step = fc.nat({ max: 0x7fffffff })
      fc.assert(
        fc.property(
          fc.nat({ max: 1000 }),
          fc.array(step, { minLength: 30, maxLength: 90, size: "max" }),
          (n, steps) => {
            const session = new Session(n)
            session.step("up", 0)
            session.step("open", n)
            session.step("all", 0)
            for (const one of steps) session.step(kinds[one % kinds.length]!, Math.floor(one / kinds.length))
            session.end()
          }
        ),
        { numRuns: SEQUENCES }
      )
      expect(EVERYTHING.filter((one) => !Session.seen.has(one))).toEqual([])
    }
  )
})
