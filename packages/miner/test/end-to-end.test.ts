/** Threads, TCP, Noise and a pool: shares and blocks that it accepts, over a real connection. */
import { describe, expect, it } from "@effect/vitest"
import { MiningDialer, Noise, Setup, Tcp } from "@sluice/transport"
import { Effect, Layer, Stream } from "effect"
import { newBlock, PoolAddress, poolStats, tcpWorld } from "@sluice/testing/pool-worlds"
import { DeviceDialer, HashThreads, Miner, type MinerOptions } from "../src/index.ts"

const pool = tcpWorld({ policy: { sharesPerMinute: 600 } })

/** A block of today, which every other hash solves. */
const easyBlock = (number: number) =>
  newBlock(number, {
    headerTimestamp: Math.floor(Date.now() / 1000),
    nbits: 0x207fffff,
    target: new Uint8Array(32).fill(0x7f)
  })

/** Mines until shares of two blocks were accepted and everything that can be rolled was; a new block comes after the first. */
const mine = (options: Partial<MinerOptions>) =>
  Effect.gen(function* () {
    yield* easyBlock(1)
    const minerOptions: MinerOptions = {
      servers: [yield* PoolAddress],
      user: "e2e",
      nominalHashRate: 100_000,
      ...options
    }
    // Few nonces and versions, so that everything is rolled.
    const hashing = HashThreads.layer({ threads: 2, space: { nonces: 4096, versions: 8, extranonces: 2 ** 32 } })
    const dialer = Layer.merge(
      Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator())),
      DeviceDialer.layer
    ).pipe(Layer.provide(Tcp.dialer))
    return yield* Effect.gen(function* () {
      const miner = yield* Miner
      const versions = new Set<number>()
      const extranonces = new Set<string>()
      const prevHashes = new Set<string>()
      let accepted = 0
      yield* miner.events.pipe(
        Stream.tap((event) => {
          if (event._tag === "JobStarted") prevHashes.add(event.prevHash)
          if (event._tag === "ShareSubmitted") {
            versions.add(event.version)
            extranonces.add(event.extranonce)
          }
          if (event._tag !== "ShareAccepted") return Effect.void
          accepted = prevHashes.size === 2 ? accepted + event.count : 0
          return event.count === event.accepted ? easyBlock(2) : Effect.void
        }),
        Stream.takeUntil(
          () => accepted >= 5 && versions.size > 1 && (options.channel === "standard" || extranonces.size > 1)
        ),
        Stream.runDrain
      )
      const { faulty, refused } = yield* miner.stats
      expect(faulty).toBe(0)
      // A share may be on its way when the block comes.
      expect(Object.keys(refused).filter((errorCode) => errorCode !== "stale-share")).toEqual([])
      return versions
    }).pipe(Effect.provide(Miner.layer(minerOptions).pipe(Layer.provide([dialer, hashing]))), Effect.scoped)
  })

describe("a miner with threads over TCP with Noise", () => {
  it.live("gets shares and blocks accepted on an extended channel, with rolled versions and extranonces", () =>
    Effect.gen(function* () {
      const versions = yield* mine({ channel: "extended" })
      for (const version of versions) expect((version ^ 0x20000000) & ~0x1fffffe0).toBe(0)
      expect((yield* poolStats).blocks).toBeGreaterThan(0)
    }).pipe(Effect.provide(pool))
  )

  it.live.each([true, false])("gets shares and blocks accepted on a standard channel, standard jobs only: %s", (flag) =>
    Effect.gen(function* () {
      yield* mine({ channel: "standard", requiresStandardJobs: flag })
      expect((yield* poolStats).blocks).toBeGreaterThan(0)
    }).pipe(Effect.provide(pool))
  )
})
