/** The order in which a miner says what it has to say. */
import { BIP320_MASK, BIP323_MASK } from "@sluice/stratum-v1"
import { describe, expect, it } from "vitest"
import { Plant, Rig } from "./rig.ts"
import { AUTHORIZE, SUBSCRIBE } from "./v1-miner.ts"

const configure = {
  id: 3,
  method: "mining.configure",
  params: [["version-rolling"], { "version-rolling.mask": "ffffffff", "version-rolling.min-bit-count": "2" }]
}
const suggest = { id: 4, method: "mining.suggest_difficulty", params: [1e-9] }
const extranonce = { id: 5, method: "mining.extranonce.subscribe", params: [] }

const permutations = <T>(items: ReadonlyArray<T>): ReadonlyArray<ReadonlyArray<T>> =>
  items.length < 2
    ? [items]
    : items.flatMap((item, at) => permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]))

const submit = (rig: Rig, fields = {}) => rig.send({ id: 9, method: "mining.submit", params: rig.state.mine(fields) })
const accepted = [{ id: 9, result: true, error: null }]

describe.each([
  ["all in one write", true],
  ["each after the answer to the one before", false]
])("a handshake with its requests %s", (_, together) => {
  it("works in every order, with shares that are accepted", () => {
    for (const order of permutations([configure, SUBSCRIBE, AUTHORIZE, suggest, extranonce])) {
      const rig = new Rig(Plant.working())
      if (together) rig.send(...order)
      else for (const line of order) rig.send(line)
      const names = order.map(({ method }) => method).join(", ")
      const answers = rig.heard.filter(({ id }) => typeof id === "number")
      expect(answers.map(({ id }) => id).toSorted(), names).toEqual([1, 2, 3, 4, 5])
      expect(
        answers.every(({ error }) => error === null),
        names
      ).toBe(true)
      rig.state.versionMask = BIP320_MASK
      expect(submit(rig), names).toEqual(accepted)
      expect(submit(rig, { bits: 0x0000_2000 }), names).toEqual(accepted)
    }
  })
})

describe("a miner that names its worker before or with its subscribe", () => {
  it("has the channel's prefix as extranonce1 and its rollable bytes as extranonce2", () => {
    const rig = new Rig(Plant.working())
    rig.send(SUBSCRIBE, AUTHORIZE)
    expect(Buffer.from(rig.state.extranonce1).toString("hex")).toBe("000000000000000000000000")
    expect(rig.state.extranonce2Size).toBe(8)
    const another = new Rig(rig.plant)
    another.send(AUTHORIZE)
    another.send(SUBSCRIBE)
    expect(Buffer.from(another.state.extranonce1).toString("hex")).toBe("000000010000000000000000")
  })

  it("shares the encoded line of a job with all others", () => {
    const plant = Plant.working()
    const rigs = [new Rig(plant, false), new Rig(plant, false), new Rig(plant, false)]
    for (const rig of rigs) {
      rig.send(SUBSCRIBE, AUTHORIZE)
      rig.arrive()
      rig.deliver()
      rig.hear()
    }
    plant.newBlock(2)
    for (const rig of rigs) rig.deliver()
    const lines = rigs.map(({ toMiner }) => toMiner.at(-1))
    expect(lines[0]).toBeInstanceOf(Uint8Array)
    expect(lines[1]).toBe(lines[0])
    expect(lines[2]).toBe(lines[0])
  })

  it("rolls at most eight bytes of a channel that has more; the others are zeros of its extranonce1", () => {
    const rig = new Rig(Plant.working({ layout: { rollableSize: 12 } }))
    rig.send(SUBSCRIBE, AUTHORIZE)
    expect(rig.state.extranonce2Size).toBe(8)
    expect(rig.state.extranonce1).toHaveLength(12)
    expect(submit(rig)).toEqual(accepted)
  })
})

describe("a miner that waits for the answer to subscribe before it names its worker", () => {
  it("has an extranonce1 of its own, and the channel's prefix in its coinbase", () => {
    const plant = Plant.working()
    const [one, other] = [new Rig(plant), new Rig(plant)]
    for (const rig of [one, other]) {
      expect(rig.send(SUBSCRIBE)).toHaveLength(1)
      rig.send(AUTHORIZE)
      expect(rig.state.extranonce2Size).toBe(4)
      expect(submit(rig)).toEqual(accepted)
    }
    expect(one.state.extranonce1).not.toEqual(other.state.extranonce1)
    const [a, b] = [one.state.job!.coinbasePrefix, other.state.job!.coinbasePrefix]
    expect(Buffer.from(a.subarray(-15)).toString("hex")).toBe("000000000000000000000000000000")
    expect(Buffer.from(b.subarray(-15)).toString("hex")).toBe("000000010000000000000000000000")
    expect(a.length + one.state.extranonce1.length).toBe(b.length + other.state.extranonce1.length)
  })

  it("asks the channel for as many bytes as the option says, and those of its extranonce1", () => {
    const rig = new Rig(Plant.working({ v1: { extranonce2Size: 8 } }))
    rig.send(SUBSCRIBE)
    rig.send(AUTHORIZE)
    expect(rig.state.extranonce2Size).toBe(8)
    expect(rig.said).toMatchObject([{ _tag: "OpenExtendedMiningChannel", minExtranonceSize: 9 }])
    expect(submit(rig)).toEqual(accepted)
  })

  it("gets its four bytes of a channel that rolls five, as a proxy over a V1 pool with eight has them", () => {
    const rig = new Rig(Plant.working({ layout: { fullSize: 9, rollableSize: 5 } }))
    rig.send(SUBSCRIBE)
    expect(rig.send(AUTHORIZE)[0]).toMatchObject({ id: 2, result: true })
    expect(rig.state.extranonce2Size).toBe(4)
    expect(submit(rig)).toEqual(accepted)
  })

  it("is refused where the server has not as many, with a reason", () => {
    const rig = new Rig(Plant.working({ layout: { fullSize: 8, rollableSize: 4 } }))
    rig.send(SUBSCRIBE)
    const [answer] = rig.send(AUTHORIZE)
    expect(answer).toMatchObject({ id: 2, result: null })
    expect(answer!.error).toEqual([24, "the server has not as many bytes of extranonce as this miner needs", null])
  })
})

describe("version rolling", () => {
  const masked = (mask: string | undefined, versionMask = BIP320_MASK, allowed = true) => {
    const rig = new Rig(Plant.working({ v1: { versionMask }, versionRollingAllowed: allowed }))
    const params = [["version-rolling"], mask === undefined ? {} : { "version-rolling.mask": mask }]
    return { rig, answer: rig.send({ id: 3, method: "mining.configure", params })[0] }
  }

  it("is granted within the miner's mask and the option's", () => {
    expect(masked("0x1fffe000").answer).toMatchObject({ result: { "version-rolling.mask": "1fffe000" } })
    expect(masked("ffffffff").answer).toMatchObject({ result: { "version-rolling.mask": "1fffe000" } })
    expect(masked(undefined).answer).toMatchObject({ result: { "version-rolling.mask": "1fffe000" } })
    expect(masked("00c00000").answer).toMatchObject({ result: { "version-rolling.mask": "00c00000" } })
    expect(masked("ffffffff", BIP323_MASK).answer).toMatchObject({ result: { "version-rolling.mask": "1fffffe0" } })
  })

  it("is taken back before the first job where the server's jobs have a fixed version", () => {
    const { rig } = masked("ffffffff", BIP320_MASK, false)
    rig.send(SUBSCRIBE, AUTHORIZE)
    const methods = rig.heard.map(({ method }) => method)
    expect(methods.indexOf("mining.set_version_mask")).toBeLessThan(methods.indexOf("mining.notify"))
    expect(rig.heard.find(({ method }) => method === "mining.set_version_mask")?.params).toEqual(["00000000"])
    expect(submit(rig)).toEqual(accepted)
    rig.state.versionMask = BIP320_MASK
    expect(submit(rig, { bits: 0x2000 })).toMatchObject([
      { error: [20, expect.stringContaining("version bits"), null] }
    ])
  })

  it("is taken from a miner that did not ask, within the mask", () => {
    const rig = new Rig(Plant.working())
    rig.send(SUBSCRIBE, AUTHORIZE)
    rig.state.versionMask = BIP320_MASK
    expect(submit(rig, { bits: 0x2000 })).toEqual(accepted)
  })
})
