import { shareSink } from "@sluice/mining-server"
import { assert, describe, it } from "@effect/vitest"
import type { ShareAccepted } from "@sluice/channels"
import { hashToDisplay } from "@sluice/bitcoin"
import { Pool } from "@sluice/pool"
import { Effect, Exit, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { newBlock } from "@sluice/testing/pool-worlds"
import { type AcknowledgedShare, Swarm, SwarmReport } from "../src/index.ts"
import { world } from "./world.ts"

/** Lets time pass, and gives what was measured and what the pool has counted. */
const after = Effect.fnUntraced(function* (duration: string) {
  yield* TestClock.adjust(duration as "1 second")
  const report = yield* Effect.flatMap(Swarm, ({ report }) => report)
  const pool = yield* Effect.flatMap(Pool, ({ stats }) => stats)
  return { report, pool }
})

describe("Swarm", () => {
  for (const [kind, channels] of [
    ["standard", 1],
    ["standard", 3],
    ["extended", 2]
  ] as const) {
    it.effect(`submits good shares at the given rate on ${channels} ${kind} channel(s) a connection`, () =>
      Effect.gen(function* () {
        yield* newBlock(1)
        yield* after("60 seconds")
        const finished = yield* Effect.forkChild(Effect.flatMap(Swarm, ({ finish }) => finish))
        const { pool, report } = yield* after("1 second")
        yield* Fiber.join(finished)
        const all = 4 * channels
        assert.deepStrictEqual(
          [report.connections.open, report.channels.working, pool.connections, pool.channels[kind]],
          [4, all, 4, all]
        )
        assert.strictEqual(report.shares.accepted, pool.accepted)
        assert.deepStrictEqual(report.shares.refused, {})
        assert.deepStrictEqual(pool.refused, {})
        // 60 a minute each, at random times; the pool may try easier targets for a while.
        assert.isAbove(report.shares.submitted, 30 * all)
        assert.isBelow(report.shares.submitted, 180 * all)
        assert.strictEqual(report.latency.acknowledgement.count, report.shares.accepted)
        assert.strictEqual(report.latency.connect.count, 4)
      }).pipe(Effect.provide(world({ connections: 4, channels, kind })))
    )
  }

  it.effect("measures a new block's arrival on each connection, and submits no share too late", () =>
    Effect.gen(function* () {
      yield* newBlock(1)
      const { report: before } = yield* after("10 seconds")
      yield* newBlock(2)
      const { report } = yield* after("10 seconds")
      assert.deepStrictEqual([report.jobs - before.jobs, report.prevHashes - before.prevHashes], [1, 1])
      const { job, prevHash } = before.latency
      assert.strictEqual(report.latency.job.count - job.count, 5)
      assert.strictEqual(report.latency.prevHash.count - prevHash.count, 5)
      assert.deepStrictEqual(report.shares.refused, {})
    }).pipe(Effect.provide(world({ connections: 5 })))
  )

  it.effect("misbehaves as often as requested, and no bad share is accepted", () =>
    Effect.gen(function* () {
      yield* newBlock(1)
      yield* after("20 seconds")
      yield* newBlock(2)
      const { pool, report } = yield* after("100 seconds")
      const { bad, connections, shares } = report
      for (const kind of ["stale", "duplicate", "lowDifficulty"] as const) {
        assert.isAbove(bad[kind].sent, 10, kind)
        assert.strictEqual(bad[kind].accepted, 0, kind)
      }
      assert.deepStrictEqual(pool.refused, {
        "stale-share": bad.stale.sent,
        "duplicate-share": bad.duplicate.sent,
        "difficulty-too-low": bad.lowDifficulty.sent
      })
      assert.deepStrictEqual(shares.refused, {})
      assert.isAbove(bad.garbage.sent, 0)
      assert.strictEqual(connections.endedForGarbage, bad.garbage.sent)
      assert.strictEqual(connections.opened, 10 + connections.endedForGarbage)
    }).pipe(
      Effect.provide(
        world({ connections: 10, misbehaviour: { stale: 5, duplicate: 5, lowDifficulty: 5, garbage: 0.5 } })
      )
    )
  )

  const acknowledged: Array<AcknowledgedShare> = []
  const recorded: Array<ShareAccepted> = []
  it.effect("reports acknowledged shares by the hashes that the pool recorded", () =>
    Effect.gen(function* () {
      yield* newBlock(1)
      yield* after("20 seconds")
      const ofPool = recorded.map(({ channel, hash }) => `${channel.userIdentity} ${hashToDisplay(hash)}`)
      assert.isAbove(ofPool.length, 20)
      assert.deepStrictEqual(
        acknowledged.map(({ hash, userIdentity }) => `${userIdentity} ${hash}`).toSorted(),
        ofPool.toSorted()
      )
    }).pipe(
      Effect.provide(
        world(
          { connections: 3, kind: "extended", onAcknowledged: (share) => acknowledged.push(share) },
          { shareSinks: [shareSink((share) => void recorded.push(share))] }
        )
      )
    )
  )

  it.effect("gives a report that matches its Schema", () =>
    Effect.gen(function* () {
      yield* newBlock(1)
      const { report } = yield* after("5 seconds")
      const json = JSON.stringify(yield* Schema.encodeEffect(SwarmReport)(report))
      assert.deepStrictEqual(yield* Schema.decodeEffect(Schema.fromJsonString(SwarmReport))(json), report)
    }).pipe(Effect.provide(world({ connections: 2 })))
  )

  it.effect("refuses options that are out of range", () =>
    Effect.gen(function* () {
      for (const [options, message] of [
        [{ connections: 0 }, "the swarm's connections is a whole number of at least 1; got 0"],
        [{ connections: 1, misbehaviour: { stale: 101 } }, "the swarm's stale is a percentage from 0 to 100; got 101"],
        [
          { connections: 1, misbehaviour: { stale: 60, garbage: 60 } },
          "the swarm's misbehaviour is at most 100 percent of the shares in all; got 120"
        ]
      ] as const) {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(world(options))))
        assert.isTrue(Exit.isFailure(exit))
        assert.include(String(exit), message)
      }
    })
  )
})
