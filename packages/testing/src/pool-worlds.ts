/** A pool and the services around it, for tests: in memory under a test clock, or on real sockets with Noise. */
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import {
  type FrameDialer,
  Memory,
  MiningListener,
  Noise,
  Plain,
  type ServerAddress,
  Setup,
  Tcp
} from "@sluice/transport"
import type { TemplateDistribution } from "@sluice/protocol"
import { Context, Effect, Layer, Logger, Option } from "effect"
import { Pool, type PoolOptions } from "@sluice/pool"
import { type OptionError } from "@sluice/mining-server"
import { futureTemplate, newPrevHash } from "./templates.ts"

/** The address of a test's pool. */
export class PoolAddress extends Context.Service<PoolAddress, ServerAddress>()("test/PoolAddress") {}

export const COINBASE_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

/** Each read is acknowledged at once, so that tests need not let time pass. */
export const options = (fields: Partial<PoolOptions> = {}): PoolOptions => ({
  coinbaseAddress: COINBASE_ADDRESS,
  acknowledgeWithin: 0,
  ...fields,
  policy: { minHashRate: 1, ...fields.policy }
})

export type World = Pool | TemplateFeed | PoolAddress | FrameDialer

/** A pool with a feed for its templates, over any frames. */
export const fedPool = (fields?: Partial<PoolOptions>) =>
  Pool.layer(options(fields)).pipe(
    Layer.provideMerge(TemplateSourceMemory.layer),
    Layer.provide(Setup.server(MiningListener))
  )

/** In memory. */
export const memoryWorld = (
  fields?: Partial<PoolOptions>,
  network: Memory.NetworkOptions = {},
  logger?: Logger.Logger<unknown, unknown>
): Layer.Layer<World, OptionError> =>
  fedPool(fields).pipe(
    Layer.provide(Plain.listener),
    Layer.provideMerge(Plain.dialer),
    Layer.provideMerge(Layer.succeed(PoolAddress, { ...Memory.ADDRESS, security: { _tag: "plain" } })),
    Layer.provide(Memory.network(network)),
    Layer.provide(Logger.layer(logger === undefined ? [] : [logger]))
  )

/** On a free port of this machine, with Noise. */
export const tcpWorld = (fields?: Partial<PoolOptions>, transport: Noise.ResponderOptions = {}): Layer.Layer<World> =>
  Layer.unwrap(
    Effect.map(AuthorityKey.generate, ({ publicKey, secretKey }) =>
      Layer.effect(
        PoolAddress,
        Effect.map(Pool, ({ address }) =>
          PoolAddress.of({ ...address, security: { _tag: "noise", authorityKey: publicKey } })
        )
      ).pipe(
        Layer.provideMerge(fedPool(fields)),
        Layer.provide(Noise.responder(transport)),
        Layer.provide([Tcp.listener({ host: "127.0.0.1", port: 0 }), CertificateAuthority.layer({ secretKey })]),
        Layer.merge(Noise.initiator().pipe(Layer.provide(Tcp.dialer)))
      )
    )
  ).pipe(Layer.provide(Logger.layer([])), Layer.orDie)

/** Publishes messages of the template provider. */
export const publish = (...messages: Parameters<TemplateFeed["Service"]["publish"]>[0]) =>
  Effect.flatMap(TemplateFeed, (feed) => feed.publish(messages))

/** Publishes a template and its previous hash. */
export const newBlock = (number: number, fields?: Partial<TemplateDistribution.SetNewPrevHash>) =>
  publish(futureTemplate(number), newPrevHash(number, fields))

/** Publishes the first block's template. */
export const giveWork = newBlock(1)

/** Runs a pool on a free port with Noise and current work until the Scope closes. Gives its address. */
export const tcpPool = Effect.fnUntraced(function* (fields?: Partial<PoolOptions>) {
  const context = yield* Layer.build(tcpWorld(fields))
  yield* Effect.provideContext(newBlock(1, { headerTimestamp: Math.floor(Date.now() / 1000) }), context)
  return Context.get(context, PoolAddress)
})

/** The pool's counts, and those of all users and open channels. */
export const poolStats = Effect.gen(function* () {
  const { stats, user, users } = yield* Pool
  const all = { limit: Infinity, offset: 0 }
  const known = (yield* users(all)).users
  const each = yield* Effect.forEach(known, (one) => user(one.user, all))
  return {
    ...(yield* stats),
    users: known,
    channels: each.flatMap((found) => (Option.isSome(found) ? found.value.openChannels : []))
  }
})
