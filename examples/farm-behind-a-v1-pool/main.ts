/**
 * Devices with standard channels behind a proxy whose pool speaks Stratum V1.
 *
 *     node examples/farm-behind-a-v1-pool/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { overNoise, overV1, startDevices, startPoolOver, startProxy, watch, withWarnings } from "../sessions/world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPoolOver(overV1(8))
  const proxy = yield* startProxy("the proxy", overNoise, {
    upstreams: [{ server: pool.server }],
    userIdentity: "farm.{worker}",
    extranonceSize: 8
  })
  yield* startDevices(proxy, ["hall.1", "hall.2"])
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
