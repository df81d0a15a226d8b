/** Shares on their way to a V1 pool, and its answers on their way back: each share has exactly one answer, the pool's. */
import { describe, expect, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { shareErrorCode } from "../../src/dialer/share-error-code.ts"
import { Rig } from "./rig.ts"

/** A pool that holds the answers to three shares. */
const held = () => {
  const rig = new Rig()
  const id = rig.open(4)
  rig.end.holdsShares = true
  const numbers = [0, 1, 2].map((rolled) => rig.mine(id, rolled))
  rig.pump()
  rig.tags()
  return { rig, id, numbers, shares: rig.end.held.splice(0) }
}

const share = (channelId: number, fields: Partial<Mining.SubmitSharesExtended> = {}): Mining.SubmitSharesExtended => ({
  _tag: "SubmitSharesExtended",
  channelId,
  sequenceNumber: 1,
  jobId: 0,
  nonce: 0,
  ntime: 0,
  version: 0x2000_0000,
  extranonce: new Uint8Array(6),
  ...fields
})

describe("a share", () => {
  it("waits for the pool's answer, and one acknowledgement covers the answers of one read", () => {
    const { id, numbers, rig, shares } = held()
    expect(rig.tags()).toEqual([])
    for (const each of shares) rig.end.judge(each)
    rig.pump()
    expect(rig.of("SubmitShares.Success")).toEqual([
      {
        _tag: "SubmitShares.Success",
        channelId: id,
        lastSequenceNumber: numbers[2],
        newSubmitsAcceptedCount: 3,
        newSharesSum: 0n
      }
    ])
    expect(rig.accepted()).toBe(3)
  })

  it("that was accepted before an earlier one was answered is acknowledged when that is answered", () => {
    const { id, rig, shares } = held()
    rig.end.judge(shares[2]!)
    rig.pump()
    expect(rig.tags()).toEqual([])
    rig.end.server.refuse(shares[0]!.request, { code: 22, text: "duplicate" })
    rig.pump()
    expect(rig.tags()).toEqual(["SubmitShares.Error"])
    rig.end.judge(shares[1]!)
    rig.pump()
    expect(rig.of("SubmitShares.Success")).toMatchObject([{ newSubmitsAcceptedCount: 2 }])
    expect(rig.client.channels.get(id)!.pending.size).toBe(0)
    expect([rig.accepted(), rig.refused()]).toEqual([2, ["duplicate-share"]])
  })

  it("without an answer in time is refused, and its late answer changes nothing", () => {
    const rig = new Rig({ machine: { client: { userAgent: "t", answerWithinMs: 1000 } } })
    const id = rig.open(4)
    rig.end.holdsShares = true
    rig.mine(id)
    rig.pump()
    rig.wait(1000)
    expect(rig.refused()).toEqual(["no-answer-from-pool"])
    for (const each of rig.end.held.splice(0)) rig.end.judge(each)
    rig.pump()
    expect([rig.accepted(), rig.refused().length, rig.machine.failure]).toEqual([0, 1, undefined])
  })

  it("is refused when the connection ends, and when too many wait for a silent pool", () => {
    const rig = new Rig({ machine: { client: { userAgent: "t", maxPendingShares: 2 } } })
    const id = rig.open(4)
    rig.end.holdsShares = true
    for (const rolled of [0, 1, 2]) rig.mine(id, rolled)
    rig.pump()
    expect(rig.refused()).toEqual(["no-answer-from-pool"])
    rig.machine.end(rig.now, rig.out)
    rig.deliver()
    expect(rig.refused()).toHaveLength(3)
    expect(rig.client.channels.get(id)!.pending.size).toBe(0)
  })

  it("of a job that the machine has forgotten is stale, and one of a job that was never sent is not known", () => {
    const rig = new Rig()
    const id = rig.open(4)
    const { jobId } = rig.work(id)
    for (let n = 0; n < 64; n++) {
      rig.pool.newJob()
      rig.pump()
    }
    const current = rig.work(id).jobId
    expect(current).toBe(jobId + 64)
    const late = rig.open(4)
    const codes = [
      share(id, { jobId }),
      share(id, { jobId: jobId - 1 }),
      share(id, { jobId: current + 1 }),
      // It was sent before this channel was opened.
      share(late, { jobId: current - 1 }),
      share(77, { jobId: current }),
      share(id, { jobId: current, extranonce: new Uint8Array(5) })
    ]
    expect(rig.send(...codes).map((message) => (message as Mining.SubmitSharesError).errorCode)).toEqual([
      "stale-share",
      "invalid-job-id",
      "invalid-job-id",
      "invalid-job-id",
      "invalid-channel-id",
      "bad-extranonce-size"
    ])
    expect(rig.takeLines()).toEqual([])
    const { extranonce: _, ...standard } = share(id, { jobId: current })
    expect(rig.send({ ...standard, _tag: "SubmitSharesStandard" })).toMatchObject([{ errorCode: "invalid-channel-id" }])
  })

  it("that the pool finds too easy, or has seen, is answered so", () => {
    const rig = new Rig()
    const id = rig.open(4)
    rig.mine(id)
    rig.mine(id)
    const { jobId, minNtime: ntime, version } = rig.work(id)
    rig.submit(id, { jobId, ntime, version, nonce: 123, extranonce: new Uint8Array(6) })
    rig.pump()
    expect(rig.accepted()).toBe(1)
    expect(rig.refused()).toEqual(["duplicate-share", "difficulty-too-low"])
  })
})

describe("the pool's refusal", () => {
  it.each([
    [21, "Job not found", "stale-share"],
    [22, "Duplicate share", "duplicate-share"],
    [23, "Low difficulty share", "difficulty-too-low"],
    [24, "Unauthorized worker", "unauthorized-worker"],
    [25, "Not subscribed", "unauthorized-worker"],
    // ckpool
    [20, "Invalid nonce2 length", "bad-extranonce-size"],
    [20, "Worker mismatch", "unauthorized-worker"],
    [20, "Stale", "stale-share"],
    [20, "Ntime out of range", "invalid-share"],
    [20, "Above target", "difficulty-too-low"],
    [20, "Invalid version mask", "invalid-non-rollable-version-bit"],
    // BIP22
    [20, "stale-prevblk", "stale-share"],
    [20, "time-too-old", "invalid-share"],
    [20, "high-hash", "difficulty-too-low"],
    // Public-pool, and others
    [20, "Job not found", "stale-share"],
    [40, "Something odd", "invalid-share"],
    [20, "refused", "invalid-share"]
  ])("with the code %s and %j is %s", (code, text, errorCode) => {
    expect(shareErrorCode({ code, text })).toBe(errorCode)
  })

  it.each([
    ['"result":null,"error":[23,"high-hash",null]', "difficulty-too-low"],
    ['"result":false,"error":null,"reject-reason":"Stale"', "stale-share"],
    ['"error":"Stale"', "stale-share"],
    ['"result":null,"error":{"code":22,"message":"dup"}', "duplicate-share"],
    ['"result":false,"error":null', "invalid-share"],
    ['"result":false,"error":[40,"whatever"]', "invalid-share"]
  ])("%s is the answer to its share", (answer, errorCode) => {
    const rig = new Rig()
    const id = rig.open(4)
    rig.mine(id)
    rig.machine.send(rig.toServer.takeMessages(), rig.now, rig.out)
    const [line] = rig.takeLines()
    rig.receive(`{"id":${String(line!.id)},${answer}}`)
    expect(rig.refused()).toEqual([errorCode])
  })
})
