/** `sluice miner` mines for a pool of Stratum V1: ours, behind its listener for V1, so that each share is translated twice. */
import { expect, it } from "@effect/vitest"
import { Pool } from "@sluice/pool"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { newBlock, options, poolStats } from "@sluice/testing/pool-worlds"
import { Translator } from "@sluice/translator"
import { formatEndpoint, Tcp } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { run } from "./in-process.ts"

const pool = Pool.layer(options({ policy: { sharesPerMinute: 600 } })).pipe(
  Layer.provideMerge(TemplateSourceMemory.layer),
  Layer.provide(Translator.listener({ nominalHashRate: 1e5 })),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(Logger.layer([]))
)

it.live("mines on both kinds of channel for a pool of Stratum V1", () =>
  Effect.gen(function* () {
    const { address } = yield* Pool
    yield* newBlock(1, { headerTimestamp: Math.floor(Date.now() / 1000) })
    const server = ["--connect", `stratum+tcp://${formatEndpoint(address)}`, "--log-format", "logfmt"]
    const mine = (channel: string) =>
      Effect.promise(() =>
        run(["miner", ...server, "--user", `alice.${channel}`, "--channel", channel, "--shares", "2"])
      )
    for (const { status, stderr } of yield* Effect.all([mine("standard"), mine("extended")], { concurrency: 2 })) {
      expect([status, stderr]).toEqual([0, expect.stringMatching(/Done: \d+ shares were accepted/)])
    }
    const { users } = yield* poolStats
    expect(users.map(({ accepted, user }) => [user, accepted >= 4])).toEqual([["alice", true]])
  }).pipe(Effect.provide(pool))
)
