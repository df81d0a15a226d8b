/** What the operators' page of a pool says agrees with its metrics, with its share log and with what its miner counted. */
import { DevNode } from "@sluice/dev-node"
import { makeClient } from "@sluice/monitor"
import { TemplateProvider } from "@sluice/template-provider"
import { Plain, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger, ManagedRuntime, Redacted } from "effect"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, it, onTestFinished } from "vitest"
import { freePorts } from "@sluice/testing/ports"
import { Sluice } from "@sluice/testing/program"

const surroundings = TemplateProvider.layer().pipe(
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(DevNode.layerInMemory({ transactionsPerSecond: 0 })),
  Layer.provideMerge(Logger.layer([]))
)

it("the operators' page agrees with metrics, share log and miner, shows no secret, and has its history after a restart", async () => {
  const runtime = ManagedRuntime.make(surroundings)
  onTestFinished(() => runtime.dispose())
  const { port } = await runtime.runPromise(Effect.map(TemplateProvider, ({ address }) => address))
  const directory = await mkdtemp(join(tmpdir(), "sluice-monitor-"))
  onTestFinished(() => rm(directory, { recursive: true }))
  const at = (name: string): string => join(directory, name)
  await writeFile(at("token"), "tk-51n3\n", { mode: 0o600 })
  await writeFile(at("receivers"), "webhook+http://127.0.0.1:1/#hunter2\n", { mode: 0o600 })
  const [mining, http] = await freePorts(2)
  const url = `http://127.0.0.1:${http}`
  const { health, monitor } = await Effect.runPromise(makeClient({ url, token: Redacted.make("tk-51n3") }))
  const start = async (): Promise<Sluice> => {
    const pool = new Sluice(
      ["pool", "--plain", "--listen", `127.0.0.1:${mining}`, "--http-listen", `127.0.0.1:${http}`].concat(
        ["--template-provider", `stratum2+tcp+plain://127.0.0.1:${port}`, "--shares-per-minute", "600"],
        ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "--share-log", at("shares.ndjson")],
        ["--http-token-file", at("token"), "--alert-to-file", at("receivers"), "--history-file", at("history.sqlite")]
      )
    )
    await pool.find(/The operators' page is at/)
    return pool
  }

  const first = await start()
  const miner = new Sluice([
    "miner",
    "--connect",
    `stratum2+tcp+plain://127.0.0.1:${mining}`,
    "--user",
    "alice.rig",
    "--json"
  ])
  while ((await Effect.runPromise(monitor.blocks({ query: {} }))).total === 0) await sleep(100)
  await miner.stop()
  while ((await Effect.runPromise(monitor.overview())).connections > 0) await sleep(20)
  const counted = miner.output.match(/"event":"ShareAccepted"/g)?.length ?? 0

  const overview = await Effect.runPromise(monitor.overview())
  const metrics = await (await fetch(`${url}/metrics`)).text()
  const metric = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1])
  const logged = (await readFile(at("shares.ndjson"), "utf8")).trim().split("\n").length
  assert.isAbove(counted, 0)
  const { accepted } = overview
  // The miner may have been stopped before it read its last answers.
  assert.isAtLeast(accepted, counted)
  assert.strictEqual(metric("sluice_pool_shares_accepted_total"), accepted)
  assert.strictEqual(logged, accepted)
  assert.strictEqual(overview.blocks, metric("sluice_pool_blocks_found_total"))
  const { items: shares } = await Effect.runPromise(monitor.shares({ query: {} }))
  assert.deepInclude(shares, { code: "accepted", shares: accepted })
  const { items: users } = await Effect.runPromise(monitor.users({ query: {} }))
  assert.deepInclude(users[0], { user: "alice", accepted })
  assert.approximately(users[0]!.acceptedDifficulty, overview.acceptedDifficulty, 1e-9)
  const { items: blocks } = await Effect.runPromise(monitor.blocks({ query: {} }))
  assert.isAtLeast(blocks.length, 1)
  assert.strictEqual(blocks[0]!.worker, "alice.rig")
  assert.deepStrictEqual(await Effect.runPromise(health.ready()), { ready: true })

  const shown = await Promise.all(
    ["configuration?limit=1000", "logs?limit=1000", "overview", "audit", "openapi.json"].map(async (path) =>
      (await fetch(`${url}/api/${path}`)).text()
    )
  )
  for (const text of shown) assert.notMatch(text, /tk-51n3|hunter2/)
  assert.match(shown[0]!, /"name":"http-token","value":null,"isSecret":true/)
  assert.match(shown[1]!, /The pool listens/)

  // The work since the last sample is written at the end.
  await sleep(2500)
  assert.strictEqual((await first.stop("SIGTERM")).status, 0)
  const second = await start()
  const history = await Effect.runPromise(monitor.history({ query: { resolution: "1m" } }))
  assert.strictEqual(
    history.accepted.reduce<number>((sum, accepted) => sum + (accepted ?? 0), 0),
    accepted
  )
  const { items: before } = await Effect.runPromise(monitor.blocks({ query: {} }))
  assert.deepStrictEqual(before, blocks)
  assert.strictEqual((await second.stop("SIGTERM")).status, 0)
}, 120_000)
