/**
 * Two development nodes that exchange blocks: one of pools with declarators, one of the miner, whose transactions only it has. All
 * servers are real, on one network in memory, and each can be killed.
 */
import { DevNode, type DevNodeCalls, exchangeBlocks } from "@sluice/dev-node"
import { DeclarationServer, TokenKey, Tokens } from "@sluice/job-declaration"
import { NodeNotifications, NodeRpc } from "@sluice/node"
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import { ChannelClient } from "@sluice/testing/channel-client"
import { PoolAddress } from "@sluice/testing/pool-worlds"
import {
  DeclarationDialer,
  DeclarationListener,
  Memory,
  MiningDialer,
  MiningListener,
  Plain,
  type ServerAddress,
  Setup,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { Declarations, type DeclaredOptions, Proxy, Upstreams } from "../../src/index.ts"

export const address = (port: number): ServerAddress => ({ host: "memory", port, security: { _tag: "plain" } })
const PROXY = address(90)
const MINERS_PROVIDER = address(91)
export const SOLO_ADDRESS = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"

/** The pools' outputs differ by the pool. */
export const POOL_ADDRESSES = [
  "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
  "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
]

export interface Running {
  readonly kill: Effect.Effect<void>
}

/** Starts a layer in a Scope of its own. */
const started = Effect.fnUntraced(function* <A, E>(layer: Layer.Layer<A, E>) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(layer, scope)
  return { context, kill: Scope.close(scope, Exit.void) }
})

export const makeWorld = Effect.fnUntraced(function* (log: Array<string> = []) {
  const network = Memory.make()
  const quiet = Logger.layer([])
  const node = Effect.map(
    Layer.build(DevNode.layer({ bits: 0x207fffff, transactionsPerSecond: 0, genesisTime: 1_700_000_000 })),
    (context) => Context.get(context, DevNode)
  )
  const [pools, miners] = [yield* node, yield* node]
  yield* exchangeBlocks(pools, miners)
  const services = (calls: DevNodeCalls): Layer.Layer<NodeRpc | NodeNotifications> =>
    Layer.mergeAll(DevNode.nodeRpc, DevNode.nodeNotifications).pipe(Layer.provide(Layer.succeed(DevNode, calls)))
  const listening = (at: ServerAddress) => Plain.listener.pipe(Layer.provide(Layer.orDie(network.listener(at))))
  const dialing = Plain.dialer.pipe(Layer.provide(network.dialer))

  const startProvider = (calls: DevNodeCalls, at: ServerAddress) =>
    started(
      TemplateProvider.layer().pipe(
        Layer.provide(Setup.server(TemplateListener)),
        Layer.provide([listening(at), services(calls)]),
        Layer.provide(quiet)
      )
    )
  const templatesOf = (at: ServerAddress) =>
    TemplateClient.layer({ servers: [at] }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(dialing))

  const provider = yield* startProvider(miners, MINERS_PROVIDER)

  /** A pool at `port`, its template provider beside it, and its declarator at `port + 1`. */
  const startPool = Effect.fnUntraced(function* (
    port: number,
    {
      coinbaseOnly = false,
      minPayoutPercent = 100,
      others = [],
      which = 0
    }: {
      readonly coinbaseOnly?: boolean
      readonly minPayoutPercent?: number
      /** The pool pays these beside its own address. */
      readonly others?: ReadonlyArray<PayoutShare>
      readonly which?: number
    } = {}
  ) {
    const tokenKey = TokenKey(new Uint8Array(32).fill(port))
    const above = yield* startProvider(pools, address(port + 2))
    const to = POOL_ADDRESSES[which]!
    const percent = others.reduce((left, share) => left - share.percent, 100)
    const pool: PoolOptions = {
      ...(others.length === 0 ? { coinbaseAddress: to } : { coinbaseOutputs: [{ to, percent }, ...others] }),
      tag: `pool ${port}`,
      policy: { minHashRate: 1 },
      customJobs: { tokens: new Tokens(tokenKey), minPayoutPercent }
    }
    const scripts = yield* Effect.forEach([to, ...others.map((share) => share.to)], scriptOf)
    const declarator = { tokenKey, payout: () => ({ scripts, minPercent: minPayoutPercent }) }
    const running = yield* started(
      Layer.mergeAll(
        Pool.layer(pool).pipe(
          Layer.provide(templatesOf(address(port + 2))),
          Layer.provide(Setup.server(MiningListener)),
          Layer.provide(listening(address(port)))
        ),
        (coinbaseOnly
          ? DeclarationServer.layerCoinbaseOnly(declarator)
          : DeclarationServer.layer(declarator).pipe(Layer.provide(services(pools)))
        ).pipe(Layer.provide(Setup.server(DeclarationListener)), Layer.provide(listening(address(port + 1))))
      ).pipe(Layer.provide(quiet))
    )
    return {
      service: Context.get(running.context, Pool),
      declarator: Context.get(running.context, DeclarationServer),
      kill: Effect.andThen(running.kill, above.kill)
    }
  })

  const startProxy = Effect.fnUntraced(function* (
    given: Omit<DeclaredOptions, "upstreams"> & Pick<DeclaredOptions, "upstreams">
  ) {
    const logger = Logger.make<unknown, void>(({ message }) => {
      log.push(String(Array.isArray(message) ? message[0] : message))
    })
    const running = yield* started(
      Proxy.layerDeclared({ acknowledgeWithin: 0, ...given, policy: { minHashRate: 1 } }).pipe(
        Layer.provide([
          Setup.server(MiningListener).pipe(Layer.provide(listening(PROXY))),
          Setup.client(MiningDialer).pipe(Layer.provide(dialing)),
          Setup.client(DeclarationDialer).pipe(Layer.provide(dialing)),
          templatesOf(MINERS_PROVIDER)
        ]),
        Layer.provide(Logger.layer([logger]))
      )
    )
    return {
      service: Context.get(running.context, Proxy),
      upstreams: Context.get(running.context, Upstreams).stats,
      declarations: Context.get(running.context, Declarations).stats
    }
  })

  const clients = yield* Layer.build(Layer.merge(dialing, Layer.succeed(PoolAddress, PROXY)))
  return {
    log,
    pools,
    miners,
    provider,
    startPool,
    startProxy,
    connect: (...setup: Parameters<typeof ChannelClient.connect>) =>
      Effect.provideContext(ChannelClient.connect(...setup), clients)
  }
})

import { payoutScript, type PayoutShare } from "@sluice/mining-server"

const scriptOf = (to: string) => Effect.fromResult(payoutScript(to))
