/**
 * Session 4: devices with standard channels behind a proxy that opens a channel at the pool for each of them. The pool has them all on
 * one connection, and sends one job for the whole group.
 *
 *     node examples/session-4/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Proxy, RelayListener } from "@sluice/proxy"
import { formatServerAddress, Setup } from "@sluice/transport"
import { Console, Context, Effect, Layer } from "effect"
import { keys, relayDialer, startDevices, startPool, watch, withWarnings } from "../sessions/world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPool
  const { addressOf, frames } = yield* keys
  const proxy = yield* Layer.build(
    Proxy.layer({ mode: "per-miner", upstreams: [{ server: pool.server }] }).pipe(
      Layer.provide([Setup.server(RelayListener).pipe(Layer.provide(frames)), relayDialer])
    )
  )
  const server = addressOf(Context.get(proxy, Proxy).address)
  yield* Console.log(`the proxy listens at ${formatServerAddress(server)}`)
  yield* startDevices(server, ["hall.1", "hall.2"])
  yield* Effect.forkScoped(
    Effect.flatMap(pool.stats, ({ connections }) =>
      Console.log(`the pool has ${connections} connection, the proxy's`)
    ).pipe(Effect.delay("3 seconds"))
  )
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
