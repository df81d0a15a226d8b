/** A template provider as a process of its own, and its solutions while the node is away. */
import { DevNode, JsonRpcServer } from "@sluice/dev-node"
import { TemplateDistribution } from "@sluice/protocol"
import { Plain, Setup, Tcp, TemplateDialer } from "@sluice/transport"
import { Effect, Exit, Layer, Logger, Redacted, Scope } from "effect"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it, onTestFinished } from "vitest"
import { solve } from "@sluice/testing/solution"
import { connect } from "../../packages/template-provider/test/test-client.ts"
import { Sluice } from "@sluice/testing/program"
import { freePorts } from "@sluice/testing/ports"

const TIMEOUT_MS = 180_000

const dialer = Setup.client(TemplateDialer).pipe(Layer.provide(Plain.dialer), Layer.provide(Tcp.dialer))

/** A provider process over a node that can be away, and clients of it that have a template. */
const world = Effect.fnUntraced(function* (...more: ReadonlyArray<string>) {
  const [rpc, listen] = yield* Effect.promise(() => freePorts(2))
  const chain = yield* Layer.build(DevNode.layer({ bits: 0x207fffff, transactionsPerSecond: 0 }))
  const startNode = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const server = JsonRpcServer.layer({ port: rpc!, user: "u", password: Redacted.make("p") })
    yield* Layer.build(Layer.fresh(server)).pipe(Effect.provide(chain), Scope.provide(scope))
    return Scope.close(scope, Exit.void)
  })
  const stopNode = yield* startNode
  const provider = new Sluice(
    ["template-provider", "--rpc-url", `http://127.0.0.1:${rpc}`, "--rpc-user", "u", "--plain"].concat(
      ["--listen", `127.0.0.1:${listen}`],
      more
    ),
    { SLUICE_TEMPLATE_PROVIDER__RPC_PASSWORD: "p" }
  )
  yield* Effect.promise(() => provider.find(/The node answers/))
  const client = Effect.gen(function* () {
    const client = yield* connect({ host: "127.0.0.1", port: listen!, security: { _tag: "plain" } })
    yield* client.constrain()
    return { ...client, ...(yield* client.expectTip) }
  })
  return { provider, startNode, stopNode, client }
})

/** Different ones for one template, more than a connection may send at once. */
const solutions = (
  template: TemplateDistribution.NewTemplate,
  prevHash: TemplateDistribution.SetNewPrevHash,
  sender: number
) =>
  Array.from({ length: 1_900 }, (_, index) => {
    const version = (template.version | ((sender * 8 + (index >> 8)) << 5)) >>> 0
    return solve(template, prevHash, { extranonce: index & 0xff, version })
  })

it(
  "a template provider whose node is away keeps few lines of log for many solutions, and stops within three seconds of SIGTERM",
  () =>
    Effect.gen(function* () {
      const { client, provider, stopNode } = yield* world()
      const clients = yield* Effect.replicateEffect(client, 12)
      yield* stopNode
      for (const [sender, { next, prevHash, send, template }] of clients.entries()) {
        yield* send(solutions(template, prevHash, sender))
        // Its answer shows that the solutions before it were read.
        yield* send([TemplateDistribution.RequestTransactionData.make({ templateId: 0n })])
        while ((yield* next)._tag !== "RequestTransactionData.Error");
      }
      const begun = performance.now()
      const { status, stderr } = yield* Effect.promise(() => provider.stop("SIGTERM"))
      assert.isBelow(performance.now() - begun, 3_000)
      assert.strictEqual(status, 0, stderr)
      assert.match(stderr, /Dropped block 1, [0-9a-f]{64}, from 127\.0\.0\.1/)
      assert.match(stderr, /Stopping without a node's verdict on block 1, [0-9a-f]{64} and 99 more/)
      const lines = stderr.split("\n").map((line) => line.slice(0, 200))
      assert.isBelow(lines.length, 100, lines.slice(0, 100).join("\n"))
    }).pipe(Effect.scoped, Effect.provide(dialer), Effect.provide(Logger.layer([])), Effect.runPromise),
  TIMEOUT_MS
)

it(
  "a template provider gives a node that is back the solutions that it has kept in the meantime",
  () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "sluice-solutions-"))
      onTestFinished(() => rmSync(directory, { recursive: true }))
      const { client, provider, startNode, stopNode } = yield* world("--blocks-directory", directory)
      const { prevHash, send, template } = yield* client
      yield* stopNode
      yield* send(solutions(template, prevHash, 0).slice(0, 5))
      yield* Effect.promise(() => provider.find(/Kept block/))
      yield* startNode
      for (let verdicts = 0, from = 0; verdicts < 5; verdicts++) {
        const found = yield* Effect.promise(() => provider.find(/The node (accepted|refused) block 1/, from))
        from += found.index + found[0].length
      }
      assert.match(provider.output, /The node accepted block 1/)
      while (readdirSync(directory).length > 0) yield* Effect.sleep(20)
      assert.strictEqual((yield* Effect.promise(() => provider.stop("SIGTERM"))).status, 0)
    }).pipe(Effect.scoped, Effect.provide(dialer), Effect.provide(Logger.layer([])), Effect.runPromise),
  TIMEOUT_MS
)
