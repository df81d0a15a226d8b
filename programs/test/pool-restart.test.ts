import { DevNode } from "@sluice/dev-node"
import { TemplateProvider } from "@sluice/template-provider"
import { Plain, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger, Scope } from "effect"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "vitest"
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"

/** A template provider in this process. */
const provider = TemplateProvider.layer().pipe(
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(DevNode.layerInMemory({ transactionsPerSecond: 0 })),
  Layer.provide(Logger.layer([]))
)

it("a pool that gets SIGTERM tells its miner to come back, and one that is started again refuses none of its shares", async () => {
  const scope = Effect.runSync(Scope.make())
  const directory = await mkdtemp(join(tmpdir(), "sluice-restart-"))
  try {
    const { address } = await Effect.runPromise(
      Effect.provide(TemplateProvider, await Effect.runPromise(Layer.buildWithScope(provider, scope)))
    )
    const [mining] = await freePorts(1)
    const state = join(directory, "pool.state")
    const startPool = () =>
      new Sluice(
        ["pool", "--plain", "--listen", `127.0.0.1:${mining}`, "--reconnect-to", "here", "--state-file", state].concat(
          ["--template-provider", `stratum2+tcp+plain://127.0.0.1:${address.port}`, "--shares-per-minute", "600"],
          ["--coinbase-address", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]
        )
      )
    const first = startPool()
    await first.find(/The pool listens/)
    const miner = new Sluice(
      ["miner", "--connect", `stratum2+tcp+plain://127.0.0.1:${mining}`, "--user", "alice.1", "--json"].concat([
        "--channel",
        "extended"
      ])
    )
    const accepted = (from: number) => miner.find(/"event":"ShareAccepted"/, from)
    await accepted(0)
    const { status, stderr } = await first.stop("SIGTERM")
    assert.strictEqual(status, 0, stderr)
    assert.match(stderr, /Stopping: 1 connections get their last replies/)
    const stopped = miner.output.length
    const second = startPool()
    await accepted(stopped)
    assert.strictEqual((await miner.stop("SIGTERM")).status, 0)
    assert.notInclude(miner.output, '"event":"ShareRefused"')
    assert.strictEqual((await second.stop("SIGTERM")).status, 0)
    assert.match(await readFile(state, "utf8"), /^job ids below \d+\n$/)
  } finally {
    await Effect.runPromise(Scope.close(scope, Effect.runSync(Effect.exit(Effect.void))))
    await rm(directory, { recursive: true })
  }
}, 120_000)
