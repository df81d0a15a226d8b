/** The pool of a crowd, alone in its process. */
import { Pool } from "@sluice/pool"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { Effect, Layer } from "effect"
import { crowdPolicy, serveCrowd } from "./crowd-server.ts"
import { COINBASE_ADDRESS, futureTemplate, newPrevHash } from "./pool-work.ts"

serveCrowd({
  service: Pool,
  layer: Pool.layer({ coinbaseAddress: COINBASE_ADDRESS, policy: crowdPolicy }).pipe(
    Layer.provideMerge(TemplateSourceMemory.layer)
  ),
  announce: (block) =>
    Effect.flatMap(TemplateFeed, ({ publish }) =>
      publish([
        { ...futureTemplate, templateId: BigInt(block) },
        { ...newPrevHash(block), templateId: BigInt(block) }
      ])
    )
})
