/** The example as its reader starts it: a process of its own, between a template provider and a miner. */
import { describe, it } from "@effect/vitest"
import { HashThreads, Miner } from "@sluice/miner"
import { Effect, Layer } from "effect"
import { dialer, POOL_ADDRESS, quiet, startExample, templateProvider, templateProviderUrl } from "./world.ts"

describe("every-share", () => {
  it.live("prints a line for each share of a miner", () =>
    Effect.gen(function* () {
      const { find, server } = yield* startExample("every-share", [yield* templateProviderUrl, POOL_ADDRESS, "0"])
      const servers = [yield* server("miners connect to")] as const
      yield* Miner.start({ servers, user: "reader", channel: "extended", nominalHashRate: 1_000 })
      // Log lines are in between, several of them for a block that is found.
      yield* find(/(^reader at height \d+: difficulty [\d.e+-]+, needed [\d.e+-]+$[^]*){3}/m)
    }).pipe(
      Effect.provide(
        Layer.mergeAll(templateProvider, dialer, HashThreads.layer({ threads: 1 })).pipe(Layer.provideMerge(quiet))
      )
    )
  )
})
