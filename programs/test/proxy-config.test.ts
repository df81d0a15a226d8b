import * as NodeServices from "@effect/platform-node/NodeServices"
import { defaultUpstreamOptions } from "@sluice/proxy"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { load } from "../src/config/load.ts"
import { declaringOptionsOf, optionsOf, ProxyConfig } from "../src/proxy/config.ts"
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

  const declared = ["--upstream", `${V2},stratum2+tcp+plain://b:2`, "--template-provider", "stratum2+tcp+plain://t:1"]

  it("pairs pools with job declarators in their order, and leaves the others without", async () => {
    const { config } = await Effect.runPromise(
      load(ProxyConfig, {
        flags: new Map(
          Object.entries({
            plain: "true",
            upstream: `${V2},${V1}`,
            "job-declarator": "stratum2+tcp+plain://d:1",
            "template-provider": "stratum2+tcp+plain://t:1",
            "own-outputs": "2.5 bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
          })
        ),
        environment: {},
        file: undefined
      }).pipe(Effect.provide(NodeServices.layer))
    )
    const options = declaringOptionsOf(config)
    assert.deepStrictEqual(
      options?.upstreams.map(({ declarator, server }) => [server.host, declarator?.host]),
      [
        ["a", "d"],
        ["b", undefined]
      ]
    )
    assert.deepInclude(options, { declareTransactions: true, minFeeDelta: 10_000n, tag: "Sluice" })
    assert.strictEqual(options?.ownOutputs?.[0]?.percent, 2.5)
  })

  it.each([
    [["--upstream", V2, "--job-declarator", "stratum2+tcp+plain://d:1"], "job-declarator needs templates"],
    [
      ["--upstream", V2, "--solo-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"],
      "solo-address needs templates"
    ],
    [declared, "only declared jobs are made of templates"],
    [
      [...declared, "--job-declarator", [1, 2, 3].map((n) => `stratum2+tcp+plain://d:${n}`).join(",")],
      "3 declarators for 2 pools"
    ],
    [
      ["--upstream", V1, ...declared.slice(2), "--job-declarator", "stratum2+tcp+plain://d:1"],
      "the pool stratum+tcp://b:2 speaks Stratum V1"
    ],
    [[...declared, "--job-declarator", "stratum2+tcp+plain://d:1", "--mode", "per-miner"], "mode: declared jobs"],
    [[...declared, "--job-declarator", "stratum2+tcp+plain://d:1", "--coinbase-tag", "x".repeat(90)], "coinbase-tag: "]
  ])("refuses %j", async (flags, words) => {
    const { status, stderr } = await run(["proxy", "config", "--plain", ...flags])
    assert.strictEqual(status, 2)
    assert.include(stderr, words)
  })
})
