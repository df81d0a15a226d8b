/** The pool of the benchmark of shares, with the operators' page at the port that it is given, if any. */
import { layerHttp, Monitor } from "@sluice/monitor"
import { Pool } from "@sluice/pool"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { Effect, Layer } from "effect"
import { futureTemplate, newPrevHash, poolOptions } from "./pool-work.ts"
import { serveShares } from "./share-server.ts"

const work = Layer.effectDiscard(
  Effect.flatMap(TemplateFeed, ({ publish }) => publish([futureTemplate, newPrevHash(1)]))
)
const port = Number(process.argv[2] ?? 0)

const page =
  port === 0
    ? Layer.empty
    : layerHttp({ listen: { host: "127.0.0.1", port } }).pipe(
        Layer.provide(Layer.unwrap(Effect.map(Pool, (server) => Monitor.layer({ role: "pool", server }))))
      )
const pool = Layer.merge(Pool.layer(poolOptions), work).pipe(Layer.provide(TemplateSourceMemory.layer))

serveShares({ service: Pool, layer: Layer.provideMerge(page, pool) })
