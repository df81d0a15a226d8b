/** Two addresses that take all channels of a pool, over real sockets, and others that mine. */
import { assert, describe, it } from "@effect/vitest"
import { MiningListener, Plain, Setup, Tcp } from "@sluice/transport"
import { Context, Effect, Layer, Logger, Metric } from "effect"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { Pool } from "../src/index.ts"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, options, PoolAddress, poolStats } from "@sluice/testing/pool-worlds"

const EACH = 150
const CHANNELS = 300

const world = Layer.effect(
  PoolAddress,
  Effect.map(Pool, ({ address }) => PoolAddress.of({ ...address, security: { _tag: "plain" } }))
).pipe(
  Layer.provideMerge(Pool.layer(options({ maxChannelsInAll: CHANNELS }))),
  Layer.provideMerge(TemplateSourceMemory.layer),
  Layer.provide(Setup.server(MiningListener)),
  Layer.provide(Plain.listener),
  Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })),
  Layer.provide(Logger.layer([]))
)

/** Connects from this address until the Scope closes. */
const connectFrom = Effect.fnUntraced(function* (address: string) {
  const dialer = Plain.dialer.pipe(Layer.provide(Tcp.dialerWith({ localAddresses: [address] })))
  return yield* Effect.provideContext(
    TestClient.connect(),
    Context.merge(yield* Effect.context(), yield* Layer.build(dialer))
  )
})

describe("a pool whose channels are all taken by two addresses with 150 connections each", () => {
  it.live(
    "gives channels to a third address, and closes none that has shares",
    () =>
      Effect.gen(function* () {
        yield* giveWork
        const first = yield* connectFrom("127.0.0.4")
        const miner = yield* first.open(openExtended())
        yield* first.send(miner.mine())
        yield* first.expect("SubmitShares.Success")
        const flood: Array<TestClient> = []
        for (let count = 0; count < EACH; count++) {
          for (const address of ["127.0.0.2", "127.0.0.3"]) {
            const client = yield* connectFrom(address)
            flood.push(client)
            yield* client.send(openExtended(), openExtended({ requestId: 2 }))
            yield* client.next
          }
        }
        assert.strictEqual((yield* poolStats).channels.length, CHANNELS)
        const second = yield* connectFrom("127.0.0.5")
        for (let requestId = 1; requestId <= 3; requestId++) {
          yield* second.send(openExtended({ requestId }))
          assert.strictEqual((yield* second.until("OpenExtendedMiningChannel.Success")).requestId, requestId)
        }
        const closed = yield* flood[0]!.until("CloseChannel")
        assert.deepInclude(closed, { channelId: 2, reasonCode: "channel-gave-way" })
        yield* first.send(miner.mine())
        yield* first.expect("SubmitShares.Success")
        const { channels } = yield* poolStats
        assert.strictEqual(channels.length, CHANNELS)
        const gaveWay = (yield* Metric.snapshot).find(({ id }) => id === "sluice_pool_channels_gave_way_total")
        assert(gaveWay?.type === "Counter")
        assert.isAtLeast(gaveWay.state.count as number, 3)
      }).pipe(
        Effect.scoped,
        Effect.provide(world),
        Effect.provide(Logger.layer([])),
        Effect.provideService(Metric.MetricRegistry, new Map())
      ),
    120_000
  )
})
