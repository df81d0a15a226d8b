/**
 * An honest V1 miner among hundreds of hostile clients: it gets its jobs and the answers to its shares. What the others cost it in
 * time, and the server in memory, is printed: with 2,000 of them an answer may take three times as long as without.
 *
 * `SLUICE_CROWD` is how many they are; `npm run soak` has 2,000.
 */
import { assert, it } from "@effect/vitest"
import { Pool } from "@sluice/pool"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { showLatencies, startCrowd } from "@sluice/testing/crowd"
import { heldBytes } from "@sluice/testing/memory"
import { giveWork, options, publish } from "@sluice/testing/pool-worlds"
import { template } from "@sluice/testing/templates"
import { Tcp } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import { Translator } from "../../src/index.ts"
import { V1Miner } from "./v1-miner.ts"

const COUNT = Number(process.env["SLUICE_CROWD"] ?? 100)
const SHARES = 150
/**
 * The most that one of them may hold, in bytes: what was read waits for its turn, and Node reads as much ahead, 64 KB each; the rest
 * is its socket in Node, also of connections that close.
 */
const MAX_BYTES_EACH = 250_000
/** What the process grows by beside them, such as code that is compiled meanwhile. */
const GROWTH = 5_000_000

const world = Pool.layer(options({ policy: { sharesPerMinute: 6000 } })).pipe(
  Layer.provideMerge(TemplateSourceMemory.layer),
  // Every 16th hash is a share.
  Layer.provide(Translator.listener({ nominalHashRate: 1600 })),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provideMerge(Tcp.dialer),
  Layer.provide(Logger.layer([]))
)

it.live(
  `a miner among ${COUNT} hostile clients gets its jobs and answers`,
  () =>
    Effect.gen(function* () {
      yield* giveWork
      const { address } = yield* Pool
      const miner = yield* V1Miner.connect(address)
      yield* miner.work
      let jobs = 0
      const mine = Effect.fnUntraced(function* (shares: number) {
        const latencies: Array<number> = []
        for (let i = 0; i < shares; i++) {
          const share = miner.state.mine()
          const asked = performance.now()
          assert.strictEqual((yield* miner.submit(share)).result, true)
          latencies.push(performance.now() - asked)
          if (i % 10 === 9) {
            yield* publish(template(100 + jobs++))
            yield* miner.until("mining.notify")
          }
          yield* Effect.promise(() => sleep(10))
        }
        return latencies
      })
      yield* mine(SHARES)
      const alone = yield* mine(SHARES)

      const before = heldBytes()
      const state = yield* startCrowd(new URL("./crowd.ts", import.meta.url), { ...address, count: COUNT })
      const among: Array<number> = []
      let mostOpen = 0
      let most = 0
      let measured = performance.now()
      while (among.length < SHARES || mostOpen < COUNT / 2 || state.last.closed === 0) {
        among.push(...(yield* mine(10)))
        mostOpen = Math.max(mostOpen, state.last.open)
        if (performance.now() - measured < 500) continue
        most = Math.max(most, heldBytes() - before)
        measured = performance.now()
      }
      console.log(
        `${among.length} shares answered after ${showLatencies(among)} among ${mostOpen} of ${COUNT} hostile clients, ` +
          `${showLatencies(alone)} without them; ${state.last.closed} of their connections ended; ` +
          `at most ${(most / 1e6).toFixed(1)} MB held, ${(most / COUNT / 1000).toFixed(1)} KB for each; ${jobs} jobs`
      )
      assert.isAbove(most, 0)
      assert.isAbove(state.last.closed, 0)
      assert.isBelow(most, COUNT * MAX_BYTES_EACH + GROWTH)
      const newcomer = yield* V1Miner.connect(address)
      yield* newcomer.work
    }).pipe(Effect.scoped, Effect.provide(world)),
  120_000
)
