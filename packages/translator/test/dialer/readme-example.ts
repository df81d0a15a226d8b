import { HashThreads, Miner } from "@sluice/miner"
import { Translator } from "@sluice/translator"
import { parseServerAddress, Tcp } from "@sluice/transport"
import { Console, Effect, Layer, Result } from "effect"

const url = process.env["V1_POOL"] ?? "stratum+tcp://127.0.0.1:3333"

const miner = Miner.layer({
  servers: [Result.getOrThrow(parseServerAddress(url))],
  user: "alice.rig1",
  channel: "extended",
  shares: 3
}).pipe(
  Layer.provide(HashThreads.layer({ threads: 1 })),
  // To the miner, the pool is a server of Stratum V2. To the pool, the miner is the worker farm.rig1.
  Layer.provide(Translator.dialer({ user: "farm.{worker}", password: "x" })),
  Layer.provide(Tcp.dialer)
)

const program = Effect.gen(function* () {
  const { finished } = yield* Miner
  const { accepted, jobs } = yield* finished
  yield* Console.log(`${accepted} shares accepted, of ${jobs} jobs`)
})

await Effect.runPromise(Effect.scoped(Effect.provide(program, miner)))
