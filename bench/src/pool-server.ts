/** The pool of the benchmark, alone in its process. */
import { Pool } from "@sluice/pool"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { Effect, Layer } from "effect"
import { futureTemplate, newPrevHash, poolOptions } from "./pool-work.ts"
import { serveShares } from "./share-server.ts"

const work = Layer.effectDiscard(
  Effect.flatMap(TemplateFeed, ({ publish }) => publish([futureTemplate, newPrevHash(1)]))
)

serveShares({
  service: Pool,
  layer: Layer.merge(Pool.layer(poolOptions), work).pipe(Layer.provide(TemplateSourceMemory.layer))
})
