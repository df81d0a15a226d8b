/**
 * Session 4: devices with standard channels behind a proxy that opens a channel at the pool for each of them. The pool has them all on
 * one connection, and sends one job for the whole group.
 *
 *     node examples/sessions/04/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { overNoise, startDevices, startPool, startProxy, watch, withWarnings } from "../world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPool
  const proxy = yield* startProxy("the proxy", overNoise, { mode: "per-miner", upstreams: [{ server: pool.server }] })
  yield* startDevices(proxy, ["hall.1", "hall.2"])
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
