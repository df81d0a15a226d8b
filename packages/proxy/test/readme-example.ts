import { Proxy, type ProxyOptions, Upstreams } from "@sluice/proxy"
import {
  formatEndpoint,
  MiningDialer,
  MiningListener,
  parseServerAddress,
  Plain,
  Security,
  Setup,
  Tcp
} from "@sluice/transport"
import { Console, Effect, Layer, Result, Stream } from "effect"

const url = process.env["POOL"] ?? "stratum2+tcp+plain://127.0.0.1:3333"
const options: ProxyOptions = {
  upstreams: [{ server: Result.getOrThrow(parseServerAddress(url)) }],
  userIdentity: "account.{worker}"
}

const pools = Setup.client(MiningDialer).pipe(Layer.provide(Security.dialer()), Layer.provide(Tcp.dialer))

// Without encryption; Noise.responder() in the place of Plain.listener has it.
const miners = Setup.server(MiningListener).pipe(
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
)

const program = Effect.gen(function* () {
  const { address, events } = yield* Proxy
  yield* Console.log(`miners connect to ${formatEndpoint(address)}`)
  yield* events.pipe(
    Stream.filter(({ _tag }) => _tag === "ShareAccepted"),
    Stream.take(3),
    Stream.runDrain
  )
  for (const { passedOn, state } of yield* (yield* Upstreams).stats) {
    yield* Console.log(`the pool is ${state} and got ${passedOn} shares`)
  }
})

await Effect.runPromise(Effect.provide(program, Proxy.layer(options).pipe(Layer.provide([pools, miners]))))
