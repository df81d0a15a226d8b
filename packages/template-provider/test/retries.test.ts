import { assert, describe, it } from "@effect/vitest"
import { Retries } from "../src/provider/node/retries.ts"

describe("retries after failures", () => {
  it("double the wait up to five seconds, and begin anew after a success", () => {
    const retries = new Retries()
    const delays = () => Array.from({ length: 7 }, () => retries.failed("away", 0).delayMs)
    assert.deepStrictEqual(delays(), [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000])
    retries.succeeded()
    assert.strictEqual(retries.failed("away", 0).delayMs, 250)
  })

  it("log the same failure once a minute and another failure at once", () => {
    const retries = new Retries()
    for (let i = 0; i < 6; i++) retries.failed("away", 0)
    assert.isFalse(retries.failed("away", 59_999).isLogged)
    assert.isTrue(retries.failed("busy", 59_999).isLogged)
    assert.isFalse(retries.failed("busy", 60_000).isLogged)
    assert.isTrue(retries.failed("busy", 119_999).isLogged)
  })
})
