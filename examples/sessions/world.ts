/**
 * What all sessions have: a development node, a template provider and a pool above, proxies between, devices below, and real sockets
 * between any two of them, with Noise where they speak Stratum V2.
 */
import { DevNode, exchangeBlocks } from "@sluice/dev-node"
import { DeclarationServer, TokenKey, Tokens } from "@sluice/job-declaration"
import { HashThreads, Miner } from "@sluice/miner"
import { payoutScript } from "@sluice/mining-server"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { Pool } from "@sluice/pool"
import { Declarations, type DeclaringProxyOptions, Proxy, type ProxyOptions } from "@sluice/proxy"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import {
  DeclarationDialer,
  DeclarationListener,
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
import { Translator } from "@sluice/translator"
import { Console, Context, Effect, Layer, References, Stream } from "effect"

/** An address of which nobody has the key. */
const POOL_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
/** A block takes about 131,000 hashes. */
const BLOCK_BITS = 0x1e7fffff
/** Hashes a second of a device, as servers are told. */
const HASH_RATE = 100_000

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

/** A listener for miners and proxies that speak Stratum V2. */
export const overNoise = Effect.map(keys, ({ addressOf, frames }) => ({
  addressOf,
  listener: Setup.server(MiningListener).pipe(Layer.provide(frames))
}))

/** A listener for miners and proxies that speak Stratum V1. `extranonce2Size` is the bytes of extranonce that they need. */
export const overV1 = (extranonce2Size: number) =>
  Effect.succeed({
    addressOf: (endpoint: Endpoint): ServerAddress => ({ ...endpoint, security: { _tag: "v1", tls: false } }),
    listener: Translator.listener({ extranonce2Size, nominalHashRate: HASH_RATE }).pipe(
      Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
    )
  })

/** Connects to servers of Stratum V2. */
const overTcp = Noise.initiator().pipe(Layer.provide(Tcp.dialer))

/** Connects to servers of both protocols. At a V1 server, each channel has a connection of its own. */
export const dialer = Translator.eitherDialer({ connectionPerChannel: true }).pipe(
  Layer.provide(Setup.client(MiningDialer)),
  Layer.provide(overTcp),
  Layer.provide(Tcp.dialer)
)

/** Starts the node, the template provider and a pool, whose miners speak Stratum V2 or V1. */
export const startPoolOver = Effect.fnUntraced(function* (miners: typeof overNoise | ReturnType<typeof overV1>) {
  const [forProvider, forPool] = [yield* keys, yield* miners]
  const above = yield* Layer.build(
    TemplateProvider.layer().pipe(
      Layer.provide(Setup.server(TemplateListener)),
      Layer.provide(forProvider.frames),
      Layer.provideMerge(DevNode.layerInMemory({ bits: BLOCK_BITS, transactionsPerSecond: 1 }))
    )
  )
  const templates = TemplateClient.layer({
    servers: [forProvider.addressOf(Context.get(above, TemplateProvider).address)]
  }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
  const pool = yield* Layer.build(
    Pool.layer({ coinbaseAddress: POOL_ADDRESS }).pipe(Layer.provide(templates), Layer.provide(forPool.listener))
  )
  const events = yield* Context.get(above, DevNode).subscribe
  const { address, stats, users } = Context.get(pool, Pool)
  const server = forPool.addressOf(address)
  yield* Console.log(`the pool listens at ${formatServerAddress(server)}`)
  return { server, stats, users, events }
})

/** The same for miners that speak Stratum V2. */
export const startPool = startPoolOver(overNoise)

/**
 * Starts a pool with a declarator, over a node of its own, and a miner's node and template provider. The nodes exchange blocks, but
 * each has transactions that the other has not.
 */
export const startDeclaredPool = Effect.gen(function* () {
  const genesisTime = Math.floor(Date.now() / 1000)
  const provider = Effect.gen(function* () {
    const { addressOf, frames } = yield* keys
    const context = yield* Layer.build(
      TemplateProvider.layer().pipe(
        Layer.provide(Setup.server(TemplateListener)),
        Layer.provide(frames),
        Layer.provideMerge(DevNode.layerInMemory({ bits: BLOCK_BITS, transactionsPerSecond: 1, genesisTime }))
      )
    )
    const templates = TemplateClient.layer({
      servers: [addressOf(Context.get(context, TemplateProvider).address)]
    }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(overTcp))
    return { context, node: Context.get(context, DevNode), templates }
  })
  const [above, miners] = [yield* provider, yield* provider]
  yield* exchangeBlocks(above.node, miners.node)
  const [forMiners, forDeclaring] = [yield* overNoise, yield* keys]
  const tokenKey = TokenKey(crypto.getRandomValues(new Uint8Array(32)))
  const scripts = [yield* Effect.fromResult(payoutScript(POOL_ADDRESS))]
  const declarator = yield* Layer.build(
    DeclarationServer.layer({ tokenKey, payout: () => ({ scripts, minPercent: 100 }) }).pipe(
      Layer.provide(Setup.server(DeclarationListener)),
      Layer.provide([forDeclaring.frames, Layer.succeedContext(above.context)])
    )
  )
  const pool = yield* Layer.build(
    Pool.layer({ coinbaseAddress: POOL_ADDRESS, customJobs: { tokens: new Tokens(tokenKey) } }).pipe(
      Layer.provide([above.templates, forMiners.listener])
    )
  )
  const events = yield* above.node.subscribe
  const { address, stats, users } = Context.get(pool, Pool)
  const server = forMiners.addressOf(address)
  yield* Console.log(`the pool listens at ${formatServerAddress(server)}`)
  return {
    server,
    declarator: forDeclaring.addressOf(Context.get(declarator, DeclarationServer).address),
    templates: miners.templates,
    stats,
    users,
    events
  }
})

/** Starts a proxy that declares jobs of its own templates, and gives its address for miners. */
export const startDeclaringProxy = Effect.fnUntraced(function* (
  miners: typeof overNoise | ReturnType<typeof overV1>,
  { templates, ...pool }: Effect.Success<typeof startDeclaredPool>,
  options: Omit<DeclaringProxyOptions, "upstreams">
) {
  const { addressOf, listener } = yield* miners
  const proxy = yield* Layer.build(
    Proxy.layerDeclared({ ...options, upstreams: [{ server: pool.server, declarator: pool.declarator }] }).pipe(
      Layer.provide([listener, dialer, templates, Setup.client(DeclarationDialer).pipe(Layer.provide(overTcp))])
    )
  )
  const server = addressOf(Context.get(proxy, Proxy).address)
  yield* Console.log(`the declarator listens at ${formatServerAddress(server)}`)
  return { server, declarations: Context.get(proxy, Declarations).stats }
})

/** Starts a proxy, and gives its address for miners. */
export const startProxy = Effect.fnUntraced(function* (
  name: string,
  miners: typeof overNoise | ReturnType<typeof overV1>,
  options: ProxyOptions
) {
  const { addressOf, listener } = yield* miners
  const proxy = yield* Layer.build(Proxy.layer(options).pipe(Layer.provide([listener, dialer])))
  const server = addressOf(Context.get(proxy, Proxy).address)
  yield* Console.log(`${name} listens at ${formatServerAddress(server)}`)
  return server
})

/** Starts devices of one thread each. They have standard channels, or speak Stratum V1 where their server does. */
export const startDevices = (server: ServerAddress, names: ReadonlyArray<string>) =>
  Effect.forEach(names, (user) =>
    Miner.start({
      servers: [server],
      user,
      nominalHashRate: HASH_RATE,
      channel: server.security._tag === "v1" ? "extended" : "standard"
    })
  ).pipe(Effect.provide(Layer.merge(dialer, HashThreads.layer({ threads: 1 }))))

/** The programs print what happens themselves; the log has warnings. */
export const withWarnings = Effect.provideService(References.MinimumLogLevel, "Warn")

/** Prints each block that the node accepts, and the pool's channels and users then. */
export const watch = ({ events, stats, users }: Pick<Effect.Success<typeof startPool>, "events" | "stats" | "users">) =>
  Stream.runForEach(Stream.fromSubscription(events), (event) =>
    Effect.gen(function* () {
      if (event._tag !== "BlockAccepted" || event.verdict !== null) return
      const { accepted, blocks, channels, connections } = yield* stats
      const known = (yield* users({ limit: 10, offset: 0 })).users.map(({ user }) => user).join(", ")
      yield* Console.log(`the node accepted block ${event.height}`)
      yield* Console.log(
        `the pool has ${channels.standard} standard and ${channels.extended} extended channels of ${known}: ` +
          `${accepted} shares, ${blocks} blocks, over ${connections} connection${connections === 1 ? "" : "s"}`
      )
    })
  )
