import { describe, expect, it } from "@effect/vitest"
import { bytes } from "@sluice/testing/templates"
import { type ChoiceOptions, UpstreamChoice } from "../src/upstream/choice.ts"
import type { PlacedUpstreamJob, UpstreamJob } from "../src/upstream/upstream-job.ts"

const job: UpstreamJob = {
  id: 1,
  height: 100,
  version: 0,
  versionRollingAllowed: true,
  coinbasePrefix: bytes(0),
  coinbaseSuffix: bytes(0),
  extranonceSize: 16,
  merklePath: [],
  merklePathBytes: bytes(0, 0)
}
const work = (prevHash: number, height = 100): PlacedUpstreamJob => ({
  job: { ...job, height },
  prevHash: bytes(prevHash),
  nbits: 0x1d00ffff,
  minNtime: 0,
  target: bytes(0xff),
  difficulty: 1
})
const choice = (count = 2, options: Partial<ChoiceOptions> = {}) =>
  new UpstreamChoice({ count, returnAfterMs: 60_000, silenceMs: 90_000, idleMs: 600_000, ...options })

describe("the choice of an upstream", () => {
  it("is the first in the list that has work", () => {
    const upstreams = choice(3)
    expect(upstreams.choose(0)).toBeUndefined()
    upstreams.worked(2, work(1), 0)
    expect(upstreams.choose(0)).toEqual({ index: 2, why: "first" })
    upstreams.failed(0)
    upstreams.worked(0, work(1), 1)
    expect(upstreams.choose(60_000)).toBeUndefined()
    // It had failed. The other one had not.
    upstreams.worked(1, work(1), 60_000)
    expect(upstreams.choose(60_000)).toEqual({ index: 1, why: "preferred" })
    expect(upstreams.choose(60_001)).toEqual({ index: 0, why: "preferred" })
  })

  it("goes to the next one at once, and comes back to the same one as the same", () => {
    const upstreams = choice()
    upstreams.worked(0, work(1), 0)
    upstreams.worked(1, work(1), 0)
    upstreams.choose(0)
    upstreams.failed(0)
    expect(upstreams.choose(1)).toEqual({ index: 1, why: "lost" })
    upstreams.failed(1)
    expect([upstreams.choose(2), upstreams.active, upstreams.last]).toEqual([undefined, undefined, 1])
    upstreams.worked(1, work(1), 3)
    expect(upstreams.choose(3)).toEqual({ index: 1, why: "again" })
  })

  it("does not go back to one that is behind, however long it has worked", () => {
    const upstreams = choice()
    upstreams.failed(0)
    upstreams.worked(1, work(2, 101), 0)
    upstreams.choose(0)
    upstreams.worked(0, work(1, 100), 0)
    expect(upstreams.choose(300_000)).toBeUndefined()
    upstreams.worked(0, work(2, 101), 300_000)
    expect(upstreams.choose(300_000)).toEqual({ index: 0, why: "preferred" })
  })

  it("goes back to own jobs whatever height the pool in use claims, and to a pool only when that is not behind", () => {
    const upstreams = choice(3, { isOwn: (index) => index === 1 })
    upstreams.failed(0)
    upstreams.failed(1)
    upstreams.worked(2, work(2, 60_000), 0)
    upstreams.choose(0)
    for (const index of [0, 1]) upstreams.worked(index, work(1, 100), 0)
    expect(upstreams.choose(60_000)).toEqual({ index: 1, why: "preferred" })
    upstreams.worked(1, work(3, 101), 61_000)
    expect(upstreams.choose(61_000)).toBeUndefined()
    upstreams.worked(0, work(3, 101), 62_000)
    expect(upstreams.choose(62_000)).toEqual({ index: 0, why: "preferred" })
  })

  it("goes back at once after a planned end", () => {
    const upstreams = choice()
    for (const index of [0, 1]) upstreams.worked(index, work(1), 0)
    upstreams.choose(0)
    upstreams.failed(0, true)
    expect(upstreams.choose(1)?.index).toBe(1)
    upstreams.worked(0, work(1), 2)
    expect(upstreams.choose(2)).toEqual({ index: 0, why: "preferred" })
  })

  it("knows which upstream is silent, and since which block", () => {
    const upstreams = choice()
    for (const index of [0, 1]) upstreams.worked(index, work(1), 0)
    upstreams.worked(1, work(2), 10_000)
    expect(upstreams.silent(99_999)).toEqual([])
    expect(upstreams.silent(100_000)).toEqual([{ index: 0, silentMs: 100_000, newerAt: 1 }])
    // A job on the old block is work all the same.
    upstreams.heard(0, 50_000)
    expect(upstreams.silent(100_000)).toEqual([])
    expect(upstreams.silent(650_000)).toEqual([
      { index: 0, silentMs: 600_000, newerAt: undefined },
      { index: 1, silentMs: 640_000, newerAt: undefined }
    ])
  })

  it("never calls an upstream with own jobs silent", () => {
    const upstreams = choice(2, { isOwn: (index) => index === 0 })
    for (const index of [0, 1]) upstreams.worked(index, work(1), 0)
    upstreams.worked(1, work(2), 10_000)
    expect(upstreams.silent(500_000)).toEqual([])
    expect(upstreams.silent(610_000).map(({ index }) => index)).toEqual([1])
  })
})
