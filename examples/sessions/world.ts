/**
 * What all sessions have: a development node, a template provider and a pool above, devices below, and Noise on real sockets between
 * any two of them.
 */
import { DevNode } from "@sluice/dev-node"
import { HashThreads, Miner } from "@sluice/miner"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Pool } from "@sluice/pool"
import { RelayDialer } from "@sluice/proxy"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import {
  type Endpoint,
  formatServerAddress,
  MiningDialer,
  MiningListener,
  Noise,
  type ServerAddress,
  Setup,
  Tcp,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { Console, Context, Effect, Layer, References, Stream } from "effect"

/** An address of which nobody has the key. */
const POOL_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

/** Keys of a server: the layer of its frames on a free port, and its address once it listens. */
export const keys = Effect.map(AuthorityKey.generate, ({ publicKey, secretKey }) => ({
  frames: Noise.responder().pipe(
    Layer.provide(CertificateAuthority.layer({ secretKey })),
    Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
  ),
  addressOf: (endpoint: Endpoint): ServerAddress => ({
    ...endpoint,
    security: { _tag: "noise", authorityKey: publicKey }
  })
}))

/** Connects clients of the Mining Protocol. */
export const dialer = Setup.client(MiningDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))

/** The same for a proxy that passes on messages of extensions that it does not know. */
export const relayDialer = Setup.client(RelayDialer).pipe(Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))

/** Starts the node, the template provider and the pool, prints each block that the node accepts, and gives the pool's address. */
export const startPool = Effect.gen(function* () {
  const [forProvider, forPool] = [yield* keys, yield* keys]
  // About 500,000 hashes for a block.
  const above = yield* Layer.build(
    TemplateProvider.layer().pipe(
      Layer.provide(Setup.server(TemplateListener)),
      Layer.provide(forProvider.frames),
      Layer.provideMerge(DevNode.layerInMemory({ bits: 0x1e1fffff, transactionsPerSecond: 1 }))
    )
  )
  const templates = TemplateClient.layer({
    servers: [forProvider.addressOf(Context.get(above, TemplateProvider).address)]
  }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
  const pool = yield* Layer.build(
    Pool.layer({ coinbaseAddress: POOL_ADDRESS }).pipe(
      Layer.provide(templates),
      Layer.provide(Setup.server(MiningListener)),
      Layer.provide(forPool.frames)
    )
  )
  yield* Context.get(above, DevNode).events.pipe(
    Stream.runForEach((event) =>
      event._tag === "BlockAccepted" && event.verdict === null
        ? Console.log(`the node accepted block ${event.height}`)
        : Effect.void
    ),
    Effect.forkScoped
  )
  const { address, stats, users } = Context.get(pool, Pool)
  const server = forPool.addressOf(address)
  yield* Console.log(`the pool listens at ${formatServerAddress(server)}`)
  return { server, stats, users }
})

/** Starts devices: miners of one thread each, with a standard channel. */
export const startDevices = (server: ServerAddress, names: ReadonlyArray<string>) =>
  Effect.forEach(names, (user) => Miner.start({ servers: [server], user, nominalHashRate: 100_000 })).pipe(
    Effect.provide(Layer.merge(dialer, HashThreads.layer({ threads: 1 })))
  )

/** The programs print what happens themselves; the log has warnings. */
export const withWarnings = Effect.provideService(References.MinimumLogLevel, "Warn")

/** Prints the channels and users that the pool sees, every few seconds. */
export const watch = ({ stats, users }: Effect.Success<typeof startPool>) =>
  Effect.gen(function* () {
    const { accepted, blocks, channels } = yield* stats
    const known = (yield* users({ limit: 10, offset: 0 })).users.map(({ user }) => user).join(", ")
    yield* Console.log(
      `the pool has ${channels.standard} standard and ${channels.extended} extended channels of ${known}: ` +
        `${accepted} shares, ${blocks} blocks`
    )
  }).pipe(Effect.delay("2 seconds"), Effect.forever)
