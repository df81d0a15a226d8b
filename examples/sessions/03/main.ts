/**
 * Session 3, and 5, which is the same: devices that speak Stratum V1 behind a proxy that opens a channel at the pool for each of
 * them. The pool has all channels on one connection, and sends one job for the whole group.
 *
 *     node examples/sessions/03/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { overV1, startDevices, startPool, startProxy, watch, withWarnings } from "../world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPool
  const proxy = yield* startProxy("the proxy", overV1(4), {
    mode: "per-miner",
    upstreams: [{ server: pool.server }]
  })
  yield* startDevices(proxy, ["hall.1", "hall.2"])
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
