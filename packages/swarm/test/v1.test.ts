/** A swarm that speaks Stratum V1 with a pool that knows nothing of it. */
import { assert, describe, it } from "@effect/vitest"
import { Pool } from "@sluice/pool"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { newBlock, options } from "@sluice/testing/pool-worlds"
import { Translator } from "@sluice/translator"
import { Memory, type ServerAddress } from "@sluice/transport"
import { Effect, Exit, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Swarm, SwarmDialer, type SwarmOptions } from "../src/index.ts"
import { poolOptions } from "./world.ts"

const SERVER: ServerAddress = { ...Memory.ADDRESS, security: { _tag: "v1", tls: false } }

const world = (plan: Omit<SwarmOptions, "server">) =>
  Swarm.layer({ server: SERVER, sharesPerMinute: 60, nominalHashRate: 8, ...plan }).pipe(
    Layer.provide(SwarmDialer.ofMining),
    Layer.provide(Translator.dialer()),
    Layer.provideMerge(Pool.layer(options(poolOptions))),
    Layer.provide(Translator.listener({ nominalHashRate: 8 })),
    Layer.provideMerge(TemplateSourceMemory.layer),
    Layer.provide(Memory.network()),
    Layer.provide(Logger.layer([]))
  )

const after = Effect.fnUntraced(function* (duration: "10 seconds" | "60 seconds") {
  yield* TestClock.adjust(duration)
  return { report: yield* (yield* Swarm).report, pool: yield* (yield* Pool).stats }
})

describe("a swarm over Stratum V1", () => {
  for (const [kind, channels] of [
    ["standard", 1],
    ["extended", 1],
    ["extended", 3]
  ] as const) {
    it.effect(`submits good shares on ${channels} ${kind} channel(s) a connection, and measures new blocks`, () =>
      Effect.gen(function* () {
        yield* newBlock(1)
        yield* after("10 seconds")
        yield* newBlock(2)
        const { pool, report } = yield* after("60 seconds")
        const { connections, latency, shares } = report
        assert.deepStrictEqual([connections.open, report.channels.working, pool.connections], [4, 4 * channels, 4])
        // All channels of a connection are one V1 miner, to which the pool adapts its difficulty.
        assert.isAbove(shares.accepted, 30 * 4)
        assert.deepStrictEqual([shares.refused, pool.refused], [{}, {}])
        assert.strictEqual(latency.acknowledgement.count, shares.accepted)
        assert.deepStrictEqual([report.prevHashes, latency.prevHash.count], [1, 4 * channels])
      }).pipe(Effect.provide(world({ connections: 4, channels, kind })))
    )
  }

  it.effect("misbehaves as often as requested, and no bad share is accepted", () =>
    Effect.gen(function* () {
      yield* newBlock(1)
      yield* after("10 seconds")
      yield* newBlock(2)
      const { pool, report } = yield* after("60 seconds")
      const { bad, shares } = report
      for (const kind of ["stale", "duplicate", "lowDifficulty"] as const) assert.isAbove(bad[kind].sent, 5, kind)
      // A share that meets the difficulty before the last one is answered with true too, and the pool does not get it.
      assert.isBelow(bad.lowDifficulty.accepted, bad.lowDifficulty.sent)
      assert.deepStrictEqual([bad.stale.accepted, bad.duplicate.accepted, pool.accepted], [0, 0, shares.accepted])
      assert.deepStrictEqual(shares.refused, {})
    }).pipe(Effect.provide(world({ connections: 10, misbehaviour: { stale: 5, duplicate: 5, lowDifficulty: 5 } })))
  )

  it.effect("has no garbage, which is frames of Stratum V2", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Effect.scoped(Layer.build(world({ connections: 1, misbehaviour: { garbage: 1 } })))
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), "the swarm's garbage is 0 for a server of Stratum V1")
    })
  )
})
