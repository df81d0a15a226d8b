import * as NodeServices from "@effect/platform-node/NodeServices"
import { defaultUpstreamOptions } from "@sluice/proxy"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { load } from "../src/config/load.ts"
import { optionsOf, ProxyConfig } from "../src/proxy/config.ts"
import { run } from "./in-process.ts"

const V2 = "stratum2+tcp+plain://a:1"
const V1 = "stratum+tcp://b:2"

const extranonceSizeOf = async (flags: Record<string, string>) => {
  const { config } = await Effect.runPromise(
    load(ProxyConfig, {
      flags: new Map(Object.entries({ plain: "true", ...flags })),
      environment: {},
      file: undefined
    }).pipe(Effect.provide(NodeServices.layer))
  )
  return optionsOf(config).extranonceSize ?? defaultUpstreamOptions.extranonceSize
}

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

  it("needs no more extranonce than the eight bytes that most Stratum V1 pools give, if one of the pools is of V1", async () => {
    assert.strictEqual(await extranonceSizeOf({ upstream: V2 }), 12)
    assert.strictEqual(await extranonceSizeOf({ upstream: `${V2},${V1}` }), 8)
    assert.strictEqual(await extranonceSizeOf({ upstream: V1, "extranonce-size": "6" }), 6)
  })
})
