/**
 * Session 1: two halls of devices, each behind a proxy of its own that mines for a V1 server, and a proxy above them that takes the
 * halls to the pool, with a channel for each hall.
 *
 *     node examples/sessions/01/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { overV1, startDevices, startPool, startProxy, watch, withWarnings } from "../world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPool
  const upper = yield* startProxy("the upper proxy", overV1(8), {
    mode: "per-miner",
    upstreams: [{ server: pool.server }]
  })
  for (const hall of ["north", "south"]) {
    const lower = yield* startProxy(`the proxy of hall ${hall}`, overV1(4), {
      upstreams: [{ server: upper }],
      userIdentity: `farm.${hall}`,
      extranonceSize: 8
    })
    yield* startDevices(lower, [`${hall}.1`])
  }
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
