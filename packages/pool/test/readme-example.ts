import { shareSink } from "@sluice/mining-server"
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateClient } from "@sluice/template-provider"
import {
  formatEndpoint,
  MiningListener,
  parseServerAddress,
  Plain,
  Security,
  Setup,
  Tcp,
  TemplateDialer
} from "@sluice/transport"
import { Console, Effect, Layer, Result, Stream } from "effect"

const url = process.env["TEMPLATE_PROVIDER"] ?? "stratum2+tcp+plain://127.0.0.1:18447"
const options: PoolOptions = {
  coinbaseAddress: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
  shareSinks: [
    shareSink(({ channel, difficulty }) => console.log(`${channel.userIdentity}: a share of difficulty ${difficulty}`))
  ]
}

const templates = TemplateClient.layer({
  servers: [Result.getOrThrow(parseServerAddress(url))]
}).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Security.dialer()), Layer.provide(Tcp.dialer))

// Without encryption; Noise.responder() in the place of Plain.listener has it.
const miners = Setup.server(MiningListener).pipe(
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
)

const program = Effect.gen(function* () {
  const { address, events, stats } = yield* Pool
  yield* Console.log(`miners connect to ${formatEndpoint(address)}`)
  yield* events.pipe(
    Stream.filter(({ _tag }) => _tag === "ShareAccepted"),
    Stream.take(3),
    Stream.runDrain
  )
  const { accepted, height } = yield* stats
  yield* Console.log(`${accepted} shares at height ${height}`)
})

await Effect.runPromise(Effect.provide(program, Pool.layer(options).pipe(Layer.provide([templates, miners]))))
