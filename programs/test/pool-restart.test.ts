import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "vitest"
import { startDevProvider } from "./dev-provider.ts"
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"

it("a pool that gets SIGTERM tells its miner to come back, and one that is started again refuses none of its shares", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sluice-restart-"))
  try {
    const provider = await startDevProvider({ transactionsPerSecond: 0 })
    const [mining] = await freePorts(1)
    const state = join(directory, "pool.state")
    const startPool = () =>
      new Sluice(
        ["pool", "--plain", "--listen", `127.0.0.1:${mining}`, "--reconnect-to", "here", "--state-file", state].concat(
          ["--template-provider", provider, "--shares-per-minute", "600"],
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
    await rm(directory, { recursive: true })
  }
}, 120_000)
