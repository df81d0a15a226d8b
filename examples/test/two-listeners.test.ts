/** The example in a process of its own, with a miner at each of its ports. */
import { assert, describe, it } from "@effect/vitest"
import { HashThreads, Miner } from "@sluice/miner"
import { Effect, Layer } from "effect"
import { dialer, POOL_ADDRESS, quiet, startExample, templateProvider, templateProviderUrl } from "./world.ts"

describe("two-listeners", () => {
  it.live("accepts shares of a miner with Noise and of one without at the same time", () =>
    Effect.gen(function* () {
      const { server } = yield* startExample("two-listeners", [yield* templateProviderUrl, POOL_ADDRESS, "0", "0"])
      const encrypted = yield* server("miners connect to")
      const plain = yield* server("devices connect to")
      assert.strictEqual(encrypted.security._tag, "noise")
      assert.strictEqual(plain.security._tag, "plain")
      assert.notStrictEqual(encrypted.port, plain.port)
      const options = { channel: "extended", nominalHashRate: 1_000, shares: 2 } as const
      const outside = yield* Miner.start({ ...options, servers: [encrypted], user: "outside" })
      const inside = yield* Miner.start({ ...options, servers: [plain], user: "inside" })
      for (const { accepted } of yield* Effect.all([outside.finished, inside.finished], { concurrency: 2 })) {
        assert.isAtLeast(accepted, 2)
      }
    }).pipe(
      Effect.provide(
        Layer.mergeAll(templateProvider, dialer, HashThreads.layer({ threads: 1 })).pipe(Layer.provideMerge(quiet))
      )
    )
  )
})
