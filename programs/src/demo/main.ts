/**
 * `sluice demo`, which `npm start` runs: all roles in one process, each composed of its layers as in a process of its own. They
 * talk over loopback TCP with Noise, and with the node over HTTP and ZMQ. The system chooses the ports, and the keys are new at
 * each start.
 */
import { DevNode, JsonRpcServer, ZmqPublisher } from "@sluice/dev-node"
import { NodeNotificationsZmq, NodeRpcHttp } from "@sluice/node"
import { layerCurve } from "@sluice/embedded"
import { DeviceDialer, HashThreads, Miner, type MinerOptions } from "@sluice/miner"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import {
  type Endpoint,
  MiningDialer,
  MiningListener,
  Noise,
  type ServerAddress,
  Setup,
  Tcp,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { Effect, Layer, Redacted } from "effect"
import { program } from "../command/program.ts"
import { summaries } from "../command/summaries.ts"
import { makeMonitor } from "../server/monitor.ts"
import { DemoConfig } from "./config.ts"
import { presentation } from "./presentation.ts"
import { watch } from "./watch.ts"

export const demo = program({
  ...DemoConfig,
  description: summaries.demo,
  run: Effect.fnUntraced(function* ({ bits, blocks, browser, json, ...config }) {
    const authority = yield* AuthorityKey.generate
    const miners = { standard: miner(authority, "standard"), extended: miner(authority, "extended") }
    const shown = presentation(json)
    let page = ""
    const monitor = yield* makeMonitor(config, { announce: (url) => Effect.sync(() => void (page = url)) })
    yield* watch({ miners, blocks, presentation: shown, page: () => page, browser }).pipe(
      Effect.provide(
        monitor.layer(Effect.map(Pool, (server) => ({ role: "demo" as const, server, chain: "regtest" as const })))
      ),
      Effect.provide(pool(authority)),
      Effect.provide(templateProvider(authority)),
      Effect.provide(node(bits)),
      Effect.provide(monitor.logs),
      Effect.provide(shown.logging)
    )
  })
})

/** A development chain with JSON-RPC and ZMQ, as Bitcoin Core has them. */
const node = (bits: number) =>
  Layer.merge(JsonRpcServer.layer({ port: 0, ...rpcCredentials }), ZmqPublisher.layer("tcp://127.0.0.1:*")).pipe(
    Layer.provideMerge(DevNode.layer({ bits }))
  )

/** Takes templates from the node and serves them over Noise. */
const templateProvider = (authority: AuthorityKey.KeyPair) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { url } = yield* JsonRpcServer
      const { endpoint } = yield* ZmqPublisher
      return TemplateProvider.layer({ interval: "2 seconds" }).pipe(
        Layer.provide(Setup.server(TemplateListener)),
        Layer.provide(noiseServer(authority)),
        Layer.provide(NodeRpcHttp.layer({ url, credentials: { _tag: "Password", ...rpcCredentials } })),
        Layer.provide(NodeNotificationsZmq.layer(endpoint))
      )
    })
  )

/** Takes templates from the provider, makes jobs of them and serves miners over Noise. */
const pool = (authority: AuthorityKey.KeyPair) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const provider = yield* TemplateProvider
      const options: PoolOptions = {
        coinbaseAddress: PAYOUT_ADDRESS,
        tag: "Sluice demo",
        policy: { sharesPerMinute: 60 }
      }
      return Pool.layer(options).pipe(
        Layer.provide(Setup.server(MiningListener)),
        Layer.provide(noiseServer(authority)),
        Layer.provide(
          TemplateClient.layer({
            servers: [serverAt(provider.address, authority)]
          })
        ),
        Layer.provide(Setup.client(TemplateDialer)),
        Layer.provide(noiseClient)
      )
    })
  )

/** Mines for the pool with one worker thread. */
const miner = (authority: AuthorityKey.KeyPair, channel: "standard" | "extended") =>
  Layer.unwrap(
    Effect.gen(function* () {
      const pool = yield* Pool
      const options: MinerOptions = {
        servers: [serverAt(pool.address, authority)],
        user: `demo.${channel}`,
        channel,
        hashRateInterval: "2 seconds"
      }
      return Miner.layer(options).pipe(
        Layer.provide(Setup.client(MiningDialer)),
        Layer.provide([noiseClient, DeviceDialer.layer.pipe(Layer.provide(Tcp.dialer))]),
        Layer.provide(HashThreads.layer({ threads: 1 }))
      )
    })
  )

const noiseServer = ({ secretKey }: AuthorityKey.KeyPair) =>
  Noise.responder().pipe(
    Layer.provide(CertificateAuthority.layer({ secretKey })),
    Layer.provide(layerCurve),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
  )

const noiseClient = Noise.initiator().pipe(Layer.provide([Tcp.dialer, layerCurve]))

const serverAt = (endpoint: Endpoint, { publicKey }: AuthorityKey.KeyPair): ServerAddress => ({
  ...endpoint,
  security: { _tag: "noise", authorityKey: publicKey }
})

/** The node requires credentials, although only this process knows its port. */
const rpcCredentials = { user: "demo", password: Redacted.make("demo") }

/** BIP173's example key, on a development chain. */
const PAYOUT_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
