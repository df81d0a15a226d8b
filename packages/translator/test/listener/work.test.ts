/** Jobs, difficulties and extranonces of V2 as a miner is told them. */
import { hashRateToTarget, u256ToBytes } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { targetOfDifficulty } from "@sluice/stratum-v1"
import { futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { describe, expect, it } from "vitest"
import { Plant, type PlantOptions, Rig } from "./rig.ts"
import { AUTHORIZE, SUBSCRIBE } from "./v1-miner.ts"

const working = (options?: PlantOptions): Rig => {
  const rig = new Rig(Plant.working(options))
  rig.send(SUBSCRIBE, AUTHORIZE)
  return rig
}
const submit = (rig: Rig, params: ReadonlyArray<string>, id: unknown = 9) =>
  rig.send({ id, method: "mining.submit", params })[0]
const setTarget = (rig: Rig, difficulty: number) =>
  rig.ask((_, out) =>
    out.messages.push({ _tag: "SetTarget", channelId: 2, maximumTarget: targetOfDifficulty(difficulty) })
  )
/** The methods of the lines that come because of it. */
const methodsOf = (rig: Rig, act: () => void): ReadonlyArray<unknown> => {
  const from = rig.heard.length
  act()
  return rig.heard.slice(from).map(({ method }) => method)
}

describe("a job", () => {
  it("that a new previous hash activates is clean, and other jobs are not", () => {
    const rig = working()
    expect(rig.state.job!.clean).toBe(true)
    rig.plant.template(template(2))
    expect(rig.state.job!.clean).toBe(false)
    rig.plant.newBlock(3)
    expect(rig.state.job!.clean).toBe(true)
  })

  it("has an id that the connection has not had before, even if the server sends the same job again", () => {
    const rig = working()
    rig.ask((server, out) => {
      const again = server.channelCount > 0 ? rig.plant.context.jobs.current! : undefined
      const { coinbasePrefix: coinbaseTxPrefix, coinbaseSuffix: coinbaseTxSuffix, merklePath, version } = again!
      const job = { jobId: 5, minNtime: 1_800_000_000, version, versionRollingAllowed: true, merklePath } as const
      const message = {
        _tag: "NewExtendedMiningJob",
        channelId: 1,
        ...job,
        coinbaseTxPrefix,
        coinbaseTxSuffix
      } as const
      out.messages.push(message, message)
    })
    const ids = rig.heard.flatMap(({ method, params }) =>
      method === "mining.notify" ? [(params as ReadonlyArray<unknown>)[0]] : []
    )
    expect(ids).toHaveLength(3)
    expect(new Set(ids).size).toBe(3)
  })

  it("is not sent before the miner has subscribed, and then only the latest", () => {
    const rig = new Rig(Plant.working())
    rig.send(AUTHORIZE)
    rig.plant.template(template(2))
    rig.plant.newBlock(3)
    expect(rig.heard).toMatchObject([{ id: 2, result: true }])
    expect(rig.send(SUBSCRIBE).map(({ id, method }) => method ?? id)).toEqual([
      1,
      "mining.set_difficulty",
      "mining.notify"
    ])
    expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
  })

  it("waits for the first template, and miners with it", () => {
    const rig = new Rig(new Plant())
    rig.send(SUBSCRIBE, AUTHORIZE)
    expect(rig.heard).toMatchObject([{ id: 1 }, { id: 2, result: true }])
    rig.plant.newBlock(1)
    expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
  })

  it("whose coinbase has its BIP141 fields is stripped of them", () => {
    const rig = working()
    const prefix = Buffer.from(`020000000001${"01"}${"00".repeat(32)}ffffffff`, "hex")
    const suffix = Buffer.from(`ffffffff0100000000000000000151${"0120"}${"00".repeat(32)}00000000`, "hex")
    rig.ask((_, out) =>
      out.messages.push({
        _tag: "NewExtendedMiningJob",
        channelId: 1,
        jobId: 7,
        minNtime: 1_800_000_000,
        version: 0x20000000,
        versionRollingAllowed: true,
        merklePath: [],
        coinbaseTxPrefix: prefix,
        coinbaseTxSuffix: suffix
      })
    )
    expect(Buffer.from(rig.state.job!.coinbasePrefix).toString("hex")).toBe(`02000000${"01"}${"00".repeat(32)}ffffffff`)
    expect(Buffer.from(rig.state.job!.coinbaseSuffix).toString("hex")).toBe("ffffffff010000000000000000015100000000")
  })
})

describe("a target", () => {
  it("is told as a difficulty right before the next job, and at most one a job", () => {
    const rig = working()
    const { difficulty } = rig.state
    expect(
      methodsOf(rig, () => {
        setTarget(rig, 2e-9)
        setTarget(rig, 1e-9)
      })
    ).toEqual([])
    expect(methodsOf(rig, () => rig.plant.template(template(2)))).toEqual(["mining.set_difficulty", "mining.notify"])
    expect(rig.state.difficulty).not.toBe(difficulty)
    expect(rig.state.difficulty).toBeCloseTo(1e-9, 20)
    expect(rig.state.job!.clean).toBe(false)
  })

  it("is told as a whole number from difficulty 1 up, rounded down, and as a fraction below", () => {
    const rig = working()
    const told = [5.7, 1.2, 0.75].map((difficulty, index) => {
      setTarget(rig, difficulty)
      rig.plant.template(template(index + 2))
      return rig.state.difficulty
    })
    expect(told.slice(0, 2)).toEqual([5, 1])
    expect(told[2]).toBeCloseTo(0.75, 12)
  })
})

describe("a share that misses the channel's target in good faith", () => {
  it("is answered with true where the miner may be late to apply a higher difficulty, and goes no further", () => {
    const rig = working()
    const easy = rig.state.target
    setTarget(rig, 1e-8)
    rig.plant.template(template(2))
    // It misses the new target and meets the old one.
    const said = rig.said.length
    let forwarded = 0
    for (let i = 0; i < 20; i++) {
      const before = rig.said.length
      submit(rig, rig.state.mine({ target: easy }))
      if (rig.said.length > before) forwarded++
    }
    const answers = rig.heard.filter(({ id }) => id === 9)
    expect(forwarded).toBeLessThan(20)
    expect(rig.said.length).toBe(said + forwarded)
    // Those that are not answered here are judged by the server, which knows nothing of the harder target in this test.
    expect(answers).toHaveLength(20)
    expect(answers.every(({ error }) => error === null)).toBe(true)
  })

  it("is refused from the job after that on", () => {
    const rig = working()
    const easy = rig.state.target
    const nominalHashRate = 1600
    rig.ask((server, out) =>
      server.receive(
        [
          {
            _tag: "UpdateChannel",
            channelId: 2,
            nominalHashRate,
            maximumTarget: u256ToBytes(hashRateToTarget(nominalHashRate, 6))
          }
        ],
        rig.plant.now,
        out
      )
    )
    rig.plant.template(template(2))
    rig.plant.template(template(3))
    const params = rig.state.mine({ target: easy })
    expect(submit(rig, params)).toMatchObject({ result: null, error: [23, "Low difficulty share", null] })
  })

  it("is sent on all the same if it is a block", () => {
    const rig = working()
    // Every hash in 256 is a block, and the channel's target is harder.
    rig.plant.newBlock(2, { nbits: 0x207fffff, target: new Uint8Array(32).fill(0xff, 0, 31) })
    setTarget(rig, 1e-6)
    rig.plant.template(template(3))
    const params = rig.state.mine({ target: new Uint8Array(32).fill(0xff, 0, 31) })
    const before = rig.said.length
    submit(rig, params)
    expect(rig.said.length).toBe(before + 1)
    expect(rig.events.some((event) => event._tag === "BlockFound")).toBe(true)
  })
})

describe("another extranonce prefix", () => {
  const change = (rig: Rig) => rig.ask((server, out) => server.changeExtranoncePrefix(2, out))

  it("is told with set_extranonce where the miner understands it, before a clean job", () => {
    const rig = new Rig(Plant.working())
    rig.send(SUBSCRIBE, AUTHORIZE, { id: 5, method: "mining.extranonce.subscribe", params: [] })
    const before = rig.state.mine()
    expect(methodsOf(rig, () => change(rig))).toEqual([])
    expect(submit(rig, before)).toMatchObject({ result: true })
    expect(methodsOf(rig, () => rig.plant.template(template(2)))).toEqual(["mining.set_extranonce", "mining.notify"])
    expect(rig.state.job!.clean).toBe(true)
    expect(Buffer.from(rig.state.extranonce1).toString("hex")).toBe("000000010000000000000000")
    expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
  })

  it("ends the connection of a miner that does not, with client.reconnect", () => {
    const rig = working()
    expect(methodsOf(rig, () => change(rig))).toEqual(["client.reconnect"])
    expect(rig.ended).toContain("it is to connect again")
  })

  it("goes into the coinbase of a miner that has an extranonce1 of its own, and nothing else changes", () => {
    const rig = new Rig(Plant.working())
    rig.send(SUBSCRIBE)
    rig.send(AUTHORIZE)
    const old = rig.state.job
    change(rig)
    rig.plant.template(template(2))
    expect(rig.ended).toBeUndefined()
    expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
    expect(submit(rig, rig.state.mine({ job: old! }))).toMatchObject({ result: true })
  })

  it.each([
    ["has an extranonce1 of its own", [[SUBSCRIBE], [AUTHORIZE]]],
    [
      "understands set_extranonce",
      [[SUBSCRIBE, AUTHORIZE, { id: 5, method: "mining.extranonce.subscribe", params: [] }]]
    ]
  ])("holds only for jobs that were sent after it, also where the miner %s", (_, handshake) => {
    const rig = new Rig(Plant.working())
    for (const lines of handshake) rig.send(...lines)
    rig.plant.template(futureTemplate(2))
    change(rig)
    const told = methodsOf(rig, () => rig.plant.template(newPrevHash(2, { headerTimestamp: rig.plant.now / 1000 })))
    expect(told).toEqual(["mining.notify"])
    for (let i = 0; i < 10; i++) expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
    rig.plant.newBlock(3)
    for (let i = 0; i < 10; i++) expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
  })

  it("does not hold for a waiting job that was sent before it, where the miner has not subscribed", () => {
    const rig = new Rig(Plant.working())
    rig.send(AUTHORIZE)
    rig.plant.template(futureTemplate(2))
    change(rig)
    rig.plant.template(newPrevHash(2, { headerTimestamp: rig.plant.now / 1000 }))
    rig.send({ id: 5, method: "mining.extranonce.subscribe", params: [] }, SUBSCRIBE)
    expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
    rig.plant.template(template(3))
    expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
    expect(Buffer.from(rig.state.extranonce1).toString("hex")).toBe("000000010000000000000000")
  })

  it("before the miner has subscribed is the next job's, and the waiting job keeps the old one", () => {
    const rig = new Rig(Plant.working())
    rig.send(AUTHORIZE)
    change(rig)
    rig.send({ id: 5, method: "mining.extranonce.subscribe", params: [] }, SUBSCRIBE)
    expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
    rig.plant.template(template(2))
    expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
    expect(Buffer.from(rig.state.extranonce1).toString("hex")).toBe("000000010000000000000000")
  })
})

describe("a server that", () => {
  const ended = (message: Mining.ToClient) => {
    const rig = working()
    rig.ask((_, out) => out.messages.push(message))
    return { rig, last: rig.heard.at(-1) }
  }

  it("asks to reconnect ends the connection with client.reconnect, without an address of V2", () => {
    const { last, rig } = ended({ _tag: "Reconnect", newHost: "v2.example", newPort: 3333 })
    expect(last).toMatchObject({ id: null, method: "client.reconnect", params: [] })
    expect(rig.ended).toBeDefined()
  })

  it("closes the channel ends the connection, and the miner is told why", () => {
    const { last, rig } = ended({ _tag: "CloseChannel", channelId: 2, reasonCode: "for-a-test" })
    expect(last).toMatchObject({ method: "client.show_message", params: [expect.stringContaining("for-a-test")] })
    expect(rig.ended).toContain("for-a-test")
  })

  it("closes the group of all channels ends it too", () => {
    expect(ended({ _tag: "CloseChannel", channelId: 1, reasonCode: "all" }).rig.ended).toBeDefined()
  })

  it("moves the channel to another group is followed there", () => {
    const rig = working()
    rig.ask((server, out) => {
      server.setGroup(server.newGroupId(), [2], out)
    })
    rig.plant.newBlock(2)
    expect(rig.state.job!.clean).toBe(true)
    expect(submit(rig, rig.state.mine())).toMatchObject({ result: true })
  })

  it.each<[string, Partial<Mining.OpenExtendedMiningChannelSuccess>, string]>([
    ["an extranonce that is too long", { extranonceSize: 30 }, "an extranonce of 42 bytes; expected 32 at most"],
    ["less extranonce than was asked for", { extranonceSize: 3 }, "3 bytes of extranonce; expected 4 at least"],
    ["a target that no hash meets", { target: new Uint8Array(32) }, "a target that no hash meets"]
  ])("opens the channel with %s ends the connection", (_, fields, expected) => {
    const rig = new Rig(new Plant(), false)
    rig.send(SUBSCRIBE, AUTHORIZE)
    const opened = { requestId: 1, channelId: 2, groupChannelId: 1, extranonceSize: 8 }
    const bytes = { target: new Uint8Array(32).fill(0xff), extranoncePrefix: new Uint8Array(12) }
    rig.toClient.push({ _tag: "OpenExtendedMiningChannel.Success", ...opened, ...bytes, ...fields })
    rig.deliver()
    expect(rig.ended).toContain(expected)
  })

  it.each<[string, Mining.ToClient]>([
    [
      "job 9, which it has not sent",
      { _tag: "SetNewPrevHash", channelId: 2, jobId: 9, prevHash: new Uint8Array(32), minNtime: 1, nbits: 1 }
    ],
    ["an extranonce of 38 bytes", { _tag: "SetExtranoncePrefix", channelId: 2, extranoncePrefix: new Uint8Array(30) }]
  ])("names %s ends the connection", (expected, message) => {
    expect(ended(message).rig.ended).toContain(expected)
  })
})
