/**
 * A V1 miner, both translators and a V1 pool, with wires between them that delay lines and messages, through random sequences of
 * valid and invalid steps. One model (wire-model.ts) listens at each V1 connection: what the miner is told and what the pool gets
 * must agree, and every request has exactly one answer. `ChannelClient` listens in between, for the rules of V2.
 *
 * `SLUICE_SEQUENCES` sets the number of sequences. `npm run soak` runs 10,000.
 */
import { ChannelClient, type ClientOutbox, Outbox } from "@sluice/channels"
import { Mining } from "@sluice/protocol"
import { BIP320_MASK, type EncodedLine, joinLines, type Line, LineReader, MAX_POOL_LINE } from "@sluice/stratum-v1"
import { Result } from "effect"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { expect, it } from "vitest"
import { credentialsOf } from "../src/dialer/credentials.ts"
import type { PoolOutbox } from "../src/dialer/pool-event.ts"
import { PoolMachine } from "../src/dialer/pool-machine.ts"
import { Miner, minerContext, type MinerOutbox } from "../src/listener/miner.ts"
import { rulesOf } from "../src/listener/options.ts"
import { HonestPool, NTIME, type PoolEnd } from "./dialer/honest-pool.ts"
import { meets, type SeenShare, type ToldJob, WireModel } from "./wire-model.ts"

const SEQUENCES = Number(process.env["SLUICE_SEQUENCES"] ?? 1_000)
const START = NTIME * 1000
/** One hash in 16. */
const EASY = 2 ** -28

const kinds = [
  ...(["share", "share", "share", "share", "share", "old share", "easy share", "replay"] as const),
  ...(["bad job", "bad size", "bad worker", "bad bits", "odd line", "ask"] as const),
  ...(["job", "job", "clean job", "block", "difficulty", "difficulty", "extranonce"] as const),
  ...(["accept", "accept", "accept", "refuse", "refuse"] as const),
  ...(["down", "down", "down", "up", "up", "up", "both", "both", "both", "both"] as const)
]

interface Step {
  readonly kind: (typeof kinds)[number]
  readonly n: number
}

/** How miners begin. Cgminer names its worker when its subscribe is answered. */
const handshakes = [
  ["configure", "subscribe", "authorize", "extranonce"],
  ["subscribe", "authorize", "extranonce"],
  ["authorize", "subscribe", "configure", "extranonce"],
  ["configure", "subscribe", "wait", "authorize", "extranonce"],
  ["subscribe", "wait", "authorize"]
] as const

const refusals = [
  { code: 21, text: "Job not found" },
  { code: 22, text: "Duplicate share" },
  { code: 23, text: "Low difficulty share" },
  { code: 20, text: "Something else" }
]

/** Everything that happened in any sequence, to check that the test covers all cases. */
const seen = new Map<string, number>()
const note = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1)

/** Lines on their way: each is one read. */
class LineWire {
  #waiting: Array<EncodedLine> = []
  readonly #reader = new LineReader(MAX_POOL_LINE)

  put(lines: ReadonlyArray<EncodedLine>): void {
    this.#waiting.push(...lines)
  }

  take(): ReadonlyArray<Line> {
    const lines: Array<Line> = []
    this.#reader.push(joinLines(this.#waiting.splice(0)), lines)
    assert.equal(this.#reader.failure, undefined)
    return lines
  }
}

class Sequence {
  readonly #now = START
  readonly #pool: HonestPool
  readonly #end: PoolEnd
  readonly #above: PoolMachine
  readonly #below: Miner
  readonly #observer: ChannelClient
  readonly #observed: ClientOutbox = new Outbox()
  readonly #aboveOut: PoolOutbox = new Outbox()
  readonly #belowOut: MinerOutbox = new Outbox()
  /** What the miner knows, and what the translator is as a miner of the pool. */
  readonly #atMiner = new WireModel()
  readonly #atPool = new WireModel()
  readonly #minerToBelow = new LineWire()
  readonly #belowToMiner = new LineWire()
  readonly #aboveToPool = new LineWire()
  readonly #poolToAbove = new LineWire()
  #toAbove: Array<Mining.ToServer> = []
  #toBelow: Array<Mining.ToClient> = []
  readonly #submitted: Array<string> = []
  /** Shares of the miner's latest job: the pool has to decide about them. */
  readonly #good = new Set<SeenShare>()
  #handshake: Array<string>
  #id = 0
  #nonce = 0
  #ended = false

  constructor(n: number) {
    const sizes = [
      [4, 8],
      [4, 6],
      [8, 7]
    ] as const
    const [extranonce1Size, extranonce2Size] = sizes[n % sizes.length]!
    const versionMask = n % 5 === 0 ? 0 : BIP320_MASK
    this.#pool = new HonestPool({ difficulty: EASY, extranonce1Size, extranonce2Size, versionMask })
    this.#end = this.#pool.connect(START)
    this.#end.holdsShares = true
    let id = 0
    this.#above = new PoolMachine(START, {
      setupFlags: 0,
      host: "pool.example.com",
      credentials: (userIdentity) => credentialsOf(userIdentity, { user: "farm.{worker}" }),
      followAnywhere: false,
      nextId: () => ++id,
      jobWithinMs: 30_000,
      client: { userAgent: "test" }
    })
    this.#above.start(START)
    for (let turn = 0; turn < 3; turn++) this.#up()
    const flags = this.#above.takeFlags()
    this.#observer = new ChannelClient({ fixedVersion: (flags & Mining.REQUIRES_FIXED_VERSION) !== 0 })
    const rules = Result.getOrThrow(rulesOf({ extranonce2Size: 4 - (n % 2), nominalHashRate: 1.6 }))
    this.#below = new Miner(minerContext(rules, START), START)
    this.#below.agree(flags, [])
    this.#handshake = [...handshakes[n % handshakes.length]!]
    this.#shakeHands()
  }

  run({ kind, n }: Step): void {
    if (this.#ended) return
    switch (kind) {
      case "share": {
        const before = this.#atMiner.shares.length
        this.#share(this.#atMiner.jobs.at(-1), n)
        for (const share of this.#atMiner.shares.slice(before)) this.#good.add(share)
        return
      }
      case "old share":
        return this.#share(this.#atMiner.jobs.at(-1 - (n % 12)), n)
      case "easy share": {
        // It meets the difficulty of the job before, not this one's.
        const job = this.#atMiner.jobs.at(-1)
        if (job !== undefined && job.easiest < job.difficulty) this.#share(job, n, job.easiest)
        return
      }
      case "replay": {
        const line = this.#submitted[n % Math.max(1, this.#submitted.length)]
        if (line !== undefined) this.#request("mining.submit", JSON.parse(line) as ReadonlyArray<unknown>)
        return
      }
      case "bad job":
        return this.#bad({ jobId: "none" })
      case "bad size":
        return this.#bad({ extranonce2: "00" })
      case "bad worker":
        return this.#bad({ worker: "mallory" })
      case "bad bits":
        return this.#bad({ bits: "e0000000" })
      case "odd line":
        return this.#minerSays(
          ['{"id":null,"method":"mining.submit","params":[]}\n', '{"id":null,"result":true,"error":null}\n', "\n"][
            n % 3
          ]!
        )
      case "ask": {
        const [method, params] = [
          ["mining.suggest_difficulty", [EASY * 2]],
          ["mining.ping", []],
          ["mining.nonsense", {}],
          ["mining.submit", ["too", "few"]],
          ["mining.get_transactions", ["1"]]
        ][n % 5] as [string, unknown]
        return this.#request(method, params)
      }
      case "job":
      case "clean job":
        return this.#pool.newJob({ clean: kind === "clean job", block: this.#block, branches: n % 3 })
      case "block":
        this.#block = (this.#block % 250) + 1
        return this.#pool.newJob({ clean: n % 4 !== 0, block: this.#block, branches: n % 3 })
      case "difficulty":
        return this.#pool.setDifficulty([EASY, EASY * 2, EASY * 4, EASY * 1.7][n % 4]!)
      case "extranonce":
        if (n % 3 === 0 && this.#end.server.understandsExtranonce) this.#end.move(n % 256)
        return
      case "accept":
      case "refuse": {
        const [submit] = this.#end.held.splice(n % Math.max(1, this.#end.held.length), 1)
        if (submit === undefined) return
        if (kind === "accept") this.#end.server.accept(submit.request)
        else this.#end.server.refuse(submit.request, refusals[n % refusals.length]!)
        return
      }
      case "down":
        return this.#down()
      case "up":
        return this.#up()
      case "both":
        this.#down()
        return this.#up()
    }
  }
  #block = 1

  /** Lets everything arrive, and compares what both ends know. */
  finish(): void {
    for (let round = 0; round < 12; round++) {
      for (const { request } of this.#end.held.splice(0)) this.#end.server.accept(request)
      this.#down()
      this.#up()
    }
    if (!this.#ended) {
      this.#agreeOnTheLatestJob()
      for (const [id, answers] of this.#atMiner.requests) assert.equal(answers, 1, `answers to the miner's ${id}`)
    }
    for (const answers of this.#atMiner.requests.values()) assert.ok(answers <= 1, "a request has two answers")
    for (const answers of this.#atPool.requests.values()) assert.equal(answers, 1, "answers to a request to the pool")
    this.#compareShares()
  }

  /** Each share that came to the pool is one of the miner's, for the worker that mined it, and has the pool's answer. */
  #compareShares(): void {
    const forwarded = Map.groupBy(this.#atPool.shares, ({ hash }) => hash)
    for (const share of this.#atMiner.shares) {
      const { answers, hash, job, worker } = share
      const [answer] = answers
      const twin = hash === undefined || worker === "mallory" ? undefined : forwarded.get(hash)?.shift()
      if (twin === undefined) {
        if (answer === "accepted") {
          // Told true by the translator: it meets what the miner may go by, and not what the pool asks for.
          assert.ok(hash !== undefined && meets(hash, job!.easiest), "an unknown share was accepted")
          note("easy share")
        } else if (answer !== undefined) {
          assert.ok(!this.#good.has(share), `a good share was refused before the pool saw it: ${answer}`)
          note(`refused here: ${answer}`)
        }
        continue
      }
      assert.equal(twin.worker, "farm.rig1")
      // V1 and V2 have the same target for the job, but for the rounding of numbers above 1.
      assert.equal(twin.job!.difficulty, job!.difficulty, "the job's difficulty")
      if (answer === undefined) {
        assert.ok(this.#ended, "a share has no answer")
        continue
      }
      assert.equal(answer, twin.answers[0], "the answer to a share")
      note(`answered by the pool: ${answer}`)
    }
    for (const [hash, rest] of forwarded)
      assert.equal(rest.length, 0, `the pool got ${hash}, which the miner did not send`)
  }

  /** The miner's latest job is the pool's latest. */
  #agreeOnTheLatestJob(): void {
    const before = this.#atPool.shares.length
    if (this.#atMiner.authorized.length === 0 || this.#atMiner.jobs.length === 0) return note("no job")
    this.#share(this.#atMiner.jobs.at(-1), 0)
    this.#down()
    this.#up()
    const share = this.#atPool.shares.at(-1)
    assert.equal(this.#atPool.shares.length, before + 1, "a share of the latest job comes to the pool")
    assert.equal(share!.job!.notify.jobId, this.#pool.job!.notify.jobId, "the latest job")
    for (const { request } of this.#end.held.splice(0)) this.#end.server.accept(request)
    this.#up()
    this.#down()
  }

  #share(job: ToldJob | undefined, n: number, difficulty = job?.difficulty): void {
    if (job === undefined || difficulty === undefined || this.#atMiner.authorized.length === 0) return
    const { extranonce2Size, mask, notify } = job
    const extranonce2 = new Uint8Array(extranonce2Size).fill(n & 0xff)
    const bits = mask !== 0 && n % 2 === 0 ? mask & (n << 13) : undefined
    const version = bits === undefined ? notify.version : ((notify.version & ~mask) | bits) >>> 0
    for (;;) {
      const nonce = this.#nonce++
      const hash = this.#atMiner.hashOf(job, extranonce2, notify.ntime, nonce, version)
      if (!meets(hash, difficulty) || (difficulty < job.difficulty && meets(hash, job.difficulty))) continue
      const [ntime, nonceHex] = [notify.ntime, nonce].map(hex32)
      const params = ["rig1", notify.jobId, Buffer.from(extranonce2).toString("hex"), ntime, nonceHex]
      if (bits !== undefined) params.push(hex32(bits))
      this.#submitted.push(JSON.stringify(params))
      return this.#request("mining.submit", params)
    }
  }

  #bad(fields: Partial<Record<"worker" | "jobId" | "extranonce2" | "bits", string>>): void {
    const job = this.#atMiner.jobs.at(-1)
    if (job === undefined) return
    const { bits, extranonce2 = "00".repeat(job.extranonce2Size), jobId = job.notify.jobId, worker = "rig1" } = fields
    const params = [worker, jobId, extranonce2, hex32(job.notify.ntime), hex32(this.#nonce++)]
    this.#request("mining.submit", bits === undefined ? params : [...params, bits])
  }

  #shakeHands(): void {
    while (this.#handshake.length > 0) {
      const next = this.#handshake[0]
      if (next === "wait" && this.#atMiner.requests.size > 0 && !this.#isAnswered) return
      this.#handshake.shift()
      if (next === "configure") {
        this.#request("mining.configure", [["version-rolling"], { "version-rolling.mask": "1fffe000" }])
      } else if (next === "subscribe") this.#request("mining.subscribe", ["test"])
      else if (next === "authorize") this.#request("mining.authorize", ["rig1", "x"])
      else if (next === "extranonce") this.#request("mining.extranonce.subscribe", [])
    }
  }

  get #isAnswered(): boolean {
    return [...this.#atMiner.requests.values()].every((answers) => answers > 0)
  }

  #request(method: string, params: unknown): void {
    const id = ++this.#id
    this.#minerSays(`${JSON.stringify({ id: id % 3 === 0 ? `r${id}` : id, method, params })}\n`)
  }

  #minerSays(line: string): void {
    if (this.#ended) return
    this.#minerToBelow.put([line])
    if (line !== "\n") this.#atMiner.fromMiner(JSON.parse(line) as Line)
  }

  /** Everything between the miner and the translator below moves, then what is on its way to the one above. */
  #down(): void {
    if (this.#ended) return
    this.#below.receive(this.#minerToBelow.take(), this.#belowOut)
    this.#below.deliver(this.#toBelow.splice(0), this.#belowOut)
    this.#afterBelow()
  }

  #afterBelow(): void {
    this.#belowToMiner.put(this.#below.takeLines(this.#now))
    for (const line of this.#belowToMiner.take()) this.#atMiner.toMiner(line)
    for (const message of this.#belowOut.takeMessages()) {
      if (message._tag === "OpenExtendedMiningChannel") this.#observer.openExtendedChannel(message, this.#observed)
      if (message._tag === "UpdateChannel") {
        const { channelId, maximumTarget, nominalHashRate } = message
        this.#observer.updateChannel(channelId, nominalHashRate, maximumTarget, this.#observed)
      }
      this.#toAbove.push(message)
    }
    for (const event of this.#belowOut.takeEvents()) {
      if (event._tag === "Ended") this.#stop(`ended below: ${event.message.slice(0, 30)}`)
    }
    this.#shakeHands()
  }

  /** Everything between the translator above and the pool moves, then what is on its way to the one below. */
  #up(): void {
    this.#above.send(this.#toAbove.splice(0), this.#now, this.#aboveOut)
    this.#moveToPool()
    this.#poolToAbove.put(this.#end.server.takeLines(this.#now))
    const lines = this.#poolToAbove.take()
    for (const line of lines) this.#atPool.toMiner(line)
    this.#above.receive(lines, this.#now, this.#aboveOut)
    this.#moveToPool()
    const messages = this.#aboveOut.takeMessages()
    if (messages.length > 0) this.#observe(messages)
    this.#toBelow.push(...messages)
    assert.equal(this.#above.failure, undefined)
  }

  #moveToPool(): void {
    this.#aboveToPool.put(this.#above.takeLines())
    const lines = this.#aboveToPool.take()
    for (const line of lines) this.#atPool.fromMiner(line)
    this.#end.receive(lines)
  }

  #observe(messages: ReadonlyArray<Mining.ToClient>): void {
    for (const message of messages) Mining.protocol.toClient.encode(message)
    this.#observer.receive(messages, this.#now, this.#observed)
    for (const event of this.#observed.takeEvents()) {
      note(`v2: ${event._tag}`)
      if (event._tag === "ProtocolViolation") throw event
    }
  }

  #stop(why: string): void {
    note(why)
    this.#ended = true
  }
}

const hex32 = (value: number): string => (value >>> 0).toString(16).padStart(8, "0")

const step: fc.Arbitrary<Step> = fc.record({ kind: fc.constantFrom(...kinds), n: fc.nat(100_000) })

it("what the miner is told and what the pool gets agree, and every request has exactly one answer", () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.array(step, { minLength: 20, maxLength: 80 }), (n, steps) => {
      const sequence = new Sequence(n)
      for (const each of steps) sequence.run(each)
      sequence.finish()
    }),
    { numRuns: SEQUENCES }
  )
  // The test reaches what it is about.
  for (const what of [
    "answered by the pool: accepted",
    "answered by the pool: 20",
    "answered by the pool: 21",
    "answered by the pool: 22",
    "answered by the pool: 23",
    "easy share",
    "refused here: 20",
    "refused here: 21",
    "refused here: 24",
    "v2: TargetChanged",
    "v2: ExtranoncePrefixChanged"
  ]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
  }
}, 300_000)
