/**
 * Session 10: devices that speak Stratum V1 behind a declarator: a proxy whose blocks have the transactions of the miner's own node.
 *
 *     node examples/sessions/10/main.ts [coinbase-only]
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Schedule } from "effect"
import { overV1, startDeclaredPool, startDeclaringProxy, startDevices, watch, withWarnings } from "../world.ts"

const program = Effect.gen(function* () {
  const declareTransactions = process.argv[2] !== "coinbase-only"
  const pool = yield* startDeclaredPool
  const declarator = yield* startDeclaringProxy(overV1(4), pool, { userIdentity: "farm.{worker}", declareTransactions })
  yield* startDevices(declarator.server, ["hall.1", "hall.2"])
  const tell = Effect.flatMap(declarator.declarations, ([stats]) =>
    Console.log(
      `declared ${stats!.declared} jobs, ${stats!.acknowledged} acknowledged, ${stats!.pushed} blocks pushed to the pool's declarator`
    )
  )
  yield* Effect.forkScoped(Effect.repeat(tell, Schedule.spaced("1 second")))
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
