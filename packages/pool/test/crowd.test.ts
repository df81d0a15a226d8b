/**
 * An honest miner among hundreds of clients that send garbage, stall in the handshake, or trickle a byte a second: it gets its jobs and
 * the acknowledgements of its shares, the server gets rid of the others, and what they cost it in memory is printed.
 *
 * `SLUICE_CROWD` is how many they are; `npm run soak` has 2,000.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import { showLatencies, startCrowd } from "@sluice/testing/crowd"
import { heldBytes } from "@sluice/testing/memory"
import { template } from "@sluice/testing/templates"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, PoolAddress, publish, tcpWorld } from "@sluice/testing/pool-worlds"

const COUNT = Number(process.env["SLUICE_CROWD"] ?? 200)
/** The most that one of them may hold, in bytes, of which most is its socket in Node. */
const MAX_BYTES_EACH = 50_000

it.live(
  `a miner among ${COUNT} that do not mine gets its jobs and acknowledgements`,
  () =>
    Effect.gen(function* () {
      yield* giveWork
      const honest = yield* TestClient.connect()
      // More shares a second than it will have time for, every 16th hash one: its target only gets easier.
      const miner = yield* honest.open(openExtended({ nominalHashRate: 1600 }))
      const before = heldBytes()
      const { host, port } = yield* PoolAddress
      const state = yield* startCrowd(new URL(import.meta.resolve("@sluice/testing/pool-crowd")), {
        host,
        port,
        count: COUNT
      })

      const latencies: Array<number> = []
      let jobs = 0
      let mostOpen = 0
      let most = { bytes: 0, open: 1 }
      let measured = performance.now()
      while (state.last.closed < COUNT) {
        const asked = performance.now()
        yield* honest.send(miner.mine())
        assert.strictEqual((yield* honest.until("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
        latencies.push(performance.now() - asked)
        if (latencies.length % 10 === 0) {
          yield* publish(template(100 + jobs++))
          miner.receive(yield* honest.until("NewExtendedMiningJob"))
        }
        const { closed, open } = state.last
        mostOpen = Math.max(mostOpen, open)
        // Who is connected waits in the system's queue until the server accepts: the most is held some time later.
        if (closed < COUNT && performance.now() - measured > 500) {
          const bytes = heldBytes() - before
          if (bytes > most.bytes) most = { bytes, open }
          measured = performance.now()
        }
        yield* Effect.promise(() => sleep(10))
      }
      const each = most.bytes / most.open
      console.log(
        `${mostOpen} of ${COUNT} connected at once; at most ${(most.bytes / 1e6).toFixed(1)} MB held by ${most.open}, ` +
          `${(each / 1000).toFixed(1)} KB each; ${latencies.length} shares acknowledged after ${showLatencies(latencies)}; ` +
          `${jobs} jobs`
      )
      assert.isAbove(mostOpen, COUNT / 2)
      assert.isAbove(jobs, 3)
      assert.isBelow(each, MAX_BYTES_EACH)
      const newcomer = yield* TestClient.connect()
      yield* newcomer.open(openExtended())
    }).pipe(
      Effect.scoped,
      Effect.provide(tcpWorld({ policy: { sharesPerMinute: 6000 } }, { handshakeTimeout: "5 seconds" }))
    ),
  120_000
)
