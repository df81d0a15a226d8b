/** `sluice conformance` against servers on real sockets, and against the miner as a process of its own. */
import { it } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { TemplateProvider } from "@sluice/template-provider"
import { formatEndpoint, FrameListener, Plain, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { assert } from "vitest"
import { Sluice } from "@sluice/testing/program"
import { run } from "./in-process.ts"

const listening = Plain.listener.pipe(
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(Logger.layer([])),
  Layer.orDie
)

const provider = TemplateProvider.layer().pipe(
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(listening),
  Layer.provide(DevNode.layerInMemory({ transactionsPerSecond: 0 })),
  Layer.provide(Logger.layer([]))
)

it.live("for a server that keeps the rules, connect prints a table and ends with status 0", () =>
  Effect.gen(function* () {
    const { address } = yield* TemplateProvider
    const url = `stratum2+tcp+plain://${formatEndpoint(address)}`
    const args = ["conformance", "connect", url, "--protocol", "template-distribution", "--log-level", "none"]
    const { status, stderr, stdout } = yield* Effect.promise(() => run([...args, "--only", "setup.answer,templates.f"]))
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.match(stdout, /^passed +3\.6\.1 +setup\.answer /m)
    assert.match(stdout, /^passed +7\.3 +templates\.future /m)
    assert.match(stdout, /\n3 passed, 0 failed, 0 skipped\n$/)
  }).pipe(Effect.provide(provider), Effect.orDie)
)

it.live(
  "for a server that closes every connection, connect prints each failure as a line of JSON and ends with status 1",
  () =>
    Effect.gen(function* () {
      const { address, run: serve } = yield* FrameListener
      yield* Effect.forkScoped(serve(() => Effect.void))
      const url = `stratum2+tcp+plain://${formatEndpoint(address)}`
      const args = ["conformance", "connect", url, "--only", "setup.answer", "--json", "--log-level", "none"]
      const { status, stdout } = yield* Effect.promise(() => run(args))
      assert.strictEqual(status, 1)
      const { id, section, verdict } = JSON.parse(stdout)
      assert.deepStrictEqual([id, section, verdict._tag], ["setup.answer", "3.6.1", "Failed"])
      assert.match(verdict.expected, /^SetupConnection.Success or SetupConnection.Error within/)
    }).pipe(Effect.scoped, Effect.provide(listening))
)

it.live("wrong arguments give one line and status 2", () =>
  Effect.gen(function* () {
    const bad = yield* Effect.promise(() => run(["conformance", "connect", "pool.example:3333"]))
    assert.strictEqual(bad.status, 2)
    assert.match(bad.stderr, /^sluice conformance connect: "pool\.example:3333" is not a server's address/)
    const url = "stratum2+tcp+plain://127.0.0.1:1"
    const strange = yield* Effect.promise(() => run(["conformance", "connect", url, "--only", "nothing."]))
    assert.strictEqual(strange.status, 2)
    assert.match(strange.stderr, /no rule for mining begins with "nothing\."/)
  })
)

it("the miner as a process of its own keeps the rules that it is served, with Noise", async () => {
  const { publicKey, secretKey } = JSON.parse((await run(["key", "generate", "--json"])).stdout)
  const only = "client-setup.first,client-jobs.,client-shares.target,client-reconnect.same,client-noise.authority"
  const args = ["--listen", "127.0.0.1:0", "--shares-per-minute", "6000", "--only", only, "--json"]
  const kit = new Sluice(["conformance", "serve", ...args], {
    SLUICE_CONFORMANCE_SERVE__AUTHORITY_SECRET_KEY: secretKey
  })
  const [url] = await kit.find(/stratum2\+tcp:\/\/127\.0\.0\.1:\d+\/\w+/)
  assert.include(url, publicKey)
  const miner = new Sluice(["miner", "--connect", url, "--user", "alice", "--channel", "extended"])
  const { status, stdout, stderr } = await kit.finished
  assert.strictEqual(status, 0, stdout + stderr)
  const verdicts = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  assert.deepStrictEqual(
    verdicts.map(({ id, verdict }) => `${verdict._tag} ${id}`).toSorted(),
    ["active", "future", "group", "named", "stale", "started"]
      .map((name) => `Passed client-jobs.${name}`)
      .concat(
        "Passed client-noise.authority",
        "Passed client-reconnect.same",
        "Passed client-setup.first",
        "Passed client-shares.target"
      )
  )
  assert.strictEqual((await miner.stop()).status, 0)
}, 120_000)

it.live("without a client, serve skips every rule and ends with status 1", () =>
  Effect.gen(function* () {
    const args = ["conformance", "serve", "--listen", "127.0.0.1:0", "--plain", "--connect-seconds", "1"]
    const { status, stdout } = yield* Effect.promise(() => run([...args, "--log-level", "none"]))
    assert.strictEqual(status, 1)
    assert.match(stdout, /^skipped +5\.3\.15 +client-jobs\.active .*: the client did not connect within 1 s$/m)
    assert.match(stdout, /\n0 passed, 0 failed, \d+ skipped\n$/)
  })
)

it("rules lists each rule with its side and its section", async () => {
  const { status, stdout } = await run(["conformance", "rules", "--json"])
  assert.strictEqual(status, 0)
  const rules = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  assert.deepInclude(rules, {
    id: "client-setup.vendor",
    title: "SetupConnection names the vendor",
    section: "3.6.1",
    side: "client",
    protocol: "common"
  })
  assert.isAbove(rules.filter(({ side }) => side === "server").length, 60)
  const table = await run(["conformance", "rules"])
  assert.strictEqual(table.stdout.trim().split("\n").length, rules.length + 1)
})
