/**
 * `sluice proxy` with two pairs of pool and job declarator and a solo address, each program a process of its own, with Noise. The pools are
 * killed one after the other; the miner has work all the time.
 */
import { DevNode } from "@sluice/dev-node"
import { makeClient } from "@sluice/monitor"
import { TemplateProvider } from "@sluice/template-provider"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"
import { Effect, ManagedRuntime } from "effect"
import { assert, it, onTestFinished } from "vitest"
import { layerDevProvider } from "./dev-provider.ts"
import { run } from "./in-process.ts"

/** The test waits for processes that start and mine, perhaps on a busy machine. */
const TIMEOUT_MS = 180_000
/** The longest time without work that is in order, between the loss of a source and work of the next one. */
const MAX_PAUSE_MS = 2_000
const POOL_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
const SOLO_ADDRESS = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"

const keyPair = async (): Promise<{ readonly secretKey: string; readonly publicKey: string }> =>
  JSON.parse((await run(["key", "generate", "--json"])).stdout)

it(
  "finds blocks with its own templates through the second pool and alone when the pools are killed, and returns to one that is back",
  async () => {
    // About 131,000 hashes for a block.
    const runtime = ManagedRuntime.make(layerDevProvider({ bits: 0x1e7fffff, transactionsPerSecond: 2 }))
    onTestFinished(() => runtime.dispose())
    const { address } = await runtime.runPromise(TemplateProvider)
    const node = await runtime.runPromise(DevNode)
    const templates = `stratum2+tcp+plain://127.0.0.1:${address.port}`
    const [mining, metrics, ...ports] = (await freePorts(6)) as [number, number, ...Array<number>]
    const forProxy = await keyPair()
    const pairs = [
      { key: await keyPair(), pool: ports[0]!, declarator: ports[1]! },
      { key: await keyPair(), pool: ports[2]!, declarator: ports[3]! }
    ]
    const startPool = ({ declarator, key, pool }: (typeof pairs)[0]) =>
      new Sluice(
        ["pool", "--listen", `127.0.0.1:${pool}`, "--authority-secret-key", key.secretKey].concat(
          ["--template-provider", templates, "--coinbase-address", POOL_ADDRESS],
          ["--job-declaration-listen", `127.0.0.1:${declarator}`]
        )
      )
    const urlOf = (port: number, { key }: (typeof pairs)[0]) => `stratum2+tcp://127.0.0.1:${port}/${key.publicKey}`
    const [first, second] = pairs.map(startPool)
    const pools = pairs.map((pair) => urlOf(pair.pool, pair))
    const proxy = new Sluice(
      ["proxy", "--listen", `127.0.0.1:${mining}`, "--authority-secret-key", forProxy.secretKey].concat(
        ["--upstream", pools.join(","), "--template-provider", templates, "--solo-address", SOLO_ADDRESS],
        ["--job-declarator", pairs.map((pair) => urlOf(pair.declarator, pair)).join(",")],
        ["--declare-transactions", "false", "--min-fee-delta", "1", "--user-identity", "account.{worker}"],
        ["--http-listen", `127.0.0.1:${metrics}`, "--return-after", "1", "--log-format", "logfmt"],
        ["--shares-per-minute", "600"]
      )
    )
    await proxy.find(new RegExp(`Work comes from ${literal(pools[0]!)}`))
    const miner = new Sluice(
      ["miner", "--connect", `stratum2+tcp://127.0.0.1:${mining}/${forProxy.publicKey}`].concat([
        "--user",
        "alice.1",
        "--threads",
        "1"
      ])
    )
    await miner.find(/Mining on/)
    /** Waits for a block after this offset in the log, and until the node has it. */
    const findBlock = async (from: number) => {
      const [, height] = await proxy.find(/A miner found a block" height=(\d+)/, from)
      while ((await runtime.runPromise(node.tip)).height < Number(height))
        await proxy.find(/./, proxy.output.length - 1)
    }
    await findBlock(0)

    /** Kills a pool, and finds a block with the next source. Returns the time from its loss to work of the next one. */
    const killed = async (pool: Sluice, name: string, next: string) => {
      const from = proxy.output.length
      await pool.stop("SIGKILL")
      const lost = timeOf(await proxy.find(lineWith(`The connection to ${literal(name)} ended`), from))
      const found = timeOf(await proxy.find(lineWith(`Work comes from ${next}`), from))
      await findBlock(proxy.output.length)
      return found - lost
    }
    assert.isBelow(await killed(first!, pools[0]!, literal(pools[1]!)), MAX_PAUSE_MS)
    assert.isBelow(await killed(second!, pools[1]!, "solo mining"), MAX_PAUSE_MS)
    const from = proxy.output.length
    startPool(pairs[1]!)
    await proxy.find(lineWith(`Work comes from ${literal(pools[1]!)}: it is preferred and works`), from)
    await findBlock(proxy.output.length)

    const { monitor } = await Effect.runPromise(makeClient({ url: `http://127.0.0.1:${metrics}` }))
    const { items } = await Effect.runPromise(monitor.upstreams({ query: {} }))
    assert.deepStrictEqual(
      items
        .filter(({ kind }) => kind !== "pool" && kind !== "template-provider")
        .map(({ kind, pool, state }) => [kind, pool, state === "active"]),
      [
        ["declarator", pools[0]!, false],
        ["declarator", pools[1]!, true],
        ["solo", null, false]
      ]
    )
    assert.deepInclude(
      items.find(({ kind }) => kind === "template-provider")!,
      { name: templates, state: "active" }
    )
    for (const { declared, kind } of items) {
      if (kind === "declarator") assert.isAbove(declared!.acknowledged, 0)
    }
    // Own jobs are of own templates.
    const { coinbase } = await Effect.runPromise(monitor.coinbase())
    assert.isAbove(coinbase!.reward, 0)
    const page = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    assert.match(page, /^sluice_proxy_declared_jobs_acknowledged_total\{[^}]*\} [1-9]/m)
    assert.match(page, /^sluice_proxy_declared_solo\S* 0$/m)
  },
  TIMEOUT_MS
)

const literal = (text: string): string => text.replaceAll(/[.+?/]/g, String.raw`\$&`)
const lineWith = (pattern: string): RegExp => new RegExp(`^timestamp=(\\S+) .*${pattern}.*$`, "m")
const timeOf = ([, time]: RegExpExecArray): number => Date.parse(time!)
