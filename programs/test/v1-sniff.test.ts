/** `sluice sniff`, `replay` and `swarm` with Stratum V1, as processes, and a pool on a real socket. */
import { it } from "@effect/vitest"
import { Pool } from "@sluice/pool"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { newBlock, options } from "@sluice/testing/pool-worlds"
import { Sluice } from "@sluice/testing/program"
import { Translator } from "@sluice/translator"
import { formatServerAddress, Tcp } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll } from "vitest"
import { run } from "./in-process.ts"

let directory = ""
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-v1-sniff-"))
})
afterAll(() => rm(directory, { recursive: true }))

/** A pool for V1 miners with work, and its URL. */
const startPool = Effect.gen(function* () {
  const context = yield* Layer.build(
    Pool.layer(options({ policy: { sharesPerMinute: 600 } })).pipe(
      Layer.provide(Translator.listener({ nominalHashRate: 100 })),
      Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
      Layer.provideMerge(TemplateSourceMemory.layer)
    )
  )
  yield* Effect.provideContext(newBlock(1, { headerTimestamp: Math.floor(Date.now() / 1000) }), context)
  const { address } = yield* Effect.provideContext(Pool, context)
  return formatServerAddress({ ...address, security: { _tag: "v1", tls: false } })
}).pipe(Effect.provide(Logger.layer([])))

it.live(
  "the session of a V1 miner is printed, recorded and replayed",
  () =>
    Effect.gen(function* () {
      const url = yield* startPool
      yield* Effect.promise(async () => {
        const recording = join(directory, "session.ndjson")
        const sniff = new Sluice(["sniff", "--listen", "127.0.0.1:0", "--connect", url, "--record", recording])
        const [, own] = await sniff.find(/connect to (stratum\+tcp\S+?)"/)
        const load = ["--connections", "1", "--shares-per-minute", "600", "--duration", "3"]
        const swarm = new Sluice(["swarm", "--connect", own!, "--hash-rate", "100", "--json", ...load])
        await sniff.find(/#1 > \{"id":\d+,"method":"mining\.submit"/)
        const { status, stderr, stdout: reported } = await swarm.finished
        assert.strictEqual(status, 0, stderr)
        const report = JSON.parse(reported.trimEnd().split("\n").at(-1)!)
        assert.isAbove(report.shares.accepted, 0)
        assert.deepStrictEqual(report.shares.refused, {})
        await sniff.find(/#1 closed by the client: the peer closed the connection/)
        const { stdout } = await sniff.stop("SIGTERM")

        const lines = stdout.trimEnd().split("\n")
        assert.match(lines[0]!, /^\d\d:\d\d:\d\d\.\d{3} #1 opened by 127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+$/)
        assert.match(stdout, /^\S+ #1 > \{"id":\d+,"method":"mining\.subscribe","params":\[/m)
        assert.match(stdout, /^\S+ #1 < \{.*"method":"mining\.notify"/m)
        const recorded = (await readFile(recording, "utf8")).trimEnd().split("\n")
        assert.lengthOf(recorded, lines.length)

        // The pool gives every connection another extranonce, so the shares of another connection are worth nothing.
        const replayed = await run(["replay", "--recording", recording, "--connect", url, "--log-level", "none"])
        assert.match(replayed.stdout, /^\S+ #1 < \{.*"method":"mining\.notify"/m)
        assert.match(replayed.stdout, /^#1 ! recorded: mining\.submit\.Success; came: mining\.submit\.Error, /m)
        assert.strictEqual(replayed.status, 1)

        const other = ["--connect", "stratum2+tcp+plain://127.0.0.1:1"]
        const refused = await run(["replay", "--recording", recording, ...other])
        assert.strictEqual(refused.status, 2)
        assert.include(refused.stderr, "connection 1 was recorded with Stratum V1; connect to a server of that")
      })
    }).pipe(Effect.scoped, Effect.orDie),
  60_000
)

it("a sniffer of Stratum V1 has no key of Noise, and the swarm no frames of V2", async () => {
  const to = ["--connect", "stratum+tcp://127.0.0.1:1"]
  const key = ["--authority-secret-key", "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n"]
  const sniff = await run(["sniff", "config", ...to, ...key])
  assert.strictEqual(sniff.status, 2)
  assert.include(sniff.stderr, "authority-secret-key: clients of Stratum V1 have no Noise")
  const swarm = await run(["swarm", ...to, "--garbage", "1"])
  assert.strictEqual(swarm.status, 2)
  assert.include(swarm.stderr, "garbage is 0 for a server of Stratum V1")
})
