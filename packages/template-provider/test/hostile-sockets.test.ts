/** Clients that ask for much, over real sockets, beside one that works. */
import { assert, describe, it } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { TemplateDistribution } from "@sluice/protocol"
import { Plain, type ServerAddress, Setup, Tcp, TemplateDialer, TemplateListener } from "@sluice/transport"
import { Context, Effect, Layer, Logger } from "effect"
import { TemplateProvider } from "../src/index.ts"
import { FakeNode } from "./fake-node.ts"
import { dialerWith } from "@sluice/testing/bound-setup"
import { solve } from "@sluice/testing/solution"
import { connect } from "./test-client.ts"
import { RECORDED, templateAt, templateOf } from "./templates.ts"

/** A provider over this node on a port of this machine; without encryption, which takes most of the time of a long list. */
const serve = Effect.fnUntraced(function* <Node>(node: Layer.Layer<Node>) {
  const context = yield* Layer.build(
    Layer.merge(
      TemplateProvider.layer().pipe(
        Layer.provide(Setup.server(TemplateListener)),
        Layer.provide(Plain.listener),
        Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
        Layer.provide(node as Layer.Layer<Layer.Success<typeof FakeNode.layer>>)
      ),
      dialerWith(TemplateDialer, { device: { vendor: "Some pool" } }).pipe(
        Layer.provide(Plain.dialer),
        Layer.provide(Tcp.dialer)
      )
    )
  )
  const provider = Context.get(context, TemplateProvider)
  const server: ServerAddress = { ...provider.address, security: { _tag: "plain" } }
  return { provider, client: connect(server).pipe(Effect.provide(context)) }
})

describe("over sockets", () => {
  it.live(
    "200 connections that send eleven constraints each do not push out another client's block",
    () =>
      Effect.gen(function* () {
        const node = yield* Layer.build(DevNode.layerInMemory({ bits: 0x207fffff, transactionsPerSecond: 0 }))
        const { client, provider } = yield* serve(Layer.succeedContext(node))
        const honest = yield* client
        yield* honest.constrain(100)
        yield* honest.expectTip
        // It has changed its constraints: its template was made for it alone.
        yield* honest.constrain(200)
        const { prevHash, template } = yield* honest.expectTip
        yield* Effect.forEach(
          Array.from({ length: 200 }),
          Effect.fnUntraced(function* () {
            const hostile = yield* client
            for (let size = 0; size < 11; size++) yield* hostile.constrain(size)
            for (let size = 0; size < 11; size++) yield* hostile.expectTip
          }),
          { concurrency: 20, discard: true }
        )
        yield* honest.send([solve(template, prevHash)])
        while ((yield* Effect.delay(provider.stats, 10)).verdicts.accepted === undefined);
        const { solutionsRefused, verdicts } = yield* provider.stats
        assert.deepStrictEqual([verdicts, solutionsRefused], [{ accepted: 1 }, 0])
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))),
    120_000
  )

  it.live(
    "connections that ask for a large list and leave get two lists a second, and a block is sent meanwhile",
    () =>
      Effect.gen(function* () {
        const node = yield* Layer.build(FakeNode.layer)
        const fake = Context.get(node, FakeNode)
        const large = templateOf(
          Array.from({ length: 2_000 }, (_, index) => ({
            ...RECORDED.transactions[0]!,
            data: "ab".repeat(1_000),
            txid: index.toString(16).padStart(64, "0"),
            hash: index.toString(16).padStart(64, "1"),
            depends: []
          }))
        )
        yield* fake.setTemplate(large)
        const { client, provider } = yield* serve(Layer.succeedContext(node))
        const honest = yield* client
        yield* honest.constrain()
        yield* honest.expectTip
        const begun = performance.now()
        let served = 0
        const visit = Effect.gen(function* () {
          const hostile = yield* client
          yield* hostile.constrain()
          const { template } = yield* hostile.expectTip
          yield* hostile.send([TemplateDistribution.RequestTransactionData.make({ templateId: template.templateId })])
          while (true) {
            const { _tag } = yield* hostile.next
            if (_tag === "RequestTransactionData.Success") return void served++
            // A block has come before its turn.
            if (_tag === "RequestTransactionData.Error") return
          }
        }).pipe(Effect.scoped)
        const hostiles = Effect.all(
          Array.from({ length: 8 }, () => Effect.forever(visit)),
          { concurrency: "unbounded" }
        )
        const blocks = Effect.gen(function* () {
          for (let height = 101; height < 111; height++) {
            yield* Effect.sleep(300)
            yield* fake.setTemplate({ ...large, ...placeOf(height) })
            yield* fake.announce
            yield* honest.expectTip
          }
        })
        yield* Effect.raceFirst(hostiles, blocks)
        const seconds = (performance.now() - begun) / 1_000
        assert.isAtLeast(served, 20, "what an address may ask for at once")
        assert.isAtMost(served, 20 + 2 * seconds + 1)
        assert.strictEqual((yield* provider.stats).tipChanges, 11)
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))),
    120_000
  )
})

const placeOf = (height: number) => {
  const { height: _, longpollid, previousblockhash } = templateAt(height)
  return { height, longpollid: longpollid!, previousblockhash }
}
