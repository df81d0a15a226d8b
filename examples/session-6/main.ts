/**
 * Session 6: devices with standard channels behind a proxy that has one extended channel at the pool.
 *
 *     node examples/session-6/main.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Proxy } from "@sluice/proxy"
import { formatServerAddress, MiningListener, Setup } from "@sluice/transport"
import { Console, Context, Effect, Layer } from "effect"
import { dialer, keys, startDevices, startPool, watch, withWarnings } from "../sessions/world.ts"

const program = Effect.gen(function* () {
  const pool = yield* startPool
  const { addressOf, frames } = yield* keys
  const proxy = yield* Layer.build(
    Proxy.layer({ upstreams: [{ server: pool.server }], userIdentity: "farm.{worker}" }).pipe(
      Layer.provide([Setup.server(MiningListener).pipe(Layer.provide(frames)), dialer])
    )
  )
  const server = addressOf(Context.get(proxy, Proxy).address)
  yield* Console.log(`the proxy listens at ${formatServerAddress(server)}`)
  yield* startDevices(server, ["hall.1", "hall.2"])
  yield* watch(pool)
}).pipe(Effect.scoped, withWarnings)

NodeRuntime.runMain(program)
