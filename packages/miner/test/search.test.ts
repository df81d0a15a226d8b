import { describe, expect, it } from "@effect/vitest"
import type { ExtendedWork, ChannelWork } from "@sluice/channels"
import { Schema } from "effect"
import { FULL_SEARCH_SPACE, type FoundShare, Search, type SearchSpace } from "../src/index.ts"
import { bytes, extendedWork, hashOf, standardWork } from "./work-fixture.ts"

/** Every header meets this target, so that each one tried is also found. */
const EVERYTHING = bytes(0xff)
const FOREVER = 2 ** 32

/** The first `limit` headers of a thread, in the order in which it tries them. */
const walk = (
  work: ChannelWork,
  space: SearchSpace,
  limit: number,
  lane = { index: 0, count: 1 }
): ReadonlyArray<FoundShare> => {
  const search = new Search({ ...work, target: EVERYTHING }, lane, space)
  const shares: Array<FoundShare> = []
  while (shares.length < limit) {
    const share = search.run(100, FOREVER)
    if (share === undefined) break
    shares.push(share)
  }
  return shares
}

const SMALL: SearchSpace = { nonces: 3, versions: 2, extranonces: 2 }

describe("the order of the search", () => {
  it("is nonce, version bits, extranonce, nTime", () => {
    const work: ExtendedWork = { ...extendedWork, version: 0x20000000, extranonceSize: 2, minNtime: 5000 }
    const row = (share: FoundShare) => [share.ntime, [...share.extranonce], share.version, share.nonce]
    const rows: Array<unknown> = []
    for (const ntime of [5000, 5001]) {
      for (const extranonce of [0, 1]) {
        for (const version of [0x20000000, 0x20002000]) {
          for (const nonce of [0, 1, 2]) rows.push([ntime, [extranonce, 0], version, nonce])
        }
      }
    }
    expect(walk(work, SMALL, rows.length).map(row)).toEqual(rows)
  })

  it("leaves out the extranonce on a standard channel", () => {
    const shares = walk(standardWork, SMALL, 12)
    expect(shares.map(({ ntime }) => ntime - standardWork.minNtime)).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    expect(shares.every(({ extranonce }) => extranonce.length === 0)).toBe(true)
  })

  it("does not change the version if the job does not allow it", () => {
    const shares = walk({ ...extendedWork, versionRollingAllowed: false }, SMALL, 12)
    expect(new Set(shares.map(({ version }) => version))).toEqual(new Set([extendedWork.version]))
    expect(shares.map(({ extranonce }) => extranonce[0])).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1])
  })

  it("goes through the version bits of BIP320, then through the others of BIP323, from the job's own on", () => {
    const work = { ...standardWork, version: 0x3fffffff }
    const shares = walk(work, { ...SMALL, nonces: 1, versions: 65_538 }, 65_539)
    const versions = shares.map(({ version }) => version)
    expect(versions.slice(0, 3)).toEqual([0x3fffffff, 0x20001fff, 0x20003fff])
    expect(versions.slice(-4)).toEqual([0x3fffdfff, 0x3fffe01f, 0x2000001f, 0x3fffffff])
    expect(new Set(versions).size).toBe(65_538)
    for (const version of versions) expect((version ^ work.version) & ~0x1fffffe0).toBe(0)
  })

  it("goes through all values of a short extranonce, little-endian", () => {
    const space = { ...FULL_SEARCH_SPACE, nonces: 1 }
    const two = walk({ ...extendedWork, versionRollingAllowed: false, extranonceSize: 2 }, space, 257)
    expect(two[1]?.extranonce).toEqual(Uint8Array.of(1, 0))
    expect(two[256]?.extranonce).toEqual(Uint8Array.of(0, 1))
    const one = walk({ ...extendedWork, versionRollingAllowed: false, extranonceSize: 1 }, space, 257)
    expect(new Set(one.slice(0, 256).map(({ extranonce }) => extranonce[0])).size).toBe(256)
    expect(one[255]).toMatchObject({ ntime: extendedWork.minNtime, extranonce: Uint8Array.of(255) })
    expect(one[256]).toMatchObject({ ntime: extendedWork.minNtime + 1, extranonce: Uint8Array.of(0) })
  })

  it("changes nTime at once if nothing else can be rolled", () => {
    const work = { ...extendedWork, versionRollingAllowed: false, extranonceSize: 0 }
    const shares = walk(work, { ...SMALL, nonces: 1 }, 3)
    expect(shares.map(({ ntime }) => ntime - work.minNtime)).toEqual([0, 1, 2])
  })
})

describe("nTime", () => {
  it("waits for the clock", () => {
    const search = new Search({ ...standardWork, target: bytes(0) }, { index: 0, count: 1 }, SMALL)
    search.run(100, standardWork.minNtime)
    expect(search.tried).toBe(6)
    search.run(100, standardWork.minNtime)
    expect(search.tried).toBe(0)
    search.run(100, standardWork.minNtime + 2)
    expect(search.tried).toBe(12)
  })
})

describe("threads", () => {
  it.prop(
    "never try the same header, and together try all of them",
    {
      threads: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 7 })),
      nonces: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })),
      versions: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
      extranonces: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
      versionRollingAllowed: Schema.Boolean,
      extended: Schema.Boolean
    },
    ({ extended, threads, versionRollingAllowed, ...space }) => {
      const base: ChannelWork = extended ? extendedWork : standardWork
      const work = { ...base, versionRollingAllowed, target: EVERYTHING }
      const seconds = 2
      const seen = new Set<string>()
      let tried = 0
      for (let index = 0; index < threads; index++) {
        const search = new Search(work, { index, count: threads }, space)
        for (;;) {
          const share = search.run(1000, work.minNtime + seconds - 1)
          if (share === undefined) break
          tried++
          seen.add([share.nonce, share.version, share.extranonce.join("."), share.ntime].join())
        }
      }
      const versions = versionRollingAllowed ? space.versions : 1
      const extranonces = extended ? space.extranonces : 1
      expect(tried).toBe(space.nonces * versions * extranonces * seconds)
      expect(seen.size).toBe(tried)
    }
  )

  it("divide all nonces", () => {
    const firsts = [0, 1, 2].map((index) => walk(standardWork, FULL_SEARCH_SPACE, 1, { index, count: 3 })[0]?.nonce)
    expect(firsts).toEqual([0, 1431655765, 2863311530])
  })

  it("without nonces find nothing", () => {
    expect(walk(standardWork, { ...SMALL, nonces: 1 }, 1, { index: 0, count: 2 })).toEqual([])
  })
})

describe("a found share", () => {
  const target = bytes(0xff)
  target[31] = 0x01

  it.each<[string, ChannelWork]>([
    ["standard", standardWork],
    ["extended", extendedWork]
  ])("on %s work is found in its turn, says another implementation of SHA-256", (_, work) => {
    const space = { nonces: 64, versions: 3, extranonces: 1000 }
    const search = new Search({ ...work, target }, { index: 0, count: 1 }, space)
    const found: Array<FoundShare> = []
    let tried = 0
    while (found.length < 4) {
      const share = search.run(50, FOREVER)
      tried += search.tried
      if (share !== undefined) found.push(share)
    }
    const all = walk(work, space, tried)
    expect(all.filter((share) => hashOf(work, share)[31]! <= 0x01)).toEqual(found)
  })

  it("is never lost or repeated at the end of a slice", () => {
    const space = { nonces: 64, versions: 2, extranonces: 1 }
    const findAll = (slice: number): ReadonlyArray<FoundShare> => {
      const search = new Search({ ...standardWork, target }, { index: 0, count: 1 }, space)
      const found: Array<FoundShare> = []
      do {
        const share = search.run(slice, standardWork.minNtime + 9)
        if (share !== undefined) found.push(share)
      } while (search.tried > 0)
      return found
    }
    const expected = findAll(1)
    expect(expected.length).toBeGreaterThan(0)
    for (const slice of [2, 7, 63, 64, 65, 1000]) expect(findAll(slice)).toEqual(expected)
  })
})
