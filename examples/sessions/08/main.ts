/**
 * Session 8: devices with standard channels at the pool itself.
 *
 *     node examples/sessions/08/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { startDevices, startPool, watch, withWarnings } from "../world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPool
  yield* startDevices(pool.server, ["hall.1", "hall.2"])
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
