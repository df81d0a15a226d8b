/** `sluice proxy` between two pools and a miner, each a process of its own, with Noise. */
import { makeClient } from "@sluice/monitor"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"
import { Effect } from "effect"
import { assert, it } from "vitest"
import { startDevProvider } from "./dev-provider.ts"
import { run } from "./in-process.ts"

/** The test waits for processes that start and mine, perhaps on a busy machine. */
const TIMEOUT_MS = 180_000

const keyPair = async (): Promise<{ readonly secretKey: string; readonly publicKey: string }> =>
  JSON.parse((await run(["key", "generate", "--json"])).stdout)

it(
  "finds blocks through the second pool when the first is killed, says so, and ends when it is told to",
  async () => {
    // About 131,000 hashes for a block.
    const provider = await startDevProvider({ bits: 0x1e7fffff, transactionsPerSecond: 0 })
    const [first, second, mining, metrics] = (await freePorts(4)) as [number, number, number, number]
    const [forFirst, forSecond, forProxy] = [await keyPair(), await keyPair(), await keyPair()]
    const startPool = (port: number, secretKey: string) =>
      new Sluice(
        ["pool", "--listen", `127.0.0.1:${port}`, "--authority-secret-key", secretKey].concat(
          ["--template-provider", provider],
          ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]
        )
      )
    const pools = [startPool(first, forFirst.secretKey), startPool(second, forSecond.secretKey)]
    const urls = [
      `stratum2+tcp://127.0.0.1:${first}/${forFirst.publicKey}`,
      `stratum2+tcp://127.0.0.1:${second}/${forSecond.publicKey}`
    ]
    const proxy = new Sluice(
      ["proxy", "--listen", `127.0.0.1:${mining}`, "--upstream", urls.join(",")].concat(
        ["--authority-secret-key", forProxy.secretKey, "--user-identity", "account.{worker}"],
        ["--verify-payout", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"],
        ["--http-listen", `127.0.0.1:${metrics}`, "--return-after", "1", "--shares-per-minute", "600"]
      )
    )
    await proxy.find(new RegExp(`The upstream .*:${first}/.* opened a channel`))
    await proxy.find(new RegExp(`The upstream .*:${second}/.* opened a channel`))
    // The second may have been up before the first.
    await proxy.find(new RegExp(`Work comes from .*:${first}/`))
    const url = `stratum2+tcp://127.0.0.1:${mining}/${forProxy.publicKey}`
    const miner = new Sluice(["miner", "--connect", url, "--user", "alice.1", "--threads", "1"])
    await pools[0]!.find(/A miner found a block.*user=account/)
    await pools[0]!.stop("SIGKILL")
    await proxy.find(new RegExp(`Work comes from .*:${second}/.*: the upstream before is lost`))
    await pools[1]!.find(/A miner found a block.*user=account/)

    const { monitor } = await Effect.runPromise(makeClient({ url: `http://127.0.0.1:${metrics}` }))
    const { items } = await Effect.runPromise(monitor.upstreams({ query: {} }))
    assert.deepStrictEqual(
      items.map(({ kind, state }) => [kind, state]),
      [
        ["pool", "disconnected"],
        ["pool", "active"]
      ]
    )
    const overview = await Effect.runPromise(monitor.overview())
    assert.deepInclude(overview, { connections: 1, channels: { standard: 1, extended: 0 } })
    const credited = items.reduce((sum, { shares }) => sum + shares!.acceptedDifficulty, 0)
    assert.isAbove(credited, 0)
    assert.isNotNull(overview.uncreditedDifficulty)
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    assert.include(text, `sluice_proxy_upstream_active{upstream="${urls[1]}"} 1\n`)

    const { status, stdout, stderr } = await proxy.stop("SIGTERM")
    assert.strictEqual(status, 0, stderr)
    assert.strictEqual(stdout, "")
    assert.notMatch(stderr, /^\s+at /m, "no stack is shown to anyone")
    // A share may be on its way when the next block comes.
    assert.notMatch(miner.output, /refused share \d+: (?!stale-share)/)
    for (const program of [miner, pools[1]!]) assert.strictEqual((await program.stop("SIGTERM")).status, 0)
  },
  TIMEOUT_MS
)

it.each([
  [
    "--user-identity",
    "{worker}",
    /user-identity: all miners share one channel at the pool, so "\{worker\}" needs a fixed part/
  ],
  ["--min-payout-percent", "98", /min-payout-percent: give verify-payout too/],
  ["--upstream", "http://pool.example", /--upstream: "http:\/\/pool.example" is not a server's address/]
])("refuses %s %s with a sentence", async (flag, value, says) => {
  const upstream = flag === "--upstream" ? [] : ["--upstream", "stratum2+tcp+plain://127.0.0.1:1"]
  const { status, stderr } = await run(["proxy", "--plain", ...upstream, flag, value])
  assert.strictEqual(status, 2)
  assert.match(stderr, says)
})
