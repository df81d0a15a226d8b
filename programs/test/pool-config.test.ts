import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { Memory, MiningListener, Plain, Setup } from "@sluice/transport"
import { Duration, Effect, Exit, Layer, Logger } from "effect"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { load } from "../src/config/load.ts"
import { optionsOf, PoolConfig } from "../src/pool/config.ts"
import { run } from "./in-process.ts"

const ALICE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const BOB = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"
const PROVIDER = "stratum2+tcp+plain://a:1"

const configured = async (flags: Record<string, string | boolean>, file?: string) => {
  const all = { plain: true, "template-provider": PROVIDER, ...flags }
  const { config } = await Effect.runPromise(
    load(PoolConfig, { flags: new Map(Object.entries(all)), environment: {}, file }).pipe(
      Effect.provide(NodeServices.layer)
    )
  )
  return config
}

describe("the configuration of a pool", () => {
  let directory = ""
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-pool-config-"))
  })
  afterAll(() => rm(directory, { recursive: true }))

  it("takes lists from TOML, and from a flag with separators", async () => {
    const path = join(directory, "pool.toml")
    await writeFile(
      path,
      `plain = true\ntemplate-provider = ["${PROVIDER}", "stratum2+tcp+plain://b:2"]\n` +
        `coinbase-outputs = ["97.5 ${ALICE}", "2.5% addr(${BOB})"]\n`
    )
    const outputs = [
      { to: ALICE, percent: 97.5 },
      { to: `addr(${BOB})`, percent: 2.5 }
    ]
    const { status, stdout } = await run(["pool", "config", "--config", path])
    assert.strictEqual(status, 0)
    assert.include(stdout, `template-provider = ["${PROVIDER}","stratum2+tcp+plain://b:2"]`)
    const flags = await configured({
      "template-provider": `${PROVIDER}, stratum2+tcp+plain://b:2`,
      "coinbase-outputs": `97.5 ${ALICE}; 2.5 % addr(${BOB})`
    })
    assert.deepStrictEqual(
      flags.templateProvider.map(({ host }) => host),
      ["a", "b"]
    )
    assert.deepStrictEqual(optionsOf(flags).coinbaseOutputs, outputs)
  })

  it("becomes the pool's options", async () => {
    const config = await configured({
      "coinbase-address": ALICE,
      "solo-fee": "1.5",
      chain: "regtest",
      "reconnect-to": "here",
      "upstream-timeout": "0",
      "max-channels": "7",
      "max-shares-per-second": "2.5",
      "max-errors-per-second": "5"
    })
    const options = optionsOf(config)
    assert.deepInclude(options, { coinbaseAddress: ALICE, chain: "regtest", solo: { feePercent: 1.5 } })
    assert.deepStrictEqual(options.reconnectTo, { host: "", port: 0 })
    assert.deepStrictEqual(options.upstreamTimeout, Duration.infinity)
    assert.strictEqual(options.policy?.maxChannels, 7)
    assert.strictEqual(options.policy?.maxSharesPerSecond, 2.5)
    assert.deepStrictEqual(options.traffic, { maxMessagesPerSecond: 5000, maxErrorsPerSecond: 5 })
    const elsewhere = await configured({ "coinbase-address": ALICE, "reconnect-to": "b.example:3334" })
    assert.deepStrictEqual(optionsOf(elsewhere).reconnectTo, { host: "b.example", port: 3334 })
  })

  it("accepts a tag exactly if the pool does", async () => {
    const longest = "a".repeat(55)
    const start = (options: PoolOptions) =>
      Layer.build(
        Pool.layer(options).pipe(
          Layer.provide(TemplateSourceMemory.layer),
          Layer.provide(Setup.server(MiningListener)),
          Layer.provide(Plain.listener),
          Layer.provide(Memory.network())
        )
      ).pipe(Effect.scoped, Effect.provide(Logger.layer([])), Effect.exit, Effect.runPromise)
    const options = optionsOf(await configured({ "coinbase-address": ALICE, "coinbase-tag": longest }))
    assert.isTrue(Exit.isSuccess(await start(options)))
    assert.isTrue(Exit.isFailure(await start({ ...options, tag: `${longest}a` })))
    const { status } = await run(
      ["pool", "config", "--plain", "--template-provider", PROVIDER].concat([
        "--coinbase-address",
        ALICE,
        "--coinbase-tag",
        `${longest}a`
      ])
    )
    assert.strictEqual(status, 2)
  })

  const wrong: ReadonlyArray<readonly [string, ReadonlyArray<string>, RegExp]> = [
    ["nobody to pay", [], /coinbase-address, coinbase-outputs, solo-fee: the coinbase pays nobody/],
    [
      "a limit on shares that miners need",
      ["--coinbase-address", ALICE, "--shares-per-minute", "60", "--max-shares-per-second", "19"],
      /max-shares-per-second: 19 is too few for 60 shares a minute \(shares-per-minute\).*give 20 or more/
    ],
    ["a sum that is not 100", ["--coinbase-outputs", `60 ${ALICE};30 ${BOB}`], /sum to 100; these sum to 90/],
    ["no percentage", ["--coinbase-outputs", ALICE], /expected a percentage, a space, and an address or a descriptor/],
    [
      "a range",
      ["--coinbase-address", "wpkh(xpub/0/*)"],
      /--coinbase-address: wpkh\(xpub\/0\/\*\) stands for many scripts/
    ],
    [
      "an address whose output anyone can spend",
      ["--coinbase-address", "bc1pfeessrawgf"],
      /--coinbase-address: bc1pfeessrawgf is pay-to-anchor: anyone can spend what is paid to it/
    ],
    [
      "more outputs than fit a coinbase",
      ["--coinbase-outputs", Array.from({ length: 2_500 }, () => `0.04 ${ALICE}`).join(";")],
      /coinbase-outputs.*: 2500 outputs take 77500 bytes of a coinbase; there is room for 65299: the first 2106 of/
    ],
    [
      "another chain",
      ["--coinbase-address", ALICE, "--chain", "main"],
      /is an address of regtest, and this is mainnet/
    ],
    [
      "no other place",
      ["--coinbase-address", ALICE, "--reconnect-to", "there"],
      /expected HOST:PORT, or here, got "there"/
    ],
    [
      "a tag that is too long",
      ["--coinbase-address", ALICE, "--coinbase-tag", "é".repeat(28)],
      /pool: coinbase-tag: .* make 101: shorten/
    ],
    [
      "a share log in no directory",
      ["--coinbase-address", ALICE, "--share-log", "/no/where/shares.ndjson"],
      /pool: --share-log: expected a file to append to, got ".*" \(there is no directory \/no\/where\)/
    ],
    [
      "a state file in no directory",
      ["--coinbase-address", ALICE, "--state-file", "/no/where/pool.state"],
      /pool: --state-file: expected a file .*\(there is no directory \/no\/where\)/
    ],
    ["a share log that is a directory", ["--coinbase-address", ALICE, "--share-log", "/tmp"], /\(it is a directory\)/],
    [
      "a state file in a file",
      ["--coinbase-address", ALICE, "--state-file", `${import.meta.filename}/pool.state`],
      /\(.*pool-config\.test\.ts is not a directory\)/
    ],
    [
      "one port for miners and for metrics",
      ["--coinbase-address", ALICE, "--listen", "0.0.0.0:3333", "--metrics-listen", "127.0.0.1:3333"],
      /pool: listen, metrics-listen: both are port 3333 of the same address; choose another/
    ],
    [
      "custom jobs of a solo pool",
      ["--coinbase-address", ALICE, "--solo-fee", "1", "--job-declaration-token-key", "5e".repeat(32)],
      /job-declaration-listen, job-declaration-token-key, solo-fee: declared jobs pay the pool's outputs/
    ],
    [
      "half a key of tokens",
      ["--coinbase-address", ALICE, "--job-declaration-token-key", "5e".repeat(16)],
      /--job-declaration-token-key: expected 64 hex digits/
    ],
    [
      "half a list of providers",
      ["--coinbase-address", ALICE, "--template-provider", `${PROVIDER},b`],
      /"b" is not a server's address/
    ]
  ]
  it.each(wrong)("says what is wrong with %s", async (_, args, message) => {
    const base = ["pool", "config", "--plain"]
    const provider = args.includes("--template-provider") ? [] : ["--template-provider", PROVIDER]
    const { status, stderr } = await run([...base, ...provider, ...args])
    assert.strictEqual(status, 2)
    assert.match(stderr, message)
  })
})
