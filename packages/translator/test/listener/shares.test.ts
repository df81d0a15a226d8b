/** What a miner is answered, and what the server hears of the miner. */
import { NO_VERDICT } from "@sluice/channels"
import { type Mining, WorkerIdentity } from "@sluice/protocol"
import { template } from "@sluice/testing/templates"
import { describe, expect, it } from "vitest"
import { NO_ANSWER, shareErrorCode } from "../../src/dialer/share-error-code.ts"
import { shareRefusal } from "../../src/listener/answers.ts"
import { Plant, type PlantOptions, Rig } from "./rig.ts"
import { AUTHORIZE, SUBSCRIBE } from "./v1-miner.ts"

const authorize = (id: number, worker: string, password = "x") => ({
  id,
  method: "mining.authorize",
  params: [worker, password]
})
const working = (options?: PlantOptions): Rig => {
  const rig = new Rig(Plant.working(options))
  rig.send(SUBSCRIBE, AUTHORIZE)
  return rig
}
const submission = (params: ReadonlyArray<unknown>, id: unknown = 9) => ({ id, method: "mining.submit", params })
const submit = (rig: Rig, params: ReadonlyArray<unknown>, id: unknown = 9) => rig.send(submission(params, id))[0]
/** The parameters with another one in place. */
const having = (params: ReadonlyArray<string>, index: number, value: unknown): ReadonlyArray<unknown> =>
  params.with(index, value as string)
const opened = (rig: Rig) =>
  rig.said.filter(
    (message): message is Mining.OpenExtendedMiningChannel => message._tag === "OpenExtendedMiningChannel"
  )

describe("a share", () => {
  it("has an answer of its own, also if the server acknowledges many at once", () => {
    const rig = working()
    const shares = Array.from({ length: 25 }, (_, index) => submission(rig.state.mine(), index + 100))
    const answers = rig.send(...shares)
    expect(answers.map(({ id }) => id)).toEqual(shares.map(({ id }) => id))
    expect(answers.every(({ error, result }) => result === true && error === null)).toBe(true)
  })

  it("has its answer also between refused ones, and with an id that repeats or is a word", () => {
    const rig = working()
    const good = () => rig.state.mine()
    const bad = () => rig.state.mine({ bad: true })
    const answers = rig.send(
      submission(good(), 4),
      submission(bad(), 4),
      submission(good(), "word"),
      submission(bad(), 5),
      submission(good(), 4)
    )
    const byId = (wanted: unknown) => answers.filter(({ id }) => id === wanted).map(({ result }) => result)
    expect(byId(4).toSorted()).toEqual([null, true, true])
    expect(byId("word")).toEqual([true])
    expect(byId(5)).toEqual([null])
  })

  it("whose id is null is counted and not answered", () => {
    const rig = working()
    expect(submit(rig, rig.state.mine(), null)).toBeUndefined()
    expect(rig.events.filter(({ _tag }) => _tag === "ShareAccepted")).toHaveLength(1)
  })

  it.each<[string, number, string, (rig: Rig) => ReadonlyArray<unknown>]>([
    ["of an unknown job", 21, "job not found, or stale", ({ state }) => having(state.mine(), 1, "abc")],
    [
      "of a job of the previous block",
      21,
      "Stale share",
      (rig) => {
        const params = rig.state.mine()
        rig.plant.newBlock(2)
        return params
      }
    ],
    [
      "that came before",
      22,
      "Duplicate share",
      (rig) => {
        const params = rig.state.mine()
        submit(rig, params, 8)
        return params
      }
    ],
    ["that misses the target", 23, "Low difficulty share", ({ state }) => state.mine({ bad: true })],
    [
      "of a worker that was not authorized",
      24,
      'worker "bob" is not authorized',
      ({ state }) => having(state.mine(), 0, "bob")
    ],
    [
      "with a time that is out of range",
      20,
      "Invalid share: its time is out of range",
      ({ state }) => state.mine({ ntime: 1_700_000_000 })
    ],
    [
      "with an extranonce2 of another size",
      20,
      "expected 8 bytes of extranonce2; got 2",
      ({ state }) => having(state.mine(), 2, "0102")
    ],
    [
      "with a nonce that is no hex",
      20,
      "mining.submit: nonce: expected 8 hex digits; got",
      ({ state }) => having(state.mine(), 4, "zz")
    ],
    ["without parameters", 20, "mining.submit: worker: expected", () => []]
  ])("%s is refused with code %d", (_, code, text, make) => {
    const rig = working()
    const answer = submit(rig, make(rig))
    expect(answer).toMatchObject({ id: 9, result: null, error: [code, expect.any(String), null] })
    expect((answer!.error as ReadonlyArray<unknown>)[1]).toContain(text)
  })

  it("of the previous block goes to the server, because it may be a block", () => {
    const rig = working()
    const easy = { nbits: 0x207fffff, target: new Uint8Array(32).fill(0xff) }
    rig.plant.newBlock(2, easy)
    const params = rig.state.mine()
    rig.plant.newBlock(3)
    expect(submit(rig, params)).toMatchObject({ error: [21, "Stale share", null] })
    expect(rig.events.find(({ _tag }) => _tag === "BlockFound")).toMatchObject({ refusal: "stale-share" })
  })
})

describe("workers", () => {
  it("of one user share the connection's channel, and their shares name them where the server knows that extension", () => {
    const rig = new Rig(Plant.working())
    rig.miner.agree(0, [WorkerIdentity.extension.id])
    rig.send(SUBSCRIBE, AUTHORIZE, authorize(3, "alice.other"), authorize(4, "alice"))
    rig.send(authorize(5, `alice.${"x".repeat(40)}`))
    expect(rig.heard.filter(({ id }) => typeof id === "number").map(({ result }) => result)).toEqual([
      expect.anything(),
      true,
      true,
      true,
      true
    ])
    expect(opened(rig).map(({ userIdentity }) => userIdentity)).toEqual(["alice.rig"])
    for (const worker of ["alice.rig", "alice.other", "alice", `alice.${"x".repeat(40)}`]) {
      expect(submit(rig, rig.state.mine({ worker }))).toMatchObject({ result: true })
    }
    const names = rig.events.flatMap((event) => (event._tag === "ShareAccepted" ? [event.worker] : []))
    expect(names).toEqual([undefined, "other", "alice", "x".repeat(32)])
  })

  it("of another user are refused, because the jobs of a connection are those of one channel", () => {
    const rig = working()
    expect(rig.send(authorize(3, "bob.rig"))[0]).toMatchObject({
      id: 3,
      error: [24, "this connection mines for alice; another user needs a connection of its own", null]
    })
    expect(submit(rig, rig.state.mine({ worker: "bob.rig" }))).toMatchObject({ error: [24, expect.anything(), null] })
    expect(rig.ended).toBeUndefined()
  })

  it("may come in any number at once: those of a refused one's user do not suffer", () => {
    const refuseUser = (identity: string) => (identity.startsWith("bad") ? ("unknown-user" as const) : undefined)
    const rig = new Rig(Plant.working({ policy: { refuseUser } }))
    rig.send(
      authorize(2, "bad.rig"),
      authorize(3, "alice.a"),
      authorize(4, "bad.too"),
      authorize(5, "alice.b"),
      SUBSCRIBE
    )
    const answers = new Map(rig.heard.map(({ error, id }) => [id, error]))
    const refused = [24, "unknown user: the server does not know this worker", null]
    expect(answers.get(2)).toEqual(refused)
    expect(answers.get(3)).toBeNull()
    expect(answers.get(4)).toEqual([24, expect.stringContaining("mines for alice"), null])
    expect(answers.get(5)).toBeNull()
    expect(submit(rig, rig.state.mine({ worker: "alice.b" }))).toMatchObject({ result: true })
  })

  it("that are refused may try again under another name, before and after subscribe", () => {
    const refuseUser = (identity: string) => (identity === "bad" ? ("unknown-user" as const) : undefined)
    const rig = new Rig(Plant.working({ policy: { refuseUser } }))
    rig.send(authorize(2, "bad"))
    rig.send(SUBSCRIBE)
    rig.send(authorize(3, "bad"))
    rig.send(authorize(4, "alice"))
    expect(rig.heard.filter(({ method }) => method === undefined).map(({ id, result }) => [id, result])).toEqual([
      [2, null],
      [1, expect.anything()],
      [3, null],
      [4, true]
    ])
    expect(submit(rig, rig.state.mine({ worker: "alice" }))).toMatchObject({ result: true })
  })

  it("are known by their names without percent-encoding, and need a name", () => {
    const rig = new Rig(Plant.working())
    rig.send(SUBSCRIBE, authorize(2, "alice%2Erig"))
    expect(opened(rig)[0]!.userIdentity).toBe("alice.rig")
    expect(submit(rig, rig.state.mine({ worker: "alice%2Erig" }))).toMatchObject({ result: true })
    for (const name of ["", "  ", "x".repeat(256), "a\u202eb"]) {
      expect(rig.send(authorize(3, name))[0]).toMatchObject({ error: [24, expect.stringContaining("name"), null] })
    }
  })
})

describe("the difficulty that a miner asks for", () => {
  const difficulty = 1e-6
  const hashRate = (difficulty * 2 ** 32) / 10

  it("in its password is the easiest that it gets", () => {
    const rig = new Rig(Plant.working())
    rig.send(SUBSCRIBE, authorize(2, "alice", `x,d=${difficulty.toFixed(6)}`))
    expect(rig.state.difficulty).toBeCloseTo(difficulty, 18)
    rig.plant.now += 600_000
    rig.tick()
    rig.plant.template(template(2))
    expect(rig.state.difficulty).toBeCloseTo(difficulty, 18)
  })

  it("with minimum-difficulty of mining.configure too", () => {
    const rig = new Rig(Plant.working())
    const params = [["minimum-difficulty"], { "minimum-difficulty.value": difficulty }]
    rig.send({ id: 3, method: "mining.configure", params }, SUBSCRIBE, AUTHORIZE)
    expect(rig.heard[0]).toMatchObject({ result: { "minimum-difficulty": true } })
    expect(rig.state.difficulty).toBeCloseTo(difficulty, 18)
  })

  it("with suggest_difficulty is the one to begin with, and may be easier later", () => {
    const rig = new Rig(Plant.working())
    rig.send({ id: 3, method: "mining.suggest_difficulty", params: [difficulty] }, SUBSCRIBE, AUTHORIZE)
    expect(opened(rig)[0]!.nominalHashRate).toBeCloseTo(hashRate, 6)
    expect(rig.state.difficulty).toBeCloseTo(difficulty, 9)
    rig.plant.now += 600_000
    rig.tick()
    rig.plant.template(template(2))
    expect(rig.state.difficulty).toBeLessThan(difficulty / 2)
  })

  it("after the channel is open updates it, once", () => {
    const rig = working()
    const said = rig.said.length
    rig.send({ id: 3, method: "mining.suggest_difficulty", params: [difficulty * 10] })
    rig.send({ id: 4, method: "mining.suggest_difficulty", params: [difficulty * 10] })
    expect(rig.said.slice(said)).toMatchObject([{ _tag: "UpdateChannel", channelId: 2 }])
    rig.plant.template(template(2))
    expect(rig.state.difficulty).toBeGreaterThan(difficulty)
  })

  it("is a configured guess where it asks for none", () => {
    const rig = working({ v1: { nominalHashRate: 12.5 } })
    expect(opened(rig)[0]!.nominalHashRate).toBe(12.5)
  })
})

describe("the firmware of a miner", () => {
  const warnings = (userAgent: string, worker = "alice.rig", outputs = 1) => {
    const plant = new Plant()

    const rig = new Rig(plant)
    rig.send({ id: 1, method: "mining.subscribe", params: [userAgent] }, authorize(2, worker))
    const prefix = Buffer.from(`0200000001${"00".repeat(32)}ffffffff`, "hex")
    const suffix = new Uint8Array(40 * outputs)
    rig.ask((_, out) => {
      const job = { jobId: 7, minNtime: undefined, version: 1, versionRollingAllowed: true, merklePath: [] } as const
      const coinbase = { coinbaseTxPrefix: prefix, coinbaseTxSuffix: suffix }
      out.messages.push({ _tag: "NewExtendedMiningJob", channelId: 2, ...job, ...coinbase })
      const prevHash = new Uint8Array(32)
      out.messages.push({ _tag: "SetNewPrevHash", channelId: 2, jobId: 7, prevHash, minNtime: 1, nbits: 0x1d00ffff })
    })
    return rig.minerEvents.flatMap((event) => (event._tag === "Warned" ? [event.message] : []))
  }

  it("that takes smaller coinbases is warned of, by name", () => {
    expect(warnings("bmminer/2.0.0/Antminer S19", "alice", 20)).toEqual([
      "the coinbase has 861 bytes; stock Antminer firmware takes about 750; fewer outputs make it smaller (coinbase-outputs)"
    ])
    expect(warnings("bmminer/2.0.0/Antminer S19")).toEqual([])
    expect(warnings("bitaxe/BM1370/v2.8.1", "alice", 20)).toEqual([])
  })

  it("that cuts off long names is warned of", () => {
    expect(warnings("cgminer/4.11.1 Avalon A1246", "a".repeat(63))).toEqual([
      expect.stringContaining("63 bytes; Avalon firmware takes 63 at most and may cut off the rest")
    ])
    expect(warnings("whatsminer/v1.1", "a".repeat(63))).toEqual([])
  })

  it("describes the device, from subscribe, configure or client.get_version", () => {
    const rig = working()
    expect(rig.miner.device).toMatchObject({ vendor: "test", firmware: "1.0" })
    const silent = new Rig(Plant.working())
    const info = { "info.hw-version": "S19", "info.sw-version": "v3", "info.hw-id": "abc" }
    silent.send({ id: 3, method: "mining.configure", params: [["info"], info] })
    silent.send({ id: 1, method: "mining.subscribe", params: [] })
    expect(silent.heard.at(-1)).toMatchObject({ method: "client.get_version" })
    silent.send({ id: silent.heard.at(-1)!.id, result: "cgminer/4.12", error: null })
    expect(silent.miner.device).toEqual({
      vendor: "cgminer",
      firmware: "4.12",
      hardwareVersion: "S19",
      deviceId: "abc"
    })
  })
})

describe("a silent miner", () => {
  it("hears something every 30 seconds", () => {
    const rig = working()
    let silence = 0
    for (let seconds = 0; seconds < 300; seconds += 5) {
      rig.plant.now += 5_000
      const from = rig.heard.length
      rig.tick()
      silence = rig.heard.length > from ? 0 : silence + 5
      expect(silence).toBeLessThan(30)
    }
    expect(rig.heard.at(-1)).toMatchObject({ method: "mining.ping", id: null })
  })

  it("that never subscribes is sent away", () => {
    const rig = new Rig(Plant.working())
    rig.send(AUTHORIZE)
    rig.plant.now += 15_000
    rig.tick()
    expect(rig.ended).toContain("mining.subscribe")
  })
})

describe("a share without a verdict of the pool above", () => {
  it.each([NO_VERDICT, NO_ANSWER])("(%s) is told so in words that a translator below understands", (errorCode) => {
    const refusal = shareRefusal(errorCode)
    expect(refusal).toEqual({ code: 20, text: "No answer from the pool" })
    expect(shareErrorCode(refusal)).toBe(NO_ANSWER)
  })
})
