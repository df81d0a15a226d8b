/** V1 miners below a pool that knows nothing of V1. */
import { expect, layer } from "@effect/vitest"
import { giveWork, poolStats } from "@sluice/testing/pool-worlds"
import { Effect } from "effect"
import { V1Miner } from "./v1-miner.ts"
import { v1World } from "./worlds.ts"

layer(v1World())("a pool with V1 miners", (it) => {
  it.effect("accepts shares of a miner that subscribes and authorizes at once", () =>
    Effect.gen(function* () {
      yield* giveWork
      const miner = yield* V1Miner.connect()
      yield* miner.work
      for (let i = 0; i < 25; i++) {
        expect(yield* miner.submit(miner.state.mine())).toMatchObject({ result: true, error: null })
      }
      const { channels } = yield* poolStats
      expect(channels.length).toBeGreaterThan(0)
    })
  )
})
