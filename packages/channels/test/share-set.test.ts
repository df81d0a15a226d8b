import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { SHARE_DUPLICATE, SHARE_NEW, SHARE_SET_FULL, ShareSet } from "../src/shares/share-set.ts"

const hash = (low: number, high: number): Uint8Array => {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, low, true)
  new DataView(bytes.buffer).setUint32(4, high, true)
  return bytes
}

describe("a share set", () => {
  it("finds every share after it grew, and none after clear", () => {
    const set = new ShareSet()
    for (let i = 0; i < 5000; i++) expect(set.add(hash(i * 2654435761, i), 1e6)).toBe(SHARE_NEW)
    for (let i = 0; i < 5000; i++) expect(set.add(hash(i * 2654435761, i), 1e6)).toBe(SHARE_DUPLICATE)
    expect(set.size).toBe(5000)
    set.clear()
    expect(set.add(hash(0, 0), 1e6)).toBe(SHARE_NEW)
    expect(set.add(hash(0, 0), 1e6)).toBe(SHARE_DUPLICATE)
  })

  it("distinguishes hashes that belong in the same slot", () => {
    const set = new ShareSet()
    for (let i = 0; i < 100; i++) expect(set.add(hash(7, i), 1e6)).toBe(SHARE_NEW)
    for (let i = 0; i < 100; i++) expect(set.add(hash(7, i), 1e6)).toBe(SHARE_DUPLICATE)
  })

  it("is full at its limit and still finds duplicates", () => {
    const set = new ShareSet()
    for (let i = 1; i <= 10; i++) set.add(hash(i, i), 10)
    expect(set.add(hash(11, 11), 10)).toBe(SHARE_SET_FULL)
    expect(set.add(hash(11, 11), 10)).toBe(SHARE_SET_FULL)
    expect(set.add(hash(3, 3), 10)).toBe(SHARE_DUPLICATE)
    expect(set.add(hash(11, 11), 11)).toBe(SHARE_NEW)
  })

  it.prop(
    "agrees with a plain set",
    [Schema.Array(Schema.Tuple([Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 })), Schema.Boolean]))],
    ([adds]) => {
      const set = new ShareSet()
      const model = new Set<string>()
      for (const [low, high] of adds) {
        const key = `${low} ${high}`
        const expected = model.has(key) ? SHARE_DUPLICATE : model.size >= 30 ? SHARE_SET_FULL : SHARE_NEW
        expect(set.add(hash(low, high ? 0x80000000 : 5), 30)).toBe(expected)
        if (expected === SHARE_NEW) model.add(key)
      }
    }
  )
})
