/**
 * Drives the machine of a proxy that declares its jobs, between two pairs of a pool and a declarator and one miner, through random
 * sequences: new templates, blocks that one server sees before another, lost connections, late verdicts and transactions, and wires
 * that delay messages. All machines are the real ones. The test keeps books of the wires and of what the miner found, and compares: no
 * share counts that was not found, none is sent for a job that the pool has not taken, none is lost that could count, no token is used
 * twice, and nothing is held for connections that have ended.
 *
 * `SLUICE_SEQUENCES` sets the number of sequences. `npm run soak` runs 10,000.
 */
import { describe, expect, it } from "@effect/vitest"
import { coinbaseMerklePath, coinbaseTags, doubleSha256, legacySigopsCost, parseTransaction } from "@sluice/bitcoin"
import {
  type Announcement,
  ChannelClient,
  ChannelServer,
  type ChannelWork,
  type ClientEvent,
  defaultChannelPolicy,
  defaultExtranonceLayout,
  ExtranonceSpace,
  Outbox,
  type ServerOutbox,
  ShareValidator,
  type SourceShare,
  TemplateJobs
} from "@sluice/channels"
import { ShareCheck, Target } from "@sluice/core"
import {
  AcceptCustomJobs,
  type ChainTip,
  type DeclarationSession,
  sessionOutbox,
  type SessionOutbox,
  TokenKey,
  Tokens
} from "@sluice/job-declaration"
import { JobDeclaration, Mining, type TemplateDistribution } from "@sluice/protocol"
import { buildPayment } from "@sluice/testing/blocks"
import { DeclaratorMachine, templateOn } from "@sluice/testing/declarator-machine"
import { ANY_TARGET, bytes, newPrevHash } from "@sluice/testing/templates"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { DeclaredMachine } from "../../src/declared/machine.ts"
import { OwnJob } from "../../src/declared/own-job.ts"
import { originOf } from "../../src/upstream/upstream-job.ts"
import { addressOf } from "../scripted-pool.ts"

const SEQUENCES = Number(process.env["SLUICE_SEQUENCES"] ?? 500)
const PAIRS = 2
const START = 1_800_000_000_000
const HEIGHT = 100
/** One hash in 32 is a block. */
const NBITS = 0x20080000
const TARGET = new Uint8Array(32).with(31, 0x08)
const SUBSIDY = 5_000_000_000n
const policy = { ...defaultChannelPolicy, minHashRate: 1, maxSharesPerSecond: 1_000 }

const TRANSACTIONS = Array.from({ length: 6 }, (_, seed) => parseTransaction(buildPayment({ seed }).bytes))
/** The first ones are in the mempools of the declarators. */
const KNOWN = 3

const kinds = [
  ...(["template", "template", "client tip", "pool tip", "pool tip", "declarator tip", "declarator tip"] as const),
  ...(["share", "share", "share", "share", "share", "old share", "transactions", "transactions", "verdict"] as const),
  ...(["verdict", "pool up", "pool up", "pool down", "declarator up", "declarator up", "declarator down"] as const),
  ...(["pull", "pull", "time", "time", "long time", "to pool", "to pool", "from pool", "from pool"] as const),
  ...(["to declarator", "to declarator", "from declarator", "from declarator", "all", "all"] as const),
  // What honest servers do most of the time.
  ...(["agree", "agree", "agree", "take", "take", "take"] as const)
]

const tipOf = (block: number): ChainTip => ({
  prevHash: bytes(7)
    .with(0, block & 255)
    .with(1, block >> 8),
  height: HEIGHT + block,
  bits: NBITS,
  target: TARGET,
  minTime: START / 1000 - 600,
  time: START / 1000,
  subsidy: SUBSIDY,
  weightLimit: 4_000_000
})

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** What a custom job is known by on both ends. */
const keyOf = (prevHash: Uint8Array, outputs: Uint8Array, merklePath: ReadonlyArray<Uint8Array>): string =>
  [prevHash, outputs, ...merklePath].map(hex).join(":")

interface PoolWire {
  readonly connection: ChannelServer
  readonly id: number
  toPool: Array<Mining.ToServer>
  toProxy: Array<Mining.ToClient>
  /** Custom jobs that the proxy has asked for, by request id, and those that it knows to be taken: by the pool's id. */
  readonly asked: Map<number, string>
  readonly taken: Map<number, string>
}

interface DeclaratorWire {
  readonly session: DeclarationSession
  toDeclarator: Array<JobDeclaration.ToServer>
  toProxy: Array<JobDeclaration.ToClient>
  /** The halves of the coinbases that were declared, by request id. */
  readonly declared: Map<number, string>
  proposals: Array<{ readonly declaration: SessionOutbox["proposals"][number]; readonly asked: number }>
}

/** A pool and its declarator, each with a view of the chain of its own. */
class Pair {
  readonly declarator: DeclaratorMachine
  readonly accepted: AcceptCustomJobs
  readonly templates: TemplateJobs
  poolBlock = 0
  declaratorBlock = 0
  pool: PoolWire | undefined
  declarations: DeclaratorWire | undefined
  /** Hashes of the shares that count. */
  readonly credited = new Set<string>()
  readonly #space = new ExtranonceSpace(defaultExtranonceLayout)
  readonly #validator = new ShareValidator(policy)
  #connections = 0

  constructor(index: number, hasProposals: boolean) {
    const key = TokenKey(new Uint8Array(32).fill(index + 1))
    const payout = { scripts: [Uint8Array.of(0, 20, ...bytes(0x30 + index, 20))], minPercent: 100 }
    this.declarator = new DeclaratorMachine({ tip: tipOf(0), payout, key, hasProposals })
    for (const transaction of TRANSACTIONS.slice(0, KNOWN)) {
      this.declarator.store.enterMempool({ ...transaction, sigopsCost: legacySigopsCost(transaction) })
    }
    this.accepted = new AcceptCustomJobs({ tokens: new Tokens(key), payout: () => payout })
    this.templates = new TemplateJobs({
      coinbase: {
        tags: coinbaseTags("pool", ""),
        extranonceSize: defaultExtranonceLayout.fullSize,
        payout: (reward) => [{ value: reward, script: payout.scripts[0]! }],
        versionRollingAllowed: true
      },
      firstJobId: 1
    })
    this.tipChanged(0, START)
  }

  connect(): PoolWire {
    const context = {
      jobs: this.templates.jobs,
      space: this.#space,
      validator: this.#validator,
      policy,
      customJobs: this.accepted.of("192.0.2.1")
    }
    const id = ++this.#connections
    const connection = new ChannelServer(id, Mining.REQUIRES_WORK_SELECTION, context)
    return { connection, id, toPool: [], toProxy: [], asked: new Map(), taken: new Map() }
  }

  /** The pool sees this block. Returns what it tells its connections. */
  tipChanged(block: number, now: number): ReadonlyArray<Announcement> {
    this.poolBlock = block
    const { height, prevHash } = tipOf(block)
    const template = templateOn({ ...tipOf(block), height }, [], {
      templateId: BigInt(block + 1),
      futureTemplate: true
    })
    const tip = newPrevHash(block + 1, {
      prevHash,
      nbits: NBITS,
      target: TARGET,
      headerTimestamp: Math.floor(now / 1000)
    })
    return [this.templates.onTemplate(template, now), this.templates.onSetNewPrevHash(tip, now)].filter(
      (change): change is Announcement => change._tag !== "Ignored"
    )
  }
}

interface Template {
  readonly message: TemplateDistribution.NewTemplate
  readonly transactions: ReadonlyArray<(typeof TRANSACTIONS)[number]>
}

class Session {
  static readonly seen = new Set<string>()
  readonly #pairs: ReadonlyArray<Pair>
  readonly #machine: DeclaredMachine
  readonly #templates = new Map<bigint, Template>()
  #wanted: Array<TemplateDistribution.NewTemplate> = []
  #clientBlock = -1
  #blocks = 0
  readonly #server: ChannelServer
  readonly #client = new ChannelClient({ requiresStandardJobs: false, maxPendingShares: 1_000_000 })
  readonly #clientOut = new Outbox<Mining.ToServer, ClientEvent>()
  readonly #serverOut: ServerOutbox = new Outbox()
  readonly #works: Array<ChannelWork> = []
  #seenChanges: number
  readonly #open = new Set<number>()
  readonly #check = new ShareCheck()
  /** Shares for pools, by hash: the pair, its connection and the job. */
  readonly #found = new Map<
    string,
    { readonly index: number; readonly wire: PoolWire | undefined; readonly key: string }
  >()
  /** The jobs that a pool or a declarator has refused. */
  readonly #refusals: Array<(share: { readonly index: number; readonly key: string }) => boolean> = []
  readonly #tokens = new Set<string>()
  readonly #solutions = new Set<string>()
  readonly #blocksFound = new Set<string>()
  readonly #pushed = new Set<string>()
  #now = START
  #nonce = 0

  constructor(hasProposals: boolean) {
    this.#pairs = Array.from({ length: PAIRS }, (_, index) => new Pair(index, hasProposals))
    this.#machine = new DeclaredMachine(
      {
        upstreams: this.#pairs.map((_, index) => ({
          server: addressOf(index),
          name: `pool ${index}`,
          userIdentity: "account",
          declarator: addressOf(10 + index)
        })),
        solo: { name: "solo", script: Uint8Array.of(0, 20, ...bytes(0x55, 20)) },
        space: new ExtranonceSpace({
          upstreamPrefix: new Uint8Array(0),
          serverId: new Uint8Array(0),
          indexSize: 3,
          fullSize: 11,
          rollableSize: 8
        }),
        firstJobId: 1,
        run: Uint8Array.of(1, 2, 3, 4),
        mode: "full-template",
        tags: coinbaseTags("", "model"),
        ownOutputs: () => [],
        returnAfterMs: 60_000,
        silenceMs: 90_000,
        idleMs: 600_000,
        repeatAfterMs: 60_000,
        checkPayout: undefined,
        minFeeDelta: 0n,
        declareIntervalMs: 0,
        tokenTimeoutMs: 10_000,
        templateTimeoutMs: 10_000
      },
      this.#now
    )
    const { work } = this.#machine
    this.#seenChanges = work.changeCount
    this.#server = new ChannelServer(1, 0, {
      jobs: work.common.jobs,
      space: work.space,
      validator: new ShareValidator(policy),
      policy
    })
    const request = { userIdentity: "user.worker", nominalHashRate: 1, maxTarget: ANY_TARGET, minExtranonceSize: 4 }
    this.#client.openExtendedChannel(request, this.#clientOut)
    this.#exchange()
  }

  step(kind: (typeof kinds)[number], n: number): void {
    const pair = this.#pairs[n % PAIRS]!
    const index = n % PAIRS
    switch (kind) {
      case "template":
        if (this.#clientBlock >= 0) this.#template(false)
        return
      case "client tip":
        return this.#clientTip()
      case "pool tip": {
        const out: ServerOutbox = new Outbox()
        for (const change of pair.tipChanged(this.#next(pair.poolBlock), this.#now)) {
          pair.pool?.connection.announce(change, out)
        }
        return this.#fromPool(pair, out)
      }
      case "declarator tip": {
        pair.declaratorBlock = this.#next(pair.declaratorBlock)
        const tip = (pair.declarator.tip = tipOf(pair.declaratorBlock))
        pair.declarator.jobs.onTip(tip.height)
        return this.#declarator(pair, (session, out) => session.onTip(tip, this.#now, out))
      }
      case "share":
      case "old share":
        return this.#share(kind === "share" ? this.#works.at(-1) : this.#works[n % this.#works.length], n)
      case "transactions": {
        const [wanted] = this.#wanted.splice(n % Math.max(1, this.#wanted.length), 1)
        const template = wanted === undefined ? undefined : this.#templates.get(wanted.templateId)
        if (template === undefined) return
        const transactions = template.transactions.map(({ bytes }) => bytes)
        const wtxids = transactions.map(doubleSha256)
        const given = n % 5 === 0 ? undefined : { transactions, wtxids, excessData: new Uint8Array(0) }
        return this.#run(() => this.#machine.transactionsReceived(wanted!, given, this.#now))
      }
      case "verdict": {
        const [next] = pair.declarations?.proposals.splice(0, 1) ?? []
        if (next === undefined) return
        const verdict = [null, null, "bad-txns-inputs-missingorspent", "inconclusive-not-best-prevblk"][n % 4]!
        return this.#declarator(pair, (session, out) =>
          session.onVerdict(next.declaration, next.asked, verdict, "", this.#now, out)
        )
      }
      case "pool up":
        if (pair.pool !== undefined) return
        pair.pool = pair.connect()
        return this.#run(() => this.#machine.connected(index, { flags: 0, withWorkers: false }, this.#now))
      case "pool down":
        if (pair.pool !== undefined && n % 3 === 0) this.#losePool(index)
        return
      case "declarator up":
        if (pair.declarations !== undefined) return
        pair.declarations = {
          session: pair.declarator.connect("full-template"),
          toDeclarator: [],
          toProxy: [],
          declared: new Map(),
          proposals: []
        }
        return this.#run(() => this.#machine.declaratorConnected(index, this.#now))
      case "declarator down":
        if (pair.declarations !== undefined && n % 3 === 0) this.#loseDeclarator(index)
        return
      case "pull":
        return this.#pull()
      case "time":
      case "long time":
        this.#now += kind === "time" ? 1 + (n % 2_000) : 5_000 + (n % 30_000)
        for (const one of this.#pairs) this.#declarator(one, (session, out) => session.onTick(this.#now, out))
        return this.#run(() => this.#machine.tick(this.#now))
      case "to pool":
        return this.#toPool(pair, 1 + (n % 4))
      case "from pool":
        return this.#toProxy(index, 1 + (n % 4))
      case "to declarator":
        return this.#toDeclarator(pair, 1 + (n % 3))
      case "from declarator":
        return this.#fromDeclarator(index, 1 + (n % 3))
      case "all":
        return this.#all()
      case "agree": {
        // The pair sees the miner's block.
        while (pair.poolBlock < this.#clientBlock) this.step("pool tip", n)
        while (pair.declaratorBlock < this.#clientBlock) this.step("declarator tip", n)
        return
      }
      case "take": {
        // The pair answers all that was asked. A verdict of 8 + index is a good one.
        this.step("transactions", 1)
        for (let round = 0; round < 3; round++) {
          this.#all()
          while ((pair.declarations?.proposals.length ?? 0) > 0) this.step("verdict", 8 + index)
        }
        this.#pull()
        return this.step("share", n)
      }
    }
  }

  /** Delivers everything, and compares the books. */
  end(): void {
    for (let round = 0; round < 8; round++) {
      for (const n of [1, 2, 3, 4]) this.step("transactions", n)
      this.#all()
      for (const [index, pair] of this.#pairs.entries()) {
        while ((pair.declarations?.proposals.length ?? 0) > 0) this.step("verdict", index === 0 ? 0 : 1)
      }
    }
    this.#pull()
    assert.deepEqual([...this.#open], [], "a share has no answer")
    for (const [index, pair] of this.#pairs.entries()) {
      for (const hash of pair.credited) {
        assert.equal(this.#found.get(hash)?.index, index, "a pool counts a share that nobody found for it")
      }
      // Neither end has seen another block since: such a share counts if the pool took its job.
      const isOn = (key: string): boolean =>
        key.startsWith(hex(tipOf(pair.poolBlock).prevHash)) && pair.poolBlock === this.#clientBlock
      const taken = new Set(pair.pool?.taken.values())
      for (const [hash, { index: of, key, wire }] of this.#found) {
        if (of !== index || wire === undefined || wire !== pair.pool || !isOn(key) || !taken.has(key)) continue
        if (this.#refusals.some((isRefused) => isRefused({ index, key }))) continue
        assert.ok(pair.credited.has(hash), "a share is lost that could count")
        Session.seen.add("counted")
      }
    }
    for (const block of this.#blocksFound) assert.ok(this.#solutions.has(block), "a block is not submitted")
    // Bounded, and nothing is held for connections that have ended.
    for (const [index, pair] of this.#pairs.entries()) {
      const { declarator } = pair
      assert.ok(pair.accepted.usedTokens <= this.#tokens.size)
      assert.ok(declarator.jobs.size <= 64 && declarator.limits.declarations.total <= 8)
      if (pair.declarations !== undefined) this.#loseDeclarator(index)
      if (pair.pool !== undefined) this.#losePool(index)
      declarator.jobs.onTip(HEIGHT + 100_000)
      const { bytes, declarations, tokens } = declarator.limits
      assert.deepEqual([bytes.total, declarations.total, tokens.total, declarator.jobs.size], [0, 0, 0, 0])
      assert.equal(declarator.store.count, KNOWN)
      assert.equal(pair.accepted.bytes, 0)
      const { kept } = this.#machine.declarator(index)!.tally.counts
      assert.equal(kept, 0, "shares are kept for a connection that has ended")
    }
  }

  /** The block behind this one; a new one for the first to see it. */
  #next(block: number): number {
    this.#blocks = Math.max(this.#blocks, block + 1)
    return block + 1
  }

  #template(futureTemplate: boolean): TemplateDistribution.NewTemplate {
    const id = this.#templates.size + 1
    // Each transaction is in or not; at least one is, so that the fees are unknown to the declarators.
    const transactions = TRANSACTIONS.filter((_, place) => ((1 + id * 37) >> place) % 2 === 1 || place === id % 6)
    const tip = tipOf(this.#clientBlock)
    const message = templateOn(
      tip,
      transactions.map(({ wtxid }) => wtxid),
      {
        templateId: BigInt(id),
        futureTemplate,
        // Unlike any other, so that jobs of different templates differ.
        coinbaseTxValueRemaining: SUBSIDY + BigInt(id),
        merklePath: coinbaseMerklePath(transactions.map(({ txid }) => txid))
      }
    )
    this.#templates.set(BigInt(id), { message, transactions })
    if (!futureTemplate) this.#run(() => this.#machine.templatesReceived([message], this.#now))
    return message
  }

  #clientTip(): void {
    this.#clientBlock = this.#next(this.#clientBlock)
    const template = this.#template(true)
    const tip = newPrevHash(Number(template.templateId), {
      prevHash: tipOf(this.#clientBlock).prevHash,
      nbits: NBITS,
      target: TARGET,
      headerTimestamp: Math.floor(this.#now / 1000)
    })
    this.#run(() => this.#machine.templatesReceived([template, tip], this.#now))
  }

  /** Runs a step of the proxy, and puts what it sends on the wires. */
  #run(step: () => void): void {
    step()
    for (const event of this.#machine.takeOwnEvents()) {
      if (event._tag === "NeedTransactions") this.#wanted.push(event.template)
      if (event._tag === "Solution") {
        const { headerNonce, headerTimestamp, templateId } = event.solution
        const solution = `${templateId}:${headerTimestamp}:${headerNonce}`
        assert.ok(!this.#solutions.has(solution), "a block is submitted twice")
        this.#solutions.add(solution)
        Session.seen.add(event.isPushed ? "block, pushed" : "block")
      }
      if (event._tag === "SendDeclarator") {
        const wire = this.#pairs[event.index]!.declarations
        for (const message of event.messages) {
          this.#noteForDeclarator(message)
          if (message._tag === "DeclareMiningJob") wire?.declared.set(message.requestId, hex(message.coinbaseTxSuffix))
        }
        wire?.toDeclarator.push(...event.messages)
      }
      if (event._tag === "DeclaratorFailed") {
        Session.seen.add(`declarator: ${event.fault.reason}`)
        assert.notEqual(event.fault.reason, "violation", event.fault.message)
        this.#loseDeclarator(event.index)
      }
    }
    for (const event of this.#machine.takeEvents()) {
      if (event._tag === "Send") {
        const wire = this.#pairs[event.index]!.pool
        for (const message of event.messages) this.#noteForPool(wire, message)
        wire?.toPool.push(...event.messages)
      }
      if (event._tag === "Failed") {
        Session.seen.add(`pool: ${event.fault.reason}`)
        assert.notEqual(event.fault.reason, "violation", event.fault.message)
        this.#losePool(event.index)
      }
      if (event._tag === "Chosen") Session.seen.add(event.index === PAIRS ? "solo" : event.why)
      if (event._tag === "Unwell") Session.seen.add("unwell")
    }
  }

  #useToken(token: Uint8Array, by: string): void {
    const use = `${by} ${hex(token)}`
    assert.ok(!this.#tokens.has(use), `a token is used twice in ${by}`)
    this.#tokens.add(use)
  }

  #noteForDeclarator(message: JobDeclaration.ToServer): void {
    if (message._tag === "DeclareMiningJob") this.#useToken(message.miningJobToken, message._tag)
    if (message._tag !== "PushSolution") return
    const push = hex(JobDeclaration.PushSolution.codec.encode(message))
    assert.ok(!this.#pushed.has(push), "a solution is pushed twice")
    this.#pushed.add(push)
  }

  #noteForPool(wire: PoolWire | undefined, message: Mining.ToServer): void {
    if (message._tag === "SetCustomMiningJob") {
      this.#useToken(message.miningJobToken, message._tag)
      wire?.asked.set(message.requestId, keyOf(message.prevHash, message.coinbaseTxOutputs, message.merklePath))
    }
    if (message._tag !== "SubmitSharesExtended") return
    assert.ok(wire?.taken.has(message.jobId) !== false, "a share is sent for a job that the pool has not taken")
    Session.seen.add("sent")
  }

  #losePool(index: number): void {
    const pair = this.#pairs[index]!
    const out: ServerOutbox = new Outbox()
    pair.pool?.connection.close("test", this.#now, out)
    this.#fromPool(pair, out)
    pair.pool = undefined
    this.#run(() => this.#machine.lost(index, "test", this.#now))
  }

  #loseDeclarator(index: number): void {
    const pair = this.#pairs[index]!
    pair.declarations?.session.close()
    pair.declarations = undefined
    this.#run(() => this.#machine.declaratorLost(index, "test", this.#now))
  }

  #toPool(pair: Pair, count: number): void {
    const messages = pair.pool?.toPool.splice(0, count) ?? []
    if (messages.length === 0) return
    const out: ServerOutbox = new Outbox()
    pair.pool!.connection.receive(messages, this.#now, out)
    this.#fromPool(pair, out)
  }

  #fromPool(pair: Pair, out: ServerOutbox): void {
    for (const event of out.takeEvents()) {
      if (event._tag === "ShareRefused") Session.seen.add(`pool: ${event.errorCode}`)
      if (event._tag !== "ShareAccepted") continue
      const hash = hex(event.hash)
      assert.ok(!pair.credited.has(hash), "a share counts twice")
      pair.credited.add(hash)
    }
    for (const message of out.takeMessages()) {
      if (message._tag === "SetCustomMiningJob.Error") Session.seen.add(message.errorCode)
      pair.pool?.toProxy.push(message)
    }
  }

  #toProxy(index: number, count: number): void {
    const wire = this.#pairs[index]!.pool
    const messages = wire?.toProxy.splice(0, count) ?? []
    if (messages.length === 0) return
    for (const message of messages) {
      if (message._tag === "SetCustomMiningJob.Success") {
        wire!.taken.set(message.jobId, wire!.asked.get(message.requestId)!)
      } else if (message._tag === "SetCustomMiningJob.Error") {
        const asked = wire!.asked.get(message.requestId)
        this.#refused(index, (key) => key === asked)
      }
    }
    this.#run(() => this.#machine.received(index, messages, this.#now))
  }

  /** Runs a step of a declarator's connection and what it has to do after it. */
  #declarator(pair: Pair, step: (session: DeclarationSession, out: SessionOutbox) => void): void {
    const wire = pair.declarations
    if (wire === undefined) return
    const out = sessionOutbox()
    step(wire.session, out)
    pair.declarator.finish(wire.session, this.#now, out)
    wire.toProxy.push(...out.replies)
    wire.proposals.push(...out.proposals.map((declaration) => ({ declaration, asked: declaration.asked })))
    for (const event of out.events) Session.seen.add(event._tag === "JobRefused" ? event.errorCode : event._tag)
    for (const { hash } of out.blocks) Session.seen.add(hash === "" ? "" : "block of a push")
  }

  #toDeclarator(pair: Pair, count: number): void {
    for (const message of pair.declarations?.toDeclarator.splice(0, count) ?? []) {
      this.#declarator(pair, (session, out) => session.onMessage(message, this.#now, out))
    }
  }

  #fromDeclarator(index: number, count: number): void {
    const wire = this.#pairs[index]!.declarations
    const messages = wire?.toProxy.splice(0, count) ?? []
    for (const message of messages) {
      if (message._tag !== "DeclareMiningJob.Error") continue
      const suffix = wire!.declared.get(message.requestId)!
      this.#refused(index, (key) => suffix.includes(key.split(":")[1]!))
    }
    if (messages.length > 0) this.#run(() => this.#machine.declaratorReceived(index, messages, this.#now))
  }

  /** A job was refused: its shares are dropped, before and after, although the template may be declared again. */
  #refused(index: number, isRefused: (key: string) => boolean): void {
    this.#refusals.push((share) => share.index === index && isRefused(share.key))
  }

  #all(): void {
    for (const [index, pair] of this.#pairs.entries()) {
      this.#toDeclarator(pair, Infinity)
      this.#fromDeclarator(index, Infinity)
      this.#toPool(pair, Infinity)
      this.#toProxy(index, Infinity)
    }
  }

  #pull(): void {
    this.#machine.work.pull(this.#now)
    this.#exchange()
  }

  /** Finds a share of this work. */
  #share(work: ChannelWork | undefined, n: number): void {
    if (work?._tag !== "ExtendedWork") return
    const check = this.#check
    const extranonce = bytes(n & 0xff, work.extranonceSize)
    const { channelId, coinbasePrefix, coinbaseSuffix, extranoncePrefix, jobId, merklePath, version } = work
    check.merkleRoot(coinbasePrefix, extranoncePrefix, extranonce, coinbaseSuffix, merklePath, merklePath.length / 32)
    do check.hash(version, work.prevHash, check.root, work.minNtime, work.nbits, ++this.#nonce)
    while (Target.compareU256(check.digest, 0, EASY, 0) > 0 || Target.compareU256(check.digest, 0, work.target, 0) > 0)
    const nonce = Buffer.from(check.header).readUInt32LE(76)
    const sequenceNumber = ++this.#nonce
    const share = { channelId, sequenceNumber, jobId, nonce, ntime: work.minNtime, version, extranonce }
    this.#clientOut.messages.push({ _tag: "SubmitSharesExtended", ...share })
    this.#open.add(sequenceNumber)
    this.#exchange()
  }

  /** Gives the proxy's server what the miner says, and the miner what it answers. */
  #exchange(): void {
    const { work } = this.#machine
    for (const change of work.changesSince(work.common, this.#seenChanges)) {
      if (change._tag !== "Ignored") this.#server.announce(change, this.#serverOut)
    }
    this.#seenChanges = work.changeCount
    this.#server.receive(this.#clientOut.takeMessages(), this.#now, this.#serverOut)
    for (const event of this.#serverOut.takeEvents()) {
      if (event._tag === "ShareForSource" || event._tag === "BlockFound") this.#submit(event.found)
    }
    const messages = this.#serverOut.takeMessages()
    for (const message of messages) {
      if (message._tag === "SubmitShares.Error") {
        assert.ok(this.#open.delete(message.sequenceNumber), "two answers for a share")
      } else if (message._tag === "SubmitShares.Success") {
        assert.ok(this.#open.delete(message.lastSequenceNumber), "two answers for a share")
      }
    }
    const events = new Outbox<Mining.ToServer, ClientEvent>()
    this.#client.receive(
      messages.filter(({ _tag }) => !_tag.startsWith("SubmitShares.")),
      this.#now,
      events
    )
    for (const event of events.events) {
      if (event._tag === "ProtocolViolation") assert.fail(event.message)
      if (event._tag === "WorkChanged") this.#works.push(event.work)
    }
  }

  #submit(found: SourceShare): void {
    const { job, session } = originOf(found.job)
    if (found.isBlock && job instanceof OwnJob) {
      this.#blocksFound.add(`${job.template.templateId}:${found.ntime}:${found.nonce}`)
    }
    if (job instanceof OwnJob && session.index < PAIRS) {
      const wire = this.#pairs[session.index]!.pool
      const isPresent = this.#machine.session(session.index) === session
      const key = keyOf(this.#prevHashOf(found), job.coinbase.outputs, job.merklePath)
      this.#found.set(hex(found.hash), { index: session.index, wire: isPresent ? wire : undefined, key })
    }
    this.#run(() => this.#machine.submit([found], this.#now))
  }

  /** The previous hash of a template's job: that of its height. */
  #prevHashOf({ job }: SourceShare): Uint8Array {
    return tipOf(job.height - HEIGHT).prevHash
  }
}

/** The hash of a share meets this, which is also easy enough for the pools: one in 16 does. */
const EASY = new Uint8Array(32).fill(0xff).with(31, 0x0f)

/** Everything that must have happened in many sequences. */
const EVERYTHING = (
  "counted|sent|block|block, pushed|block of a push|JobDeclared|TransactionsRequested|stale-chain-tip|invalid-job|" +
  "solo|preferred|unwell|declarator: no-token"
).split("|")

describe("a proxy that declares jobs, between pools, declarators and a miner", () => {
  it(`keeps every share and token accounted for in ${SEQUENCES} random sequences`, { timeout: 900_000 }, () => {
    const step = fc.nat({ max: 0x7fffffff })
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, { minLength: 40, maxLength: 120, size: "max" }), (proposals, steps) => {
        const session = new Session(proposals)
        const begin = ["client tip", "declarator up", "pool up", "all", "all", "transactions", "all", "all"] as const
        for (const [n, kind] of begin.entries()) session.step(kind, n === 2 ? 1 : 0)
        for (const kind of ["pool up", "declarator up", "all", "pull", "share"] as const) session.step(kind, 0)
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
