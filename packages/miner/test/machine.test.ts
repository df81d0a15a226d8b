import { describe, expect, it } from "@effect/vitest"
import type { ClientEvent } from "@sluice/channels"
import { MinerMachine } from "../src/machine.ts"
import { standardWork } from "./work-fixture.ts"

const refusal = (errorCode: string): ClientEvent => ({
  _tag: "ShareRefused",
  channelId: 3,
  share: { sequenceNumber: 1, jobId: 11, submittedAt: 0 },
  errorCode
})

const workChanged = (jobId: number, newPrevHash: boolean): ClientEvent => ({
  _tag: "WorkChanged",
  channelId: 3,
  work: { ...standardWork, jobId },
  newPrevHash
})

describe("a miner's machine", () => {
  it("starts only the last work of a batch, as new as any of them", () => {
    const machine = new MinerMachine(Infinity)
    const { start } = machine.receive([workChanged(1, true), workChanged(2, false)], 0)
    expect(start).toMatchObject({ workNumber: 1, newPrevHash: true, work: { jobId: 2 } })
    expect(machine.receive([], 0).start).toBeUndefined()
    expect(machine.receive([workChanged(3, false)], 0).start).toMatchObject({ workNumber: 2, newPrevHash: false })
  })

  it("counts refusals by code, up to a limit of codes", () => {
    const machine = new MinerMachine(Infinity)
    machine.receive([refusal("stale-share"), refusal("stale-share"), refusal("__proto__"), refusal("constructor")], 0)
    for (let i = 0; i < 1000; i++) machine.receive([refusal(`code-${i}`)], 0)
    const { refused } = machine.stats(0, 0)
    expect(refused["stale-share"]).toBe(2)
    expect(refused["constructor"]).toBe(1)
    expect(Object.keys(refused).length).toBeLessThanOrEqual(33)
    expect(Object.values(refused).reduce((sum, count) => sum + count, 0)).toBe(1004)
  })
})
