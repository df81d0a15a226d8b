import { assert, describe, it } from "@effect/vitest"
import { Holdings } from "../src/limits/holdings.ts"

describe("Holdings", () => {
  it("sums weights by address, and knows the heaviest address after any change", () => {
    const holdings = new Holdings<number>()
    const model = new Map<string, Map<number, number>>()
    let random = 1
    const next = (below: number) => ((random = Math.imul(random, 1103515245) + 12345) >>> 16) % below
    const weightOf = (address: string) => [...(model.get(address)?.values() ?? [])].reduce((sum, one) => sum + one, 0)
    for (let step = 0; step < 5000; step++) {
      const [address, item, weight] = [`address${next(7)}`, next(5), next(3) === 0 ? 0 : next(100)]
      holdings.set(address, item, weight)
      const items = model.get(address) ?? new Map<number, number>()
      model.set(address, items)
      if (weight === 0) items.delete(item)
      else items.set(item, weight)
      const weights = [...model.keys()].map(weightOf)
      assert.strictEqual(holdings.of(address), weightOf(address))
      assert.deepStrictEqual([...holdings.items(address)], [...items.keys()])
      assert.strictEqual(
        holdings.total,
        weights.reduce((sum, one) => sum + one, 0)
      )
      const { heaviest } = holdings
      assert.strictEqual(heaviest === undefined ? 0 : holdings.of(heaviest), Math.max(...weights))
    }
    for (const [address, items] of model) for (const item of items.keys()) holdings.remove(address, item)
    assert.deepStrictEqual([holdings.total, holdings.heaviest], [0, undefined])
  })

  it("keeps the order of items, and moves renewed ones to the end", () => {
    const holdings = new Holdings<string>()
    for (const item of ["a", "b", "c"]) holdings.set("here", item, 2)
    holdings.set("here", "a", 5)
    assert.strictEqual(holdings.first("here"), "a")
    holdings.renew("here", "a")
    holdings.renew("here", "d")
    assert.deepStrictEqual([...holdings.items("here")], ["b", "c", "a"])
    assert.strictEqual(holdings.of("here"), 9)
  })

  it("lets the heaviest address pay for one that holds less by more than one, and for one that holds nothing", () => {
    const holdings = new Holdings<number>()
    assert.isUndefined(holdings.payerFor(0))
    holdings.set("small", 1, 1)
    assert.strictEqual(holdings.payerFor(0), "small")
    assert.isUndefined(holdings.payerFor(0, false))
    holdings.set("large", 1, 4)
    assert.strictEqual(holdings.payerFor(2), "large")
    assert.isUndefined(holdings.payerFor(3))
  })
})
