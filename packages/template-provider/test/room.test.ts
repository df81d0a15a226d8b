import { assert, it } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { Memory } from "@sluice/transport"
import { Effect, Layer, Logger, Stream } from "effect"
import { TemplateClient, TemplateSource } from "../src/index.ts"
import { providerOver } from "./worlds.ts"

const world = TemplateClient.layer({ servers: [{ ...Memory.ADDRESS, security: { _tag: "plain" } }] }).pipe(
  Layer.provideMerge(providerOver(DevNode.layerInMemory(), { emptyTemplates: false }))
)

const room = (coinbaseOutputMaxAdditionalSize: number) => ({
  coinbaseOutputMaxAdditionalSize,
  coinbaseOutputMaxAdditionalSigops: 0
})

it.live(
  "a template source whose room has changed gets a template without what no longer fits, and can begin with it",
  () =>
    Effect.gen(function* () {
      const source = yield* TemplateSource
      yield* (yield* DevNode).addMadeUpTransactions(1)
      const templateWith = (transactions: "some transactions" | "none") =>
        source.messages.pipe(
          Stream.filter((message) => message._tag === "NewTemplate"),
          Stream.filter(({ merklePath }) => merklePath.length > 0 === (transactions === "some transactions")),
          Stream.runHead
        )
      yield* source.constrain(room(43))
      yield* templateWith("some transactions")
      // All of the block but the reserve for its header: no transaction fits any more.
      yield* source.constrain(room(999_700))
      yield* templateWith("none")
      const [first, second] = yield* source.messages.pipe(Stream.take(2), Stream.runCollect)
      assert.deepInclude(first, { _tag: "NewTemplate", merklePath: [], futureTemplate: true })
      assert.deepInclude(second, { _tag: "SetNewPrevHash", templateId: first!.templateId })
    }).pipe(Effect.provide(world.pipe(Layer.provide(Logger.layer([])))))
)
