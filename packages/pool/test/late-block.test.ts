/** A block that comes when its previous hash is no longer in force, from the miner to the node, over TCP with Noise. */
import { assert, describe, it } from "@effect/vitest"
import { DevNode, solveTemplate } from "@sluice/dev-node"
import { NodeRpc } from "@sluice/node"
import { AuthorityKey, CertificateAuthority } from "@sluice/noise"
import { TemplateClient, TemplateProvider, type TemplateProviderEvent } from "@sluice/template-provider"
import {
  type Endpoint,
  MiningListener,
  Noise,
  type ServerAddress,
  Setup,
  Tcp,
  TemplateDialer,
  TemplateListener
} from "@sluice/transport"
import { Context, Effect, Layer, Logger, Queue, Stream } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { Pool } from "../src/index.ts"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { options, PoolAddress } from "@sluice/testing/pool-worlds"

/** Every second hash is a block. */
const BITS = 0x207fffff

type Submitted = TemplateProviderEvent & { readonly _tag: "BlockSubmitted" }

const makeWorld = Effect.gen(function* () {
  const { publicKey, secretKey } = yield* AuthorityKey.generate
  const listen = () =>
    Noise.responder().pipe(
      Layer.provide([Tcp.listener({ host: "127.0.0.1", port: 0 }), CertificateAuthority.layer({ secretKey })])
    )
  const serverAt = (address: Endpoint): ServerAddress => ({
    ...address,
    security: { _tag: "noise", authorityKey: publicKey }
  })

  /** A node with a template provider. */
  const startProvider = Effect.gen(function* () {
    const node = yield* Layer.build(DevNode.layerInMemory({ bits: BITS, transactionsPerSecond: 0 }))
    const rpc = Context.get(node, NodeRpc)
    const provider = Context.get(
      yield* Layer.build(
        TemplateProvider.layer().pipe(
          Layer.provide([Setup.server(TemplateListener).pipe(Layer.provide(listen())), Layer.succeedContext(node)])
        )
      ),
      TemplateProvider
    )
    const submitted = yield* Queue.unbounded<Submitted>()
    yield* provider.events.pipe(
      Stream.runForEach((event) => (event._tag === "BlockSubmitted" ? Queue.offer(submitted, event) : Effect.void)),
      Effect.forkScoped({ startImmediately: true })
    )
    /** Somebody else finds the next block. */
    const otherBlock = Effect.gen(function* () {
      const template = yield* rpc.getBlockTemplate()
      assert.isNull(yield* rpc.submitBlock(solveTemplate(template, { extranonce: 7n })!))
    })
    return { server: serverAt(provider.address), submitted, otherBlock, tip: Context.get(node, DevNode).tip }
  })

  const startPool = Effect.fnUntraced(function* (servers: NonEmptyReadonlyArray<ServerAddress>) {
    const source = TemplateClient.layer({
      servers,
      behindAfter: "20 millis"
    }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Noise.initiator()), Layer.provide(Tcp.dialer))
    const listener = Setup.server(MiningListener).pipe(Layer.provide(listen()))
    const pool = yield* Layer.build(Pool.layer(options()).pipe(Layer.provide([listener, source])))
    const { address, stats } = Context.get(pool, Pool)
    yield* stats.pipe(Effect.delay(5), Effect.repeat({ until: ({ height }) => height > 0 }))
    return yield* Layer.build(
      Layer.merge(
        Noise.initiator().pipe(Layer.provide(Tcp.dialer)),
        Layer.succeed(PoolAddress, PoolAddress.of(serverAt(address)))
      )
    )
  })
  return { startPool, startProvider }
})

const withLog = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
  return { lines, layer: Logger.layer([logger]) }
}

describe("a block that is late", () => {
  for (const request of [openStandard(), openExtended()]) {
    const { layer, lines } = withLog()
    it.live(`for the last two previous hashes reaches the node, which decides (${request._tag})`, () =>
      Effect.gen(function* () {
        const { startPool, startProvider } = yield* makeWorld
        const { otherBlock, server, submitted, tip } = yield* startProvider
        const pool = yield* startPool([server])
        yield* Effect.gen(function* () {
          const client = yield* TestClient.connect()
          const miner = yield* client.open(request)
          const late = [miner.mine(), miner.mine()]
          for (const [index, share] of late.entries()) {
            yield* otherBlock
            const { height } = yield* tip
            assert.strictEqual(height, index + 1)
            yield* client.until("SetNewPrevHash")
            yield* client.send(share)
            assert.strictEqual((yield* client.until("SubmitShares.Error")).errorCode, "stale-share")
            // It is on a branch that is no longer than the best one.
            const { hash, ...verdict } = yield* Queue.take(submitted)
            assert.deepStrictEqual(verdict, { _tag: "BlockSubmitted", height: 1, verdict: "inconclusive" })
            if (index > 0) continue
            assert.deepStrictEqual(
              lines.filter((line) => line.includes("submitted late")),
              [
                `Warn Block 1, ${hash}, of user.worker was submitted late: the share is refused as stale-share, but it ` +
                  `meets the target of its own previous hash; the node decides whether the block counts`
              ]
            )
          }
        }).pipe(Effect.scoped, Effect.provide(pool))
      }).pipe(Effect.scoped, Effect.provide(layer))
    )
  }

  it.live("goes to the provider of its template, although the pool now mines templates of another provider", () =>
    Effect.gen(function* () {
      const { startPool, startProvider } = yield* makeWorld
      const [first, second] = [yield* startProvider, yield* startProvider]
      const pool = yield* startPool([first.server, second.server])
      yield* Effect.gen(function* () {
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        const late = miner.mine()
        // The first node does not hear of it: its provider is behind by a block.
        yield* second.otherBlock
        yield* client.until("SetNewPrevHash")
        yield* client.send(late)
        assert.strictEqual((yield* client.until("SubmitShares.Error")).errorCode, "stale-share")
        const { hash, verdict } = yield* Queue.take(first.submitted)
        assert.strictEqual(verdict, "accepted")
        assert.strictEqual((yield* first.tip).hash, hash)
      }).pipe(Effect.scoped, Effect.provide(pool))
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
  )
})
