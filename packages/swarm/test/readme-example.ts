import { Swarm, SwarmDialer, type SwarmOptions } from "@sluice/swarm"
import { parseServerAddress, Security, Setup, Tcp } from "@sluice/transport"
import { Console, Effect, Layer, Result } from "effect"

const url = process.env["POOL"] ?? "stratum2+tcp+plain://127.0.0.1:3333"
const options: SwarmOptions = {
  server: Result.getOrThrow(parseServerAddress(url)),
  connections: 20,
  sharesPerMinute: 600,
  misbehaviour: { duplicate: 5 }
}

const swarm = Swarm.layer(options).pipe(
  Layer.provide(Setup.client(SwarmDialer)),
  Layer.provide(Security.dialer()),
  Layer.provide(Tcp.dialer)
)

const program = Effect.gen(function* () {
  const { finish, report } = yield* Swarm
  yield* Effect.sleep("3 seconds")
  yield* finish
  const { bad, latency, shares } = yield* report
  yield* Console.log(`${shares.accepted} of ${shares.submitted} shares accepted`)
  yield* Console.log(`acknowledged after ${latency.acknowledgement.p50} ms, p99 ${latency.acknowledgement.p99} ms`)
  yield* Console.log(`${bad.duplicate.accepted} of ${bad.duplicate.sent} duplicates accepted`)
})

await Effect.runPromise(Effect.provide(program, swarm))
