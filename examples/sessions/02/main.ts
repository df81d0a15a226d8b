/**
 * Session 2: devices with standard channels behind two proxies that speak Stratum V1 with each other. Each device has a connection of
 * its own between the proxies, and so a channel of its own at the pool.
 *
 *     node examples/sessions/02/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { overNoise, overV1, startDevices, startPool, startProxy, watch, withWarnings } from "../world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPool
  const upper = yield* startProxy("the upper proxy", overV1(4), {
    mode: "per-miner",
    upstreams: [{ server: pool.server }]
  })
  const lower = yield* startProxy("the lower proxy", overNoise, {
    mode: "per-miner",
    upstreams: [{ server: upper }]
  })
  yield* startDevices(lower, ["hall.1", "hall.2"])
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
