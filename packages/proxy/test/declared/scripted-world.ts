/** A proxy that declares its jobs, between scripted pools, declarators and templates, in memory under a test clock. */
import { TemplateFeed, type TemplateMessage, TemplateSourceMemory } from "@sluice/template-provider"
import type { TemplateDistribution } from "@sluice/protocol"
import { ChannelClient } from "@sluice/testing/channel-client"
import { TestClient } from "@sluice/testing/pool-client"
import { PoolAddress } from "@sluice/testing/pool-worlds"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash, NO_TARGET, template } from "@sluice/testing/templates"
import {
  DeclarationDialer,
  DialError,
  Memory,
  MiningDialer,
  MiningListener,
  Plain,
  type ServerAddress,
  Setup
} from "@sluice/transport"
import { Context, Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Declarations, type DeclaredOptions, Proxy, Upstreams } from "../../src/index.ts"
import { addressOf, PoolNetwork, type PoolOptions, ScriptedPool } from "../scripted-pool.ts"
import { ScriptedDeclarator, script } from "./scripted-declarator.ts"

export const SOLO_ADDRESS = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
const PROXY: ServerAddress = { host: "memory", port: 99, security: { _tag: "plain" } }

/** Lets servers answer one another. */
export const settled = Effect.repeat(TestClock.adjust(1), { times: 30 })

/** Lets time pass in steps of a second. */
export const wait = (seconds: number) => Effect.repeat(TestClock.adjust("1 second"), { times: seconds - 1 })

export interface Pair {
  readonly pool: ScriptedPool
  readonly declarator: ScriptedDeclarator
  readonly port: number
}

/** `declared` pools with declarators, then `plain` ones without. */
export const makeScripted = Effect.fnUntraced(function* (
  { declared = 1, plain = 0 }: { readonly declared?: number; readonly plain?: number } = {},
  options: Partial<DeclaredOptions> = {},
  poolOptions: PoolOptions = {}
) {
  const network = new PoolNetwork()
  const memory = Memory.make()
  const log: Array<string> = []
  const pairs = Array.from({ length: declared }, (_, index): Pair => {
    const pool = new ScriptedPool({ target: ANY_TARGET, prefix: Uint8Array.of(0xa0 + index, 1), ...poolOptions })
    const declarator = new ScriptedDeclarator()
    declarator.outputs = [{ value: 0n, script: script(1 + index) }]
    network.listen(1 + index, pool)
    return { pool, declarator, port: 1 + index }
  })
  const pools = Array.from({ length: plain }, (_, index) => {
    const pool = new ScriptedPool({ target: ANY_TARGET, prefix: Uint8Array.of(0xc0 + index, 1) })
    pool.height = 159
    pool.makeFuture()
    pool.makeBlock(0)
    network.listen(11 + index, pool)
    return { pool, port: 11 + index }
  })
  const upstreams = [
    ...pairs.map(({ port }) => ({ server: addressOf(port), declarator: addressOf(100 + port) })),
    ...pools.map(({ port }) => ({ server: addressOf(port) }))
  ]
  const context = yield* Layer.build(
    Proxy.layerDeclared({
      upstreams: upstreams as unknown as DeclaredOptions["upstreams"],
      declareInterval: 0,
      minFeeDelta: 0n,
      acknowledgeWithin: 0,
      ...options,
      policy: { minHashRate: 1 }
    }).pipe(
      Layer.provide([
        Layer.succeed(MiningDialer, network.dialer),
        Layer.succeed(DeclarationDialer, {
          dial: (server, setup) => {
            const pair = pairs.find(({ port }) => 100 + port === server.port)
            return pair === undefined
              ? Effect.fail(new DialError({ endpoint: server, code: "ECONNREFUSED" }))
              : pair.declarator.dialer.dial(server, setup)
          }
        }),
        Setup.server(MiningListener).pipe(
          Layer.provide(Plain.listener),
          Layer.provide(Layer.orDie(memory.listener(PROXY)))
        )
      ]),
      Layer.provideMerge(TemplateSourceMemory.layer),
      Layer.provide(
        Logger.layer([
          Logger.make<unknown, void>(({ message }) => {
            log.push(String(Array.isArray(message) ? message[0] : message))
          })
        ])
      )
    )
  )
  const feed = Context.get(context, TemplateFeed)
  const clients = yield* Layer.build(
    Layer.merge(Plain.dialer.pipe(Layer.provide(memory.dialer)), Layer.succeed(PoolAddress, PROXY))
  )
  let lastId = 0
  let blocks = 0
  const next = (of: typeof template, fields: Partial<TemplateDistribution.NewTemplate> = {}) =>
    of(++lastId, { merklePath: [bytes(lastId % 256), bytes(lastId >>> 8)], ...fields })
  const publish = (...messages: ReadonlyArray<TemplateMessage>) =>
    Effect.andThen(Effect.orDie(feed.publish(messages)), settled)
  yield* settled
  return {
    log,
    network,
    pairs,
    pools,
    feed,
    upstreams: Context.get(context, Upstreams).stats,
    declarations: Context.get(context, Declarations).stats,
    /** Which source is in use, by its place in the list; -1 for none. */
    active: Effect.map(Context.get(context, Upstreams).stats, (all) =>
      all.findIndex(({ state }) => state === "active")
    ),
    /** A new block. By default no hash is one. */
    newBlock: (fields: Partial<TemplateDistribution.SetNewPrevHash> = {}) =>
      Effect.suspend(() => {
        const future = next(futureTemplate)
        const prevHash = bytes(7).with(0, ++blocks % 256)
        return publish(future, newPrevHash(lastId, { prevHash, target: NO_TARGET, nbits: 0x03000001, ...fields }))
      }),
    newTemplate: (fields?: Partial<TemplateDistribution.NewTemplate>) =>
      Effect.suspend(() => publish(next(template, fields))),
    publish,
    connect: Effect.provideContext(ChannelClient.connect(), clients),
    connectRaw: Effect.provideContext(TestClient.connect(), clients)
  }
})

/** Opens a channel and mines on it. */
export const miner = Effect.fnUntraced(function* (world: Effect.Success<ReturnType<typeof makeScripted>>) {
  const client = yield* world.connect
  yield* client.open("extended")
  yield* settled
  return client
})
