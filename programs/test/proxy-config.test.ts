import { assert, describe, it } from "vitest"
import { run } from "./in-process.ts"

const V2 = "stratum2+tcp+plain://a:1"
const V1 = "stratum+tcp://b:2"

describe("the configuration of a proxy", () => {
  it("takes its pools in one flag with commas, in several flags, or both", async () => {
    const flags = ["--upstream", `${V2},${V1}`, "--upstream", "stratum+tcp://c:3"]
    const { status, stdout } = await run(["proxy", "config", "--plain", ...flags])
    assert.strictEqual(status, 0)
    assert.include(stdout, `upstream = "${V2},${V1},stratum+tcp://c:3"`)
  })

  it("refuses any other flag that is given more than once", async () => {
    const listen = ["--listen", "127.0.0.1:1"]
    const { status, stderr } = await run(["proxy", "config", "--plain", "--upstream", V2, ...listen, ...listen])
    assert.strictEqual(status, 2)
    assert.include(stderr, "--listen is given more than once")
  })
})
