/**
 * A pool of one's own: it prints every share, and pays whoever runs it. All of Stratum V2 is in the layers; what makes this
 * pool special is its share sink.
 *
 *     node examples/every-share/main.ts stratum2+tcp+plain://127.0.0.1:18447 bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { shareSink } from "@sluice/mining-server"
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateClient } from "@sluice/template-provider"
import {
  formatServerAddress,
  MiningListener,
  Noise,
  parseServerAddress,
  Security,
  Setup,
  Tcp,
  TemplateDialer
} from "@sluice/transport"
import { Console, Effect, Layer } from "effect"

const [templateProvider = "", coinbaseAddress = "", listen = "3333"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const server = yield* Effect.fromResult(parseServerAddress(templateProvider))
  const authority = yield* AuthorityKey.generate

  const options: PoolOptions = {
    coinbaseAddress,
    tag: "every share",
    shareSinks: [
      shareSink(({ channel, hashDifficulty, difficulty, height }) =>
        console.log(`${channel.userIdentity} at height ${height}: difficulty ${hashDifficulty}, needed ${difficulty}`)
      )
    ]
  }

  const templates = TemplateClient.layer({ servers: [server] }).pipe(
    Layer.provide(Setup.client(TemplateDialer)),
    Layer.provide(Security.dialer()),
    Layer.provide(Tcp.dialer)
  )

  const miners = Setup.server(MiningListener).pipe(
    Layer.provide(Noise.responder()),
    Layer.provide(CertificateAuthority.layer({ secretKey: authority.secretKey })),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: Number(listen) }))
  )

  const pool = Pool.layer(options).pipe(Layer.provide([templates, miners]))

  yield* Effect.gen(function* () {
    const { address } = yield* Pool
    const security = { _tag: "noise", authorityKey: authority.publicKey } as const
    yield* Console.log(`miners connect to ${formatServerAddress({ ...address, security })}`)
    yield* Effect.never
  }).pipe(Effect.provide(pool))
})

NodeRuntime.runMain(program)
