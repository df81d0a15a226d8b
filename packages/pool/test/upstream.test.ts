import { assert, it } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import { MiningListener, Noise, Plain, Setup, Tcp, TemplateDialer, TemplateListener } from "@sluice/transport"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { Pool } from "../src/index.ts"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { options, PoolAddress } from "@sluice/testing/pool-worlds"

it.live("miners lose no share when a template provider restarts, over TCP with Noise", () =>
  Effect.gen(function* () {
    const { publicKey, secretKey } = yield* AuthorityKey.generate
    const security = { _tag: "noise", authorityKey: publicKey } as const
    const listen = (port: number) =>
      Noise.responder().pipe(
        Layer.provide([Tcp.listener({ host: "127.0.0.1", port }), CertificateAuthority.layer({ secretKey })])
      )
    const node = yield* Layer.build(DevNode.layerInMemory({ transactionsPerSecond: 0 }))
    const startProvider = Effect.fnUntraced(function* (port: number) {
      const scope = yield* Scope.make()
      const layer = TemplateProvider.layer().pipe(
        Layer.provide([Setup.server(TemplateListener).pipe(Layer.provide(listen(port))), Layer.succeedContext(node)])
      )
      const { address } = Context.get(yield* Layer.buildWithScope(layer, scope), TemplateProvider)
      return { address, stop: Scope.close(scope, Exit.void) }
    })
    const first = yield* startProvider(0)
    const templates = TemplateClient.layer({
      servers: [{ ...first.address, security }],
      reconnecting: { firstDelay: 20, maxDelay: 50 }
    }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
    const { address, stats } = Context.get(
      yield* Layer.build(
        Pool.layer(options()).pipe(
          Layer.provide([templates, Setup.server(MiningListener).pipe(Layer.provide(listen(0)))])
        )
      ),
      Pool
    )
    const until = (state: "Connected" | "Disconnected") =>
      stats.pipe(Effect.delay(10), Effect.repeat({ until: ({ upstream }) => upstream._tag === state }))

    yield* Effect.gen(function* () {
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      const [early, late, again] = [miner.mine(), miner.mine(), miner.mine()]
      yield* client.send(early)
      yield* client.follow(miner, "SubmitShares.Success")

      yield* first.stop
      yield* until("Disconnected")
      yield* client.send(late)
      yield* client.follow(miner, "SubmitShares.Success")

      const second = yield* startProvider(first.address.port)
      yield* until("Connected")
      // The same previous hash from a new connection: what was mined on it before is still good, once.
      yield* client.follow(miner, "SetNewPrevHash")
      yield* client.send(again, { ...early, sequenceNumber: 9 }, miner.mine())
      assert.strictEqual((yield* client.follow(miner, "SubmitShares.Error")).errorCode, "duplicate-share")
      assert.strictEqual((yield* client.follow(miner, "SubmitShares.Success")).newSubmitsAcceptedCount, 2)
      yield* second.stop
    }).pipe(
      Effect.provide(
        Layer.merge(
          Noise.initiator().pipe(Layer.provide(Tcp.dialer)),
          Layer.succeed(PoolAddress, { ...address, security })
        )
      )
    )
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
)

it.live("miners lose no job and no share when one of two template providers is lost", () =>
  Effect.gen(function* () {
    const node = yield* Layer.build(DevNode.layerInMemory({ transactionsPerSecond: 0 }))
    const plain = { _tag: "plain" } as const
    const listen = Plain.listener.pipe(Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })))
    const startProvider = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const layer = TemplateProvider.layer().pipe(
        Layer.provide([Setup.server(TemplateListener).pipe(Layer.provide(listen)), Layer.succeedContext(node)])
      )
      const { address } = Context.get(yield* Layer.buildWithScope(layer, scope), TemplateProvider)
      return { server: { ...address, security: plain }, stop: Scope.close(scope, Exit.void) }
    })
    const [first, second] = [yield* startProvider, yield* startProvider]
    const templates = TemplateClient.layer({
      servers: [first.server, second.server]
    }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Plain.dialer), Layer.provide(Tcp.dialer))
    const { address, stats } = Context.get(
      yield* Layer.build(
        Pool.layer(options()).pipe(Layer.provide([templates, Setup.server(MiningListener).pipe(Layer.provide(listen))]))
      ),
      Pool
    )
    /** The provider whose templates miners work on. */
    const inUse = stats.pipe(
      Effect.delay(5),
      Effect.repeat({ until: ({ height, upstream }) => height > 0 && upstream._tag === "Connected" }),
      Effect.map(({ upstream }) =>
        upstream._tag === "Connected" && upstream.server.endsWith(`:${first.server.port}`) ? first : second
      )
    )
    yield* Effect.gen(function* () {
      const before = yield* inUse
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      const [early, late] = [miner.mine(), miner.mine()]
      yield* client.send(early)
      yield* client.follow(miner, "SubmitShares.Success")
      yield* before.stop
      // At once: the other one is connected already.
      yield* client.follow(miner, "SetNewPrevHash")
      assert.notStrictEqual(yield* inUse, before)
      yield* client.send(late, miner.mine())
      assert.strictEqual((yield* client.follow(miner, "SubmitShares.Success")).newSubmitsAcceptedCount, 2)
    }).pipe(
      Effect.provide(Plain.dialer),
      Effect.provide(Tcp.dialer),
      Effect.provideService(PoolAddress, { ...address, security: plain })
    )
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
)
