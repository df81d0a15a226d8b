/** The rules for sources of work hold for an upstream. */
import type { WorkSource } from "@sluice/mining-server"
import { WorkSourceDriver, workSourceSuite } from "@sluice/testing/work-source-suite"
import { MiningDialer } from "@sluice/transport"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Upstream } from "../src/index.ts"
import { addressOf, PoolNetwork, ScriptedPool } from "./scripted-pool.ts"

const PORT = 1

/** A driver that plays a pool. */
const make = Layer.unwrap(
  Effect.sync(() => {
    const network = new PoolNetwork()
    const pool = new ScriptedPool()
    network.listen(PORT, pool)
    let looked = 0
    const driver = Layer.succeed(WorkSourceDriver, {
      newBlock: (future) =>
        Effect.suspend(() => {
          const own = future === undefined ? [pool.makeFuture().message] : []
          const { message } = pool.makeBlock(future ?? pool.futureCount - 1)
          return network.say(pool, ...own, message)
        }),
      newJob: Effect.suspend(() => network.say(pool, pool.makeJob().message)),
      futureJob: Effect.suspend(() => network.say(pool, pool.makeFuture().message)),
      maxFutureJobs: 64,
      disconnect: network.kill(PORT),
      reconnect: Effect.andThen(
        Effect.sync(() => network.listen(PORT, pool)),
        TestClock.adjust("2 seconds")
      ),
      submitted: Effect.sync(() => {
        const headers = pool.shares.slice(looked).map(({ header }) => header)
        looked = pool.shares.length
        return headers
      }),
      users: ["alice.1", "bob"]
    })
    const source: Layer.Layer<WorkSource, unknown> = Upstream.layer({ upstreams: [{ server: addressOf(PORT) }] }).pipe(
      Layer.provide(Layer.succeed(MiningDialer, network.dialer)),
      Layer.provide(Logger.layer([]))
    )
    return Layer.merge(source, driver)
  })
)

workSourceSuite("Upstream, aggregated", make)
