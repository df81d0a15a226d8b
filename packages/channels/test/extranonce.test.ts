import { describe, expect, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { defaultExtranonceLayout, ExtranonceLayoutError, ExtranonceSpace } from "../src/index.ts"

const key = (prefix: Uint8Array): string => Buffer.from(prefix).toString("hex")
const tiny = { ...defaultExtranonceLayout, indexSize: 1 }

describe("an extranonce space", () => {
  it("lays out upstream prefix, server id, channel index and the rolled bytes", () => {
    const space = new ExtranonceSpace({
      upstreamPrefix: new Uint8Array([0xaa, 0xbb]),
      serverId: new Uint8Array([0x07]),
      indexSize: 2,
      fullSize: 16,
      rollableSize: 8
    })
    expect(key(space.takeExtended(2)!.prefix)).toBe("aabb070000000000")
    expect(key(space.takeStandard()!.prefix)).toBe("aabb0700010000000000000000000000")
    expect(space.takeExtended(11)).toMatchObject({ rollableSize: 11, index: 2 })
    expect(space.takeExtended(12)).toBeUndefined()
  })

  it("gives all leases the same full size, and none a prefix that begins with that of another", () => {
    const space = new ExtranonceSpace()
    const leases = Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0 ? space.takeStandard()! : space.takeExtended(i % 17)!
    )
    expect(new Set(leases.map(({ prefix, rollableSize }) => prefix.length + rollableSize))).toEqual(new Set([20]))
    const keys = leases.map(({ prefix }) => key(prefix)).toSorted()
    expect(keys.filter((prefix, index) => keys[index + 1]?.startsWith(prefix))).toEqual([])
  })

  it("gives out no prefix while its server id is not held", () => {
    let isHeld = true
    const space = new ExtranonceSpace({ ...tiny, isServerIdHeld: () => isHeld })
    const lease = space.takeExtended(4)!
    isHeld = false
    expect([space.takeExtended(4), space.takeStandard(), space.takeSame(4)]).toEqual([undefined, undefined, undefined])
    space.giveBack(lease)
    isHeld = true
    expect(space.takeStandard()?.index).toBe(1)
  })

  it("gives out no prefix when it is exhausted, and returned prefixes again, oldest first", () => {
    const space = new ExtranonceSpace(tiny)
    const leases = Array.from({ length: 256 }, () => space.takeExtended(4)!)
    expect(space.takeStandard()).toBeUndefined()
    for (const index of [9, 3, 200]) space.giveBack(leases[index]!)
    expect([space.takeExtended(4)?.index, space.takeStandard()?.index, space.takeExtended(1)?.index]).toEqual([
      9, 3, 200
    ])
    expect(space.takeExtended(4)).toBeUndefined()
  })

  it("takes a lease back only once", () => {
    const space = new ExtranonceSpace(tiny)
    const lease = space.takeStandard()!
    space.giveBack(lease)
    space.giveBack(lease)
    for (let i = 0; i < 256; i++) expect(space.takeStandard()).toBeDefined()
    expect(space.takeStandard()).toBeUndefined()
    expect(space.held).toBe(256)
  })

  it("prefers fresh indexes, then reuses the oldest, without growing for ever", () => {
    const space = new ExtranonceSpace()
    const indexes = new Set<number>()
    for (let i = 0; i < 100_000; i++) {
      const lease = space.takeStandard()!
      indexes.add(lease.index)
      space.giveBack(lease)
    }
    expect(Math.max(...indexes)).toBeLessThan(70_000)
    expect(indexes.size).toBeGreaterThan(65_000)
  })

  it.each([
    { indexSize: 0 },
    { indexSize: 5 },
    { fullSize: 33 },
    { rollableSize: 0 },
    { rollableSize: 17 },
    { upstreamPrefix: new Uint8Array(9) }
  ])("refuses a layout that does not fit: %o", (fields) => {
    const made = ExtranonceSpace.make({ ...defaultExtranonceLayout, ...fields })
    expect(Option.getOrThrow(Result.getFailure(made))).toBeInstanceOf(ExtranonceLayoutError)
  })
})
