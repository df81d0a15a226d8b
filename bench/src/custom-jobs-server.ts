/** The pool of the benchmark of custom jobs, alone in its process. The key of its tokens is in the first argument, in hex. */
import { TokenKey, Tokens } from "@sluice/job-declaration"
import { Pool } from "@sluice/pool"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { Effect, Layer } from "effect"
import { crowdPolicy, serveCrowd } from "./crowd-server.ts"
import { COINBASE_ADDRESS, futureTemplate, newPrevHash } from "./pool-work.ts"

const tokens = new Tokens(TokenKey(Buffer.from(process.argv[2]!, "hex")))

serveCrowd({
  service: Pool,
  layer: Pool.layer({ coinbaseAddress: COINBASE_ADDRESS, policy: crowdPolicy, customJobs: { tokens } }).pipe(
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
