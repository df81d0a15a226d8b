/** `sluice conformance connect` against servers on real sockets. */
import { it } from "@effect/vitest"
import { DevNode } from "@sluice/bitcoin"
import { TemplateProvider } from "@sluice/template-provider"
import { formatEndpoint, FrameListener, Plain, Setup, Tcp, TemplateListener } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { assert } from "vitest"
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

it.live("a server that keeps the rules: a table, and status 0", () =>
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

it.live("a server that hangs up: each rule's failure as a line of JSON, and status 1", () =>
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

it.live("what cannot be is told in one line, and status 2", () =>
  Effect.gen(function* () {
    const bad = yield* Effect.promise(() => run(["conformance", "connect", "pool.example:3333"]))
    assert.strictEqual(bad.status, 2)
    assert.match(bad.stderr, /^sluice conformance: "pool\.example:3333" is not a server's address/)
    const url = "stratum2+tcp+plain://127.0.0.1:1"
    const strange = yield* Effect.promise(() => run(["conformance", "connect", url, "--only", "nothing."]))
    assert.strictEqual(strange.status, 2)
    assert.match(strange.stderr, /no rule for mining begins with "nothing\."/)
  })
)
