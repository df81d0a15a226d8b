/**
 * A pool that serves miners on the internet with Noise, and devices in its own hall without it, on two ports. Both are one
 * listener for the pool: users, channels and statistics are those of one server.
 *
 *     node examples/two-listeners/main.ts stratum2+tcp+plain://127.0.0.1:18447 bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Pool } from "@sluice/pool"
import { TemplateClient } from "@sluice/template-provider"
import {
  formatServerAddress,
  mergeListeners,
  MiningListener,
  Noise,
  parseServerAddress,
  Plain,
  Security,
  Setup,
  Tcp,
  TemplateDialer
} from "@sluice/transport"
import { Console, Effect, Layer } from "effect"

const [templateProvider = "", coinbaseAddress = "", port = "3333", plainPort = "3334"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const server = yield* Effect.fromResult(parseServerAddress(templateProvider))
  const authority = yield* AuthorityKey.generate

  const encrypted = Setup.server(MiningListener).pipe(
    Layer.provide(Noise.responder()),
    Layer.provide(CertificateAuthority.layer({ secretKey: authority.secretKey })),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: Number(port) }))
  )
  // Each listener has its own limits: devices in the hall take no places from the miners outside.
  const plain = Setup.server(MiningListener).pipe(
    Layer.provide(Plain.listener),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: Number(plainPort), maxConnections: 500 }))
  )

  const templates = TemplateClient.layer({ servers: [server] }).pipe(
    Layer.provide(Setup.client(TemplateDialer)),
    Layer.provide(Security.dialer()),
    Layer.provide(Tcp.dialer)
  )

  const pool = Pool.layer({ coinbaseAddress, tag: "two listeners" }).pipe(
    Layer.provide([templates, mergeListeners(MiningListener, [encrypted, plain])])
  )

  yield* Effect.gen(function* () {
    const [outside, inside = outside] = (yield* Pool).addresses
    const noise = { _tag: "noise", authorityKey: authority.publicKey } as const
    yield* Console.log(`miners connect to ${formatServerAddress({ ...outside, security: noise })}`)
    yield* Console.log(`devices connect to ${formatServerAddress({ ...inside, security: { _tag: "plain" } })}`)
    yield* Effect.never
  }).pipe(Effect.provide(pool))
})

NodeRuntime.runMain(program)
