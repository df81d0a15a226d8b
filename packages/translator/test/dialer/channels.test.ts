/** Channels over a V1 pool: how they open, what they get, and how they share extranonce2. */
import { describe, expect, it } from "@effect/vitest"
import { Target } from "@sluice/core"
import { Mining } from "@sluice/protocol"
import { targetOfDifficulty } from "@sluice/stratum-v1"
import { credentialsOf } from "../../src/dialer/credentials.ts"
import { EASY, NTIME } from "./honest-pool.ts"
import { ANY_TARGET, Rig } from "./rig.ts"

describe("a channel over a V1 pool", () => {
  it("opens when its worker is authorized and there is a job, which it gets as a future job with a SetNewPrevHash", () => {
    const rig = new Rig()
    expect(rig.sent.map(({ method }) => method)).toEqual([
      "mining.configure",
      "mining.subscribe",
      "mining.extranonce.subscribe"
    ])
    const id = rig.open(4)
    expect(rig.end.authorized).toEqual(["alice.rig1:x"])
    expect(rig.tags()).toEqual(["OpenExtendedMiningChannel.Success", "NewExtendedMiningJob", "SetNewPrevHash"])
    const [opened] = rig.of("OpenExtendedMiningChannel.Success")
    expect(opened).toMatchObject({ channelId: id, target: targetOfDifficulty(EASY) })
    expect(rig.of("NewExtendedMiningJob")[0]).toMatchObject({ channelId: id, minNtime: undefined })
    expect(rig.of("SetNewPrevHash")[0]).toMatchObject({ channelId: id, minNtime: NTIME, nbits: 0x1d00ffff })
  })

  it("is refused with unknown-user where the pool refuses the worker, and others are not", () => {
    const refuse = (worker: string) => (worker === "bob" ? "no such user" : undefined)
    const rig = new Rig({ pool: { refuse } })
    expect(() => rig.open(4, { userIdentity: "bob" })).toThrow("unknown-user")
    expect(rig.poolEvents).toEqual([{ _tag: "WorkerRefused", worker: "bob", text: "no such user" }])
    expect(() => rig.open(4, { userIdentity: "bob" })).toThrow("unknown-user")
    expect(rig.end.authorized).toEqual(["bob:x", "bob:x"])
    // Its part of extranonce2 is free again.
    rig.open(8)
  })

  it("authorizes each worker once, however many channels it has", () => {
    const rig = new Rig()
    for (const userIdentity of ["alice.1", "alice.2", "alice.1"]) rig.open(4, { userIdentity })
    expect(rig.end.authorized).toEqual(["alice.1:x", "alice.2:x"])
  })

  it("does not name its worker again where it comes back, because ckpool answers only the first mining.authorize", () => {
    const rig = new Rig()
    const id = rig.open(4, { userIdentity: "alice.1" })
    rig.client.closeChannel(id, "done", rig.toServer)
    rig.pump()
    rig.open(4, { userIdentity: "alice.1" })
    expect(rig.sent.filter(({ method }) => method === "mining.authorize")).toHaveLength(1)
  })

  it("is forgotten with its worker's name where many workers came and went", () => {
    const rig = new Rig()
    for (let count = 0; count <= 16; count++) {
      rig.client.closeChannel(rig.open(4, { userIdentity: `alice.${count}` }), "done", rig.toServer)
      rig.pump()
    }
    for (const userIdentity of ["alice.16", "alice.0"]) rig.open(4, { userIdentity })
    expect(rig.sent.filter(({ method }) => method === "mining.authorize")).toHaveLength(18)
  })

  it.each([
    ["alice.rig1", {}, "alice.rig1", "x"],
    ["alice.rig1", { user: "farm.{worker}", password: "d=512" }, "farm.rig1", "d=512"],
    ["rig1", { user: "farm.{worker}" }, "farm.rig1", "x"],
    ["alice.rig.1", { user: "{user}-{worker}", password: "{worker}" }, "alice.rig.1-rig.1", "rig.1"],
    ["a{worker}", { user: "{user}{other}" }, "a{worker}{other}", "x"]
  ])("of the user %s with %j is the pool's worker %s, with the password %s", (identity, patterns, worker, password) => {
    expect(credentialsOf(identity, patterns)).toEqual({ worker, password })
  })

  it.each([
    ["a hash rate that is none", { nominalHashRate: -1 }, "invalid-nominal-hashrate"],
    ["a target that nothing meets", { maxTarget: new Uint8Array(32) }, "max-target-out-of-range"],
    ["no user", { userIdentity: "" }, "invalid-user-identity"]
  ])("is refused with %s", (_, fields, errorCode) => {
    expect(() => new Rig().open(4, fields)).toThrow(errorCode)
  })

  it("gets no custom job", () => {
    const rig = new Rig()
    const channelId = rig.open(4)
    const custom = { requestId: 3, miningJobToken: ANY_TARGET, version: 0, prevHash: ANY_TARGET, minNtime: 0, nbits: 0 }
    const coinbase = { coinbaseTxVersion: 1, coinbasePrefix: ANY_TARGET, coinbaseTxInputNSequence: 0 }
    const rest = { coinbaseTxOutputs: ANY_TARGET, coinbaseTxLocktime: 0, merklePath: [] }
    const message = { _tag: "SetCustomMiningJob", channelId, ...custom, ...coinbase, ...rest } as const
    const errorCode = "jd-not-supported"
    expect(rig.send(message)).toEqual([{ _tag: "SetCustomMiningJob.Error", channelId, requestId: 3, errorCode }])
  })

  it("gives its part back when it closes, and its pending shares are answered to nobody", () => {
    const rig = new Rig({ pool: { extranonce2Size: 4 } })
    const id = rig.open(4)
    rig.end.holdsShares = true
    rig.mine(id)
    rig.pump()
    rig.send({ _tag: "CloseChannel", channelId: id, reasonCode: "done" })
    const before = rig.messages.length
    for (const share of rig.end.held.splice(0)) rig.end.judge(share)
    rig.pump()
    expect(rig.messages).toHaveLength(before)
    expect(
      rig.send({
        _tag: "SubmitSharesExtended",
        channelId: id,
        sequenceNumber: 9,
        jobId: 1,
        nonce: 0,
        ntime: 0,
        version: 0,
        extranonce: new Uint8Array(4)
      })
    ).toMatchObject([{ errorCode: "invalid-channel-id" }])
    rig.open(4)
  })

  it("closes with all others when the group is closed", () => {
    const rig = new Rig()
    rig.open(4)
    rig.open(undefined)
    const [{ groupChannelId }] = rig.of("OpenExtendedMiningChannel.Success") as [
      Mining.OpenExtendedMiningChannelSuccess
    ]
    rig.send({ _tag: "CloseChannel", channelId: groupChannelId, reasonCode: "done" })
    expect(rig.machine.channelCount).toBe(0)
  })
})

describe("extranonce2", () => {
  const prefixes = (rig: Rig) =>
    [...rig.client.channels.values()].map(({ extranoncePrefix }) => Buffer.from(extranoncePrefix).toString("hex"))

  it("is divided among the channels, each behind extranonce1", () => {
    const rig = new Rig()
    const ids = [rig.open(4), rig.open(6), rig.open(undefined)]
    expect(ids.map((id) => rig.client.channels.get(id)!.extranonceSize)).toEqual([6, 6, 0])
    expect(prefixes(rig)).toEqual(["a1a1a1a10000", "a1a1a1a10001", "a1a1a1a10002000000000000"])
    for (const id of ids) rig.mine(id)
    rig.pump()
    expect(rig.accepted()).toBe(3)
    expect(rig.end.accepted.map(({ extranonce2 }) => extranonce2.slice(0, 4))).toEqual(["0000", "0001", "0002"])
  })

  it("goes to one channel that needs all of it, and other channels are refused", () => {
    const rig = new Rig({ pool: { extranonce2Size: 4 } })
    const id = rig.open(4)
    expect(() => rig.open(1)).toThrow("extranonce-space-exhausted")
    expect(() => rig.open(undefined)).toThrow("extranonce-space-exhausted")
    rig.client.closeChannel(id, "done", rig.toServer)
    rig.pump()
    expect(rig.client.channels.get(rig.open(2))!.extranonceSize).toBe(2)
    rig.open(2)
  })

  it("that is too small for what a channel asks is told so", () => {
    const rig = new Rig({ pool: { extranonce2Size: 4 } })
    expect(() => rig.open(5)).toThrow("unsupported-min-extranonce-size")
    expect(() => rig.open(33)).toThrow("min-extranonce-size-too-large")
    rig.open(2)
    expect(() => rig.open(3)).toThrow("unsupported-min-extranonce-size")
  })

  it("of 0 bytes is enough for one standard channel", () => {
    const rig = new Rig({ pool: { extranonce2Size: 0 } })
    expect(() => rig.open(1)).toThrow("unsupported-min-extranonce-size")
    rig.mine(rig.open(undefined))
    rig.pump()
    expect(rig.end.accepted).toMatchObject([{ extranonce2: "" }])
    expect(() => rig.open(undefined)).toThrow("extranonce-space-exhausted")
  })

  it("of 1 byte is enough for 256 standard channels", () => {
    const rig = new Rig({ pool: { extranonce2Size: 1 } })
    for (let n = 0; n < 256; n++) rig.open(undefined)
    expect(new Set(prefixes(rig)).size).toBe(256)
    expect(() => rig.open(undefined)).toThrow("extranonce-space-exhausted")
  })

  it("is not given to another channel on the same previous hash where shares were submitted for it", () => {
    const rig = new Rig()
    const [first] = [rig.open(4), rig.open(4)]
    rig.mine(first!)
    rig.pump()
    rig.client.closeChannel(first!, "done", rig.toServer)
    rig.pump()
    rig.open(4)
    expect(prefixes(rig)).toEqual(["a1a1a1a10001", "a1a1a1a10002"])
  })
})

describe("an UpdateChannel", () => {
  it("with a harder maximum target gives the channel a harder target than the pool's, and back", () => {
    const rig = new Rig()
    const channelId = rig.open(4)
    const hard = targetOfDifficulty(EASY * 4)
    expect(rig.send({ _tag: "UpdateChannel", channelId, nominalHashRate: 1e6, maximumTarget: hard })).toEqual([
      { _tag: "SetTarget", channelId, maximumTarget: hard }
    ])
    rig.pool.newJob()
    rig.pump()
    expect(Target.compareU256(rig.work(channelId).target, 0, hard, 0)).toBe(0)
    rig.mine(channelId)
    rig.pump()
    expect(rig.end.accepted).toMatchObject([{ difficulty: EASY }])
    rig.send({ _tag: "UpdateChannel", channelId, nominalHashRate: 1e6, maximumTarget: ANY_TARGET })
    expect(rig.of("SetTarget").at(-1)!.maximumTarget).toEqual(targetOfDifficulty(EASY))
  })

  it("that cannot be is refused", () => {
    const rig = new Rig()
    const channelId = rig.open(4)
    const update = { _tag: "UpdateChannel", channelId, nominalHashRate: 1e6, maximumTarget: ANY_TARGET } as const
    expect(
      rig.send(
        { ...update, channelId: 77 },
        { ...update, nominalHashRate: NaN },
        { ...update, maximumTarget: new Uint8Array(32) }
      )
    ).toEqual([
      { _tag: "UpdateChannel.Error", channelId: 77, errorCode: "invalid-channel-id" },
      { _tag: "UpdateChannel.Error", channelId, errorCode: "invalid-nominal-hashrate" },
      { _tag: "UpdateChannel.Error", channelId, errorCode: "max-target-out-of-range" }
    ])
  })

  it("and the opening of channels suggest a difficulty to the pool when the hash rate has changed by a factor of two", () => {
    const rig = new Rig()
    const rate = 2 ** 32 / 10
    const channelId = rig.open(4, { nominalHashRate: rate })
    rig.open(4, { nominalHashRate: rate / 2 })
    rig.open(4, { nominalHashRate: rate * 8.5 })
    rig.send({ _tag: "UpdateChannel", channelId, nominalHashRate: 0, maximumTarget: ANY_TARGET })
    rig.send({ _tag: "UpdateChannel", channelId, nominalHashRate: rate * 100, maximumTarget: ANY_TARGET })
    rig.pump()
    expect(rig.end.suggested).toEqual([1, 10, 109])
    const idle = new Rig()
    idle.open(4, { nominalHashRate: 0 })
    expect(idle.end.suggested).toEqual([])
  })
})

it("no difficulty is suggested before a worker is authorized, because ckpool would apply it and not say so", () => {
  const rig = new Rig()
  const maxTarget = ANY_TARGET
  const request = { requestId: 1, userIdentity: "alice", nominalHashRate: 2 ** 32, maxTarget, minExtranonceSize: 4 }
  rig.send({ _tag: "OpenExtendedMiningChannel", ...request })
  const [authorize, ...others] = rig.takeLines()
  expect([authorize!.method, others]).toEqual(["mining.authorize", []])
  rig.receive(`{"id":${String(authorize!.id)},"result":true,"error":null}`)
  expect(rig.takeLines()).toMatchObject([{ method: "mining.suggest_difficulty", params: [10] }])
})
