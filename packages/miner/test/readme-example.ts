import { HashThreads, Miner, type MinerOptions } from "@sluice/miner"
import { MiningDialer, parseServerAddress, Security, Setup, Tcp } from "@sluice/transport"
import { Console, Effect, Layer, Result, Stream } from "effect"

const url = process.env["POOL"] ?? "stratum2+tcp+plain://127.0.0.1:3333"
const options: MinerOptions = {
  servers: [Result.getOrThrow(parseServerAddress(url))],
  user: "example.rig1",
  channel: "extended",
  shares: 3
}

const miner = Miner.layer(options).pipe(
  Layer.provide(HashThreads.layer({ threads: 1 })),
  Layer.provide(Setup.client(MiningDialer)),
  Layer.provide(Security.dialer()),
  Layer.provide(Tcp.dialer)
)

const program = Effect.gen(function* () {
  const { events, finished } = yield* Miner
  yield* events.pipe(
    Stream.runForEach((event) => Console.log(JSON.stringify(event))),
    Effect.forkScoped
  )
  const { accepted, hashesPerSecond } = yield* finished
  yield* Console.log(`${accepted} shares accepted at ${Math.round(hashesPerSecond / 1000)} kH/s`)
})

await Effect.runPromise(Effect.scoped(Effect.provide(program, miner)))
