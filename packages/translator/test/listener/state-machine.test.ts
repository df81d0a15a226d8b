/**
 * Drives a V1 miner, the translator and a V2 server, with wires between them that delay, through random sequences of valid and
 * invalid steps. The model listens where the miner is and where the server is: what the miner was told, what it sent and what
 * the server judged must agree, and every request has exactly one answer.
 *
 * `SLUICE_SEQUENCES` sets the number of sequences. `npm run soak` runs 10,000.
 */
import { u256FromBytes } from "@sluice/channels"
import { type Line, targetOfDifficulty, ToClient } from "@sluice/stratum-v1"
import { template } from "@sluice/testing/templates"
import * as fc from "fast-check"
import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { Plant, Rig } from "./rig.ts"
import { right } from "./v1-miner.ts"

const SEQUENCES = Number(process.env["SLUICE_SEQUENCES"] ?? 1_000)
/** The hardest target at which the test looks for shares. */
const MIN_MINED = 1n << 246n
/** An id that repeats, as cpuminer's do, would not tell which request was answered. */
const FIRST_ID = 100

const kinds = [
  ...(["subscribe", "subscribe", "authorize", "authorize", "configure", "suggest", "extranonce", "ping"] as const),
  ...(["share", "share", "share", "share", "share", "share", "bad share", "easy share", "replay", "junk"] as const),
  ...(["template", "template", "block", "block", "prefix", "update", "update", "group", "time"] as const),
  ...(["arrive", "arrive", "deliver", "deliver", "hear", "hear", "all", "all", "rarely"] as const)
]

const sha256d = (...parts: ReadonlyArray<Uint8Array>): Buffer =>
  createHash("sha256")
    .update(createHash("sha256").update(Buffer.concat(parts)).digest())
    .digest()

/** A job as the miner was told of it. */
interface Told {
  readonly notify: ToClient.Notify
  readonly extranonce1: Uint8Array
  /** What it may go by: the easier of the difficulty told before this job, and the one before that. */
  readonly easiest: bigint
  readonly target: bigint
}

interface Share {
  readonly hash: string
  readonly value: bigint
  readonly told: Told | undefined
  /** Whether the miner knew that its worker is authorized when it sent the share. */
  readonly isAuthorized: boolean
}

class Session {
  static readonly seen = new Set<string>()
  readonly #plant: Plant
  readonly #rig: Rig
  #id = FIRST_ID
  /** Requests without an answer, with what a share was. */
  readonly #waiting = new Map<number, Share | string>()
  readonly #told = new Map<string, Told>()
  readonly #sent: Array<ReadonlyArray<string>> = []
  readonly #trueWorkers = new Set<string>()
  #difficulties = 0
  #extranonces = 0
  #toldTarget: bigint | undefined
  #subscribed = false
  #heard = 0
  #accepted = 0
  #easy = 0
  #events = 0
  readonly #acceptedHashes = new Set<string>()
  #templateId = 1

  constructor(n: number) {
    const options = {
      policy: {
        sharesPerMinute: 60,
        refuseUser: (identity: string) => (identity.startsWith("bad") ? ("unknown-user" as const) : undefined)
      },
      versionRollingAllowed: n % 5 !== 0
    }
    this.#plant = n % 7 === 0 ? new Plant(options) : Plant.working(options)
    this.#rig = new Rig(this.#plant, false)
  }

  step(kind: (typeof kinds)[number], n: number): void {
    if (this.#rig.ended !== undefined) return
    this.#step(kind, n)
    this.#look()
  }

  #step(kind: (typeof kinds)[number], n: number): void {
    const rig = this.#rig
    switch (kind) {
      case "subscribe":
        return this.#request("mining.subscribe", n % 3 === 0 ? [] : ["test/1.0"])
      case "authorize": {
        const worker = ["alice.a", "alice.b", "bob", "bad", "alice.c"][n % 5]!
        return this.#request("mining.authorize", n % 4 === 0 ? [worker] : [worker, "x"], worker)
      }
      case "configure":
        return this.#request("mining.configure", [["version-rolling"], { "version-rolling.mask": "ffffffff" }])
      case "suggest":
        return this.#request("mining.suggest_difficulty", [[1e-9, 4e-9, 1e-8][n % 3]])
      case "extranonce":
        return n % 3 === 0 ? this.#request("mining.extranonce.subscribe", []) : undefined
      case "ping":
        return this.#request("mining.ping", [])
      case "share":
      case "bad share":
      case "easy share":
        return this.#share(kind, n)
      case "replay": {
        const params = this.#sent.at(-1 - (n % 4))
        return params === undefined ? undefined : this.#submit(params)
      }
      case "junk":
        return this.#junk(n)
      case "template":
        if (this.#plant.context.jobs.prevHash !== undefined) this.#plant.template(template(++this.#templateId))
        return
      case "block":
        return this.#plant.newBlock(++this.#templateId)
      case "prefix":
        // A miner that does not understand it is sent away, so that it is rare.
        if (n % 4 === 0) rig.ask((server, out) => server.changeExtranoncePrefix(2, out))
        return
      case "update":
        return rig.ask((server, out) => {
          const maximumTarget = targetOfDifficulty([1e-12, 2e-9, 5e-9][n % 3]!)
          const nominalHashRate = [1, 20, 3, 100][n % 4]!
          if (server.channelCount > 0) {
            server.receive(
              [{ _tag: "UpdateChannel", channelId: 2, nominalHashRate, maximumTarget }],
              this.#plant.now,
              out
            )
          }
        })
      case "group":
        return rig.ask((server, out) => {
          if (n % 3 === 0) server.setGroup(n % 2 === 0 ? 1 : server.newGroupId(), [2], out)
        })
      case "time":
        this.#plant.now += (1 + (n % 20)) * 1000
        return rig.tick()
      case "arrive":
        return rig.arrive(1 + (n % 4))
      case "deliver":
        return rig.deliver(1 + (n % 6))
      case "hear":
        return rig.hear(1 + (n % 6))
      case "all":
        return rig.deliverAll()
      case "rarely":
        if (n % 20 === 0) rig.ask((server, out) => server.closeChannel(2, "test", this.#plant.now, out))
        if (n % 20 === 1) rig.ask((server, out) => server.reconnect("", 0, out))
    }
  }

  /** Delivers everything. Then every request has its answer, and the server has counted what the miner was told. */
  end(): void {
    if (this.#rig.ended === undefined) {
      // A handshake that was not completed is, so that answers which wait for subscribe or for a channel can come.
      this.#rig.deliverAll()
      this.#look()
    }
    if (this.#rig.ended !== undefined) {
      Session.seen.add("ended")
      return
    }
    assert.deepEqual([...this.#waiting], [], "a request has no answer")
    assert.equal(
      this.#accepted,
      this.#acceptedHashes.size + this.#easy,
      "the miner counts other shares than the server"
    )
  }

  #request(method: string, params: ReadonlyArray<unknown>, what = method): void {
    const id = ++this.#id
    this.#waiting.set(id, what)
    this.#rig.send({ id, method, params })
  }

  #share(kind: string, n: number): void {
    const { state } = this.#rig
    // Mostly for the newest job, and sometimes for an older one.
    const told = n % 5 === 0 ? [...this.#told.values()].at(-2) : [...this.#told.values()].at(-1)
    if (told === undefined || told.target < MIN_MINED) return
    const worker = n % 11 === 0 ? "bob" : n % 4 === 0 ? "alice.b" : "alice.a"
    const bits = state.versionMask === 0 || n % 2 === 0 ? {} : { bits: (n << 13) & 0x1fffe000 }
    const { extranonce1, notify: job } = told
    const target = toBytes(kind === "easy share" ? told.easiest : told.target)
    const ntime = n % 13 === 0 ? job.ntime - 1 - (n % 3) : job.ntime
    const params = state.mine({ bad: kind === "bad share", extranonce1, job, ntime, target, worker, ...bits })
    this.#sent.push(params)
    this.#submit(params)
  }

  #submit(params: ReadonlyArray<string>): void {
    const [worker = "", jobId = "", extranonce2 = "", ntime = "", nonce = "", bits] = params
    const told = this.#told.get(jobId)
    const { hash, value } =
      told === undefined ? { hash: "", value: 0n } : hashOf(told, { extranonce2, ntime, nonce, bits })
    const id = ++this.#id
    this.#waiting.set(id, { hash, value, told, isAuthorized: this.#trueWorkers.has(worker) })
    this.#rig.send({ id, method: "mining.submit", params })
  }

  #junk(n: number): void {
    const [method, params] = JUNK[n % JUNK.length]!
    this.#request(method, params, "junk")
  }

  /** Looks at what the miner has heard and the server has judged since the last time. */
  #look(): void {
    const { events, heard } = this.#rig
    for (; this.#events < events.length; this.#events++) {
      const event = events[this.#events]!
      if (event._tag !== "ShareAccepted") continue
      const hash = Buffer.from(event.hash).toString("hex")
      assert.ok(!this.#acceptedHashes.has(hash), "a share was accepted twice")
      this.#acceptedHashes.add(hash)
    }
    for (; this.#heard < heard.length; this.#heard++) this.#hear(heard[this.#heard]!)
  }

  #hear(line: Line): void {
    const { error, id, method, params, result } = line
    if (method === undefined) return this.#answer(id as number, result, error)
    if (method !== "client.reconnect" && method !== "client.show_message") {
      assert.ok(this.#subscribed, `${String(method)} came before the answer to subscribe`)
    }
    if (method === "mining.set_difficulty") assert.equal(++this.#difficulties, 1, "two difficulties before a job")
    if (method === "mining.set_extranonce") assert.equal(++this.#extranonces, 1, "two extranonces before a job")
    if (method !== "mining.notify") return
    const notify = right(ToClient.Notify.read(params))
    assert.ok(!this.#told.has(notify.jobId), "a job id came twice")
    if (this.#extranonces > 0) assert.ok(notify.clean, "an extranonce came without a clean job")
    this.#difficulties = this.#extranonces = 0
    // The rig's own state has followed all lines; the extranonce is that of the job if no later line was heard.
    const target = this.#targets.shift()!
    const before = this.#toldTarget ?? target.target
    this.#toldTarget = target.target
    const easiest = target.target > before ? target.target : before
    this.#told.set(notify.jobId, { notify, extranonce1: target.extranonce1, target: target.target, easiest })
    Session.seen.add(notify.clean ? "clean" : "unclean")
  }

  #answer(id: number, result: unknown, error: unknown): void {
    const asked = this.#waiting.get(id)
    assert.ok(asked !== undefined, `an answer to ${id}, which was answered or never asked`)
    this.#waiting.delete(id)
    const code = Array.isArray(error) ? (error[0] as number) : undefined
    if (typeof asked === "string") {
      if (asked === "mining.subscribe") this.#subscribed = true
      if (asked === "junk") assert.notEqual(error, null, "junk was accepted")
      if (error === null && (asked.startsWith("alice") || asked === "bob")) this.#trueWorkers.add(asked)
      Session.seen.add(`${asked} ${code ?? "true"}`)
      return
    }
    Session.seen.add(`share ${code ?? "true"}`)
    const { hash, isAuthorized, told, value } = asked
    switch (code) {
      case undefined:
        assert.equal(result, true)
        this.#accepted++
        if (this.#acceptedHashes.has(hash)) return
        this.#easy++
        Session.seen.add("easy")
        return assert.ok(value <= told!.easiest, "a share that misses every target was accepted")
      case 21:
        return assert.ok(told === undefined || this.#isStale(told), "a share of a present job was called stale")
      case 22:
        return assert.ok(this.#acceptedHashes.has(hash), "a new share was called a duplicate")
      case 23:
        return assert.ok(value > told!.target, "a share that meets what was told was called too easy")
      case 24:
        // The last answers of a channel that was closed say so too.
        return assert.ok(
          !isAuthorized || this.#rig.ended !== undefined,
          "a worker's share was refused, but not the worker"
        )
      default:
        // The limits of the server are its own.
        assert.equal(code, 20)
    }
  }

  /** Whether the job is on another block by now, or older than those that a miner may submit for. */
  #isStale(told: Told): boolean {
    const { prevHash } = this.#plant.context.jobs
    const isOld = [...this.#told.values()].indexOf(told) < this.#told.size + this.#targets.length - 64
    return isOld || Buffer.compare(told.notify.prevHash, prevHash!.hash) !== 0
  }

  /** The target and extranonce1 that held at each notify, in the order in which they were heard. */
  readonly #targets: Array<{ readonly target: bigint; readonly extranonce1: Uint8Array }> = []

  /** Watches the state of the rig's miner at each job. */
  watch(): void {
    const { state } = this.#rig
    const receive = state.receive.bind(state)
    state.receive = (line) => {
      receive(line)
      if (line.method === "mining.notify") {
        this.#targets.push({ target: u256FromBytes(state.target), extranonce1: state.extranonce1 })
      }
    }
  }
}

const hashOf = (
  { extranonce1, notify }: Told,
  share: {
    readonly extranonce2: string
    readonly ntime: string
    readonly nonce: string
    readonly bits: string | undefined
  }
): { readonly hash: string; readonly value: bigint } => {
  const hex = (text: string) => Buffer.from(text, "hex")
  let root = sha256d(notify.coinbasePrefix, extranonce1, hex(share.extranonce2), notify.coinbaseSuffix)
  for (const node of notify.merklePath) root = sha256d(root, node)
  const mask = 0x1fffe000
  const bits = share.bits === undefined ? notify.version : parseInt(share.bits, 16)
  const header = Buffer.alloc(80)
  header.writeUInt32LE(((notify.version & ~mask) | (bits & mask)) >>> 0, 0)
  header.set(notify.prevHash, 4)
  header.set(root, 36)
  header.writeUInt32LE(parseInt(share.ntime, 16), 68)
  header.writeUInt32LE(notify.nbits, 72)
  header.writeUInt32LE(parseInt(share.nonce, 16), 76)
  const hash = sha256d(header)
  return { hash: hash.toString("hex"), value: u256FromBytes(hash) }
}

const toBytes = (value: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(64, "0"), "hex")).toReversed()

/** Requests that are refused whatever came before. */
const JUNK: ReadonlyArray<readonly [method: string, params: ReadonlyArray<unknown>]> = [
  ["mining.submit", []],
  ["mining.submit", [5, 6, 7, 8, 9]],
  ["mining.submit", ["alice.a", "zz", "0", "", ""]],
  ["mining.authorize", []],
  ["mining.authorize", [{ a: 1 }]],
  ["mining.authorize", [" ", "x"]],
  ["mining.suggest_difficulty", ["-1"]],
  ["mining.nothing", ["alice.a"]]
]

/** What the sequences have to show, so that the test covers it. */
const EVERYTHING = [
  "alice.a true",
  "bad 24",
  "bob 24",
  "bob true",
  "junk 20",
  "mining.subscribe true",
  "ended",
  "clean",
  "unclean",
  "easy",
  "share true",
  "share 20",
  "share 21",
  "share 22",
  "share 23",
  "share 24"
]

describe("a V1 miner, the translator and a server", () => {
  it(`agree in ${SEQUENCES} random sequences`, { timeout: 600_000 }, () => {
    const step = fc.nat({ max: 0x7fffffff })
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), fc.array(step, { minLength: 20, maxLength: 80, size: "max" }), (n, steps) => {
        const session = new Session(n)
        session.watch()
        if (n % 3 > 0) {
          session.step("subscribe", n)
          session.step("authorize", 0)
          session.step("all", n)
        }
        for (const one of steps) session.step(kinds[one % kinds.length]!, Math.floor(one / kinds.length))
        session.end()
      }),
      { numRuns: SEQUENCES }
    )
  })

  it.runIf(SEQUENCES >= 1000)("came to every answer in these sequences", () => {
    expect(EVERYTHING.filter((one) => !Session.seen.has(one))).toEqual([])
  })
})
