/**
 * Session 6: devices with standard channels behind a proxy that has one extended channel at the pool.
 *
 *     node examples/sessions/06/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { overNoise, startDevices, startPool, startProxy, watch, withWarnings } from "../world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPool
  const proxy = yield* startProxy("the proxy", overNoise, {
    upstreams: [{ server: pool.server }],
    userIdentity: "farm.{worker}"
  })
  yield* startDevices(proxy, ["hall.1", "hall.2"])
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
