import { assert, describe, it } from "@effect/vitest"
import { Allowance } from "../src/index.ts"

describe("an allowance", () => {
  it("lets a burst of ten seconds pass at once, and then no more than its rate", () => {
    const allowance = new Allowance(100, 0)
    assert.strictEqual(allowance.take(1000, 0), 0)
    assert.strictEqual(allowance.take(1, 0), 10)
    assert.strictEqual(allowance.take(9, 0), 100)
    assert.strictEqual(allowance.take(0, 100), 0)
    assert.strictEqual(allowance.take(1, 100), 10)
    // A pause fills the bucket, but not above its size.
    assert.strictEqual(allowance.take(1001, 3_600_000), 10)
  })

  it("adds no tokens when the clock goes back", () => {
    const allowance = new Allowance(1, 1_000_000)
    allowance.take(10, 1_000_000)
    assert.strictEqual(allowance.take(1, 0), 1000)
    assert.strictEqual(allowance.take(1, 1000), 1000)
  })
})
