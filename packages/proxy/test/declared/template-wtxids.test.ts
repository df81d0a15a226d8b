import { doubleSha256 } from "@sluice/bitcoin"
import { assert, describe, it } from "@effect/vitest"
import { TemplateWtxids } from "../../src/declared/template-wtxids.ts"

const transaction = (number: number, size = 80 + (number % 7) * 30): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => (index === 8 ? number & 255 : index === 9 ? number >> 8 : index))

const list = (from: number, count: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: count }, (_, index) => transaction(from + index))

const check = (ids: TemplateWtxids, transactions: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => {
  const wtxids = ids.of(transactions)
  assert.deepStrictEqual(
    wtxids.map((wtxid) => [...wtxid]),
    transactions.map((bytes) => [...doubleSha256(bytes)])
  )
  return wtxids
}

describe("the wtxids of templates", () => {
  it("are right after any change of the list", () => {
    const ids = new TemplateWtxids()
    const first = list(0, 60)
    check(ids, first)
    check(ids, first)
    // Some at the front, some gone in the middle, one changed at the end, two that changed places.
    check(ids, [...list(100, 3), ...first.slice(0, 20), ...first.slice(25, 59), transaction(300)])
    check(ids, first.toReversed())
    check(ids, [...first.slice(1, 30), first[0]!, ...first.slice(30)])
    check(ids, [])
    check(ids, list(7, 1))
    check(ids, [...list(0, 20), ...list(40, 20)])
  })

  it("differ for transactions that differ in one byte of the witness", () => {
    const ids = new TemplateWtxids()
    const first = list(0, 9)
    check(ids, first)
    check(
      ids,
      first.map((bytes) => bytes.with(bytes.length - 5, 0xee))
    )
  })

  it("are not computed again for a transaction that stays", () => {
    const ids = new TemplateWtxids()
    const [a, b, c] = ids.of(list(0, 3))
    const again = ids.of([transaction(50), ...list(0, 2).map((bytes) => bytes.slice())])
    assert.strictEqual(again[1], a)
    assert.strictEqual(again[2], b)
    assert.notStrictEqual(again[0], c)
  })
})
