/**
 * Session 7: devices that speak Stratum V1 behind a proxy that has one extended channel at the pool.
 *
 *     node examples/sessions/07/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { overV1, startDevices, startPool, startProxy, watch, withWarnings } from "../world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPool
  const proxy = yield* startProxy("the proxy", overV1(4), {
    upstreams: [{ server: pool.server }],
    userIdentity: "farm.{worker}"
  })
  yield* startDevices(proxy, ["hall.1", "hall.2"])
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
