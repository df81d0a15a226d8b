/** A V1 pool's jobs, difficulties and extranonces as messages of V2. */
import { describe, expect, it } from "@effect/vitest"
import { targetOfDifficulty } from "@sluice/stratum-v1"
import { EASY, NTIME } from "./honest-pool.ts"
import { notify } from "./notify-line.ts"
import { Rig } from "./rig.ts"

const working = (options: ConstructorParameters<typeof Rig>[0] = {}): readonly [rig: Rig, channelId: number] => {
  const rig = new Rig(options)
  const channelId = rig.open(4)
  rig.tags()
  return [rig, channelId]
}

describe("a notify", () => {
  it("is one job for the group of all channels, standard and extended, which each can mine", () => {
    const rig = new Rig()
    const ids = [rig.open(4), rig.open(undefined), rig.open(4)]
    rig.tags()
    rig.pool.newJob()
    rig.pump()
    expect(rig.tags()).toEqual(["NewExtendedMiningJob"])
    rig.pool.newJob({ block: 2 })
    rig.pump()
    expect(rig.tags()).toEqual(["NewExtendedMiningJob", "SetNewPrevHash"])
    for (const id of ids) rig.mine(id)
    rig.pump()
    expect(rig.accepted()).toBe(3)
    expect(rig.refused()).toEqual([])
  })

  it("is a job of its own for each channel of a client that requires standard jobs", () => {
    const rig = new Rig({ client: { requiresStandardJobs: true } })
    const ids = [rig.open(undefined), rig.open(undefined)]
    rig.tags()
    rig.pool.newJob({ branches: 0 })
    rig.pump()
    expect(rig.tags()).toEqual(["NewMiningJob", "NewMiningJob"])
    for (const id of ids) rig.mine(id)
    rig.pool.newJob({ block: 2 })
    rig.pump()
    expect(rig.tags().toSorted()).toEqual([
      "NewMiningJob",
      "NewMiningJob",
      "SetNewPrevHash",
      "SetNewPrevHash",
      "SubmitShares.Success",
      "SubmitShares.Success"
    ])
    for (const id of ids) rig.mine(id, 1)
    rig.pump()
    expect(rig.accepted()).toBe(4)
    expect(() => rig.open(4)).toThrow("extended-channels-not-supported-for-standard-jobs")
  })

  it("with another previous hash makes earlier jobs stale, and one without does not, clean or not", () => {
    const [rig, id] = working()
    const first = rig.work(id)
    rig.pool.newJob({ clean: true, ntime: NTIME + 5 })
    rig.pump()
    expect(rig.tags()).toEqual(["NewExtendedMiningJob"])
    expect(rig.of("NewExtendedMiningJob").at(-1)).toMatchObject({ minNtime: NTIME + 5 })
    // The pool decides: it has dropped the job that was before the clean one.
    rig.mine(id, 0, first)
    rig.pump()
    expect(rig.refused()).toEqual(["stale-share"])
    rig.pool.newJob({ block: 2 })
    rig.pump()
    expect(rig.client.channels.get(id)!.isValidJob(first.jobId)).toBe(false)
  })

  it("counts only if it is the last of one read", () => {
    const rig = new Rig()
    const [one, id] = [rig.open(4), rig.open(4)]
    for (let n = 0; n < 500; n++) rig.pool.newJob()
    rig.tags()
    rig.pump()
    expect(rig.tags()).toEqual(["NewExtendedMiningJob"])
    rig.mine(one)
    rig.mine(id)
    rig.pump()
    expect(rig.accepted()).toBe(2)
  })

  it("begins with an id that an earlier connection did not get to", () => {
    const [rig] = working()
    const firstId = Math.floor(rig.now / 100) >>> 0
    expect(rig.of("NewExtendedMiningJob")[0]!.jobId).toBe(firstId)
  })

  it("for the same hash and other nbits is a new previous hash", () => {
    const [rig] = working()
    const [prevHash] = rig.of("SetNewPrevHash")
    rig.receive(notify({ prevHash: Buffer.from(prevHash!.prevHash).toString("hex"), nbits: "1d00fffe" }))
    expect(rig.tags()).toEqual(["NewExtendedMiningJob", "SetNewPrevHash"])
  })
})

describe("a difficulty", () => {
  it("is a target right before the next job, and the shares of the job before are credited by its own", () => {
    const [rig, id] = working()
    const before = rig.work(id)
    rig.pool.setDifficulty(EASY * 2)
    rig.pump()
    expect(rig.tags()).toEqual([])
    rig.pool.newJob()
    rig.pump()
    expect(rig.tags()).toEqual(["SetTarget", "NewExtendedMiningJob"])
    expect(rig.work(id).target).toEqual(targetOfDifficulty(EASY * 2))
    rig.mine(id, 0, before)
    rig.mine(id, 1)
    rig.pump()
    expect(rig.end.accepted.map(({ difficulty }) => difficulty)).toEqual([EASY, EASY * 2])
  })

  it("is credited in full, though an acknowledgement has whole numbers only", () => {
    const rig = new Rig({ pool: { difficulty: EASY } })
    const id = rig.open(4)
    let sum = 0n
    // A pool that pretends: the hash does not matter to the machine.
    rig.receive('{"id":null,"method":"mining.set_difficulty","params":[0.4]}', notify({}))
    for (let n = 0; n < 10; n++) {
      const { jobId, minNtime: ntime, version } = rig.work(id)
      rig.submit(id, { jobId, ntime, version, nonce: n, extranonce: new Uint8Array(6) })
      rig.machine.send(rig.toServer.takeMessages(), rig.now, rig.out)
      const [line] = rig.takeLines()
      rig.receive(`{"id":${String(line!.id)},"result":true,"error":null}`)
    }
    for (const { newSharesSum } of rig.of("SubmitShares.Success")) sum += newSharesSum
    expect(sum).toBe(4n)
    expect(rig.accepted()).toBe(10)
  })
})

describe("another extranonce1", () => {
  it("is a prefix right before the next job, and the job before keeps the old one", () => {
    const rig = new Rig()
    const [first, second] = [rig.open(4), rig.open(undefined)] as const
    const before = rig.work(first)
    rig.tags()
    rig.end.move(0x77)
    rig.pool.newJob()
    rig.pump()
    expect(rig.tags()).toEqual(["SetExtranoncePrefix", "SetExtranoncePrefix", "NewExtendedMiningJob"])
    rig.mine(first, 0, before)
    rig.mine(first)
    rig.mine(second)
    rig.pump()
    expect(rig.refused()).toEqual([])
    expect(rig.accepted()).toBe(3)
  })

  it("of another length is another prefix for a channel that is alone in its group", () => {
    const [rig, id] = working()
    rig.receive('{"id":null,"method":"mining.set_extranonce","params":["deadbeef00",8]}', notify({ size: 13 }))
    expect(rig.machine.failure).toBeUndefined()
    expect(rig.client.channels.get(id)).toMatchObject({ extranonceSize: 6 })
    expect(Buffer.from(rig.client.channels.get(id)!.extranoncePrefix).toString("hex")).toBe("deadbeef000000")
    const two = new Rig()
    two.open(4)
    two.open(4)
    two.receive('{"id":null,"method":"mining.set_extranonce","params":["deadbeef00",8]}', notify({ size: 13 }))
    expect(two.machine.failure).toMatchObject({ method: "mining.set_extranonce" })
  })

  it("of another size is divided again among channels that are being opened", () => {
    const rig = new Rig({ pool: { extranonce2Size: 8 } })
    rig.pool.job = undefined
    const request = { userIdentity: "alice", nominalHashRate: 0, maxTarget: new Uint8Array(32).fill(0xff) }
    for (const minExtranonceSize of [5, 4])
      rig.client.openExtendedChannel({ ...request, minExtranonceSize }, rig.toServer)
    rig.pump()
    rig.receive('{"id":null,"method":"mining.set_extranonce","params":["deadbeef",5]}', notify({ size: 9 }))
    expect(rig.clientEvents.map(({ _tag }) => _tag)).toEqual([
      "OpenRefused",
      "ChannelOpened",
      "JobReceived",
      "WorkChanged"
    ])
    const [channel] = rig.client.channels.values()
    expect([channel!.extranonceSize, channel!.extranoncePrefix.length]).toEqual([5, 4])
  })

  it("of another size ends the connection of open channels, and is taken before there are any", () => {
    const [rig] = working()
    rig.receive('{"id":null,"method":"mining.set_extranonce","params":["deadbeef",4]}', notify({}))
    expect(rig.machine.failure).toMatchObject({ method: "mining.set_extranonce", field: "extranonce2Size" })
    const early = new Rig()
    early.receive('{"id":null,"method":"mining.set_extranonce","params":["deadbeef00",7]}', notify({ size: 12 }))
    const id = early.open(7)
    expect(Buffer.from(early.client.channels.get(id)!.extranoncePrefix).toString("hex")).toBe("deadbeef00")
  })
})

describe("version rolling", () => {
  it("is allowed where the pool allows the bits that hardware rolls, and other bits are refused", () => {
    const [rig, id] = working({ pool: { versionMask: 0x1fffe000 } })
    expect(rig.of("NewExtendedMiningJob")[0]!.versionRollingAllowed).toBe(true)
    const { jobId, minNtime: ntime, version } = rig.work(id)
    rig.submit(id, { jobId, ntime, nonce: 0, extranonce: new Uint8Array(6), version: version | 0x20 })
    rig.pump()
    expect(rig.refused()).toEqual(["invalid-non-rollable-version-bit"])
    rig.mine(id, 0, { ...rig.work(id), version: version | 0x00b44000 })
    rig.pump()
    expect(rig.end.accepted).toMatchObject([{ version: version | 0x00b44000 }])
  })

  it.each([0, 0x00ffe000])("is not where the pool allows the mask %s only", (versionMask) => {
    const [rig, id] = working({ pool: { versionMask } })
    expect(rig.of("NewExtendedMiningJob")[0]!.versionRollingAllowed).toBe(false)
    const { jobId, minNtime: ntime, version } = rig.work(id)
    rig.submit(id, { jobId, ntime, nonce: 0, extranonce: new Uint8Array(6), version: version | 0x2000 })
    rig.pump()
    expect(rig.refused()).toEqual(["version-rolling-not-allowed"])
    // More is no use to a client that was told that its version is fixed.
    rig.end.server.setVersionMask(0x1fffffe0)
    rig.pool.newJob()
    rig.pump()
    expect(rig.of("NewExtendedMiningJob").at(-1)!.versionRollingAllowed).toBe(false)
  })

  it("that the pool takes back ends the connection", () => {
    const [rig] = working()
    rig.end.server.setVersionMask(0)
    rig.pool.newJob()
    rig.pump()
    expect(rig.machine.failure).toMatchObject({ method: "mining.set_version_mask", field: "mask" })
  })
})
