/** Our miner mines for a V1 pool through the translator, and does not know. */
import { describe, expect, it } from "@effect/vitest"
import { Miner } from "@sluice/miner"
import { Effect } from "effect"
import { EASY } from "./honest-pool.ts"
import { advanceUntil, minerWorld, V1Pool } from "./world.ts"

describe.each(["standard", "extended"] as const)("a miner on a %s channel over a V1 pool", (channel) => {
  it.effect("finds shares that the pool accepts", () =>
    Effect.gen(function* () {
      const { accept } = yield* V1Pool
      const { finished } = yield* Miner
      const end = yield* accept
      const stats = yield* advanceUntil(finished)
      expect(stats.accepted).toBeGreaterThanOrEqual(5)
      expect(stats.refused).toEqual({})
      expect(end.accepted.length).toBeGreaterThanOrEqual(stats.accepted)
      expect(end.accepted).toHaveLength(end.shares.length)
      expect(new Set(end.shares.map(({ worker }) => worker))).toEqual(new Set(["alice.rig1"]))
      expect(end.accepted[0]!.difficulty).toBe(EASY)
    }).pipe(Effect.provide(minerWorld({ channel, shares: 5 })))
  )
})
