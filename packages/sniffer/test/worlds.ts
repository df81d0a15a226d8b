/** A pool and a miner with a sniffer between them: in memory under a test clock, or on real sockets with Noise. */
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { HashInProcess, Miner, type MinerOptions } from "@sluice/miner"
import type { PoolOptions } from "@sluice/pool"
import { Mining } from "@sluice/protocol"
import {
  type Endpoint,
  FrameListener,
  Memory,
  MiningDialer,
  Noise,
  Security,
  type ServerAddress,
  Setup,
  Tcp
} from "@sluice/transport"
import { Context, Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { giveWork, memoryWorld as memoryPool, tcpPool } from "@sluice/testing/pool-worlds"
import { relay, Sniffer, type SnifferOptions } from "../src/index.ts"

const poolOptions: Partial<PoolOptions> = { policy: { sharesPerMinute: 600, shareBatchSize: 1 } }

/** Every 16th hash is a share at 10 shares a second, and no block. */
const minerOptions = { user: "alice", nominalHashRate: 160 } as const

const miner = (server: ServerAddress, options: Partial<MinerOptions> = {}) => {
  const all: MinerOptions = { servers: [server], ...minerOptions, ...options }
  return Miner.layer(all).pipe(
    Layer.provide([Setup.client(MiningDialer), HashInProcess.layer({ hashesPerSlice: 16, slice: "10 millis" })])
  )
}

const freePort = { host: "127.0.0.1", port: 0 }

/** A pool on a free port with a key of its own, until the Scope closes. */
export const startPool = tcpPool(poolOptions)

/** A relay to the server, likewise. */
export const tcpRelay = Effect.fnUntraced(function* (
  server: ServerAddress,
  observe: NonNullable<SnifferOptions["observe"]>
) {
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const context = yield* Layer.build(
    Layer.merge(
      Noise.responder().pipe(Layer.provide([Tcp.listener(freePort), CertificateAuthority.layer({ secretKey })])),
      Sniffer.layer({ observe }).pipe(Layer.provide(Security.dialer()), Layer.provide(Tcp.dialer))
    ).pipe(Layer.provide(quiet))
  )
  yield* relay({ server }).pipe(Effect.provideContext(context), Effect.provide(quiet), Effect.forkScoped)
  return addressOf(Context.get(context, FrameListener).address, publicKey)
})

const addressOf = (address: Endpoint, authorityKey: Uint8Array): ServerAddress => ({
  ...address,
  security: { _tag: "noise", authorityKey }
})

/** A miner for the server, over TCP with Noise. */
export const minerOver = (server: ServerAddress, options?: Partial<MinerOptions>) =>
  miner(server, options).pipe(Layer.provide(Security.dialer()), Layer.provide(Tcp.dialer), Layer.provide(quiet))

const quiet = Logger.layer([])

/** In memory, with the sniffer in the place of the miner's dialer. */
export const memoryWorld = (
  options: SnifferOptions<Mining.ToServer, Mining.ToClient> = {},
  minerOptions: Partial<MinerOptions> = {}
) =>
  miner({ ...Memory.ADDRESS, security: { _tag: "plain" } }, minerOptions).pipe(
    Layer.provideMerge(Sniffer.layer({ protocol: Mining.protocol, ...options })),
    Layer.provideMerge(Layer.provideMerge(Layer.effectDiscard(giveWork), memoryPool(poolOptions))),
    Layer.provide(quiet)
  )

/** Lets the clock run, 10 ms at a time, until the effect is done. */
export const advanceUntil = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    for (let step = 0; step < 5000 && fiber.pollUnsafe() === undefined; step++) yield* TestClock.adjust("10 millis")
    return yield* Fiber.join(fiber)
  })
