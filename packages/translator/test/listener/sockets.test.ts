/** A V1 miner finds blocks of a development node, through a pool, a template provider and real sockets. */
import { expect, it } from "@effect/vitest"
import { DevNode } from "@sluice/dev-node"
import { Pool } from "@sluice/pool"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import { COINBASE_ADDRESS } from "@sluice/testing/pool-worlds"
import { Plain, Setup, Tcp, TemplateDialer, TemplateListener } from "@sluice/transport"
import { Effect, Fiber, Layer, Logger, Stream } from "effect"
import { Translator } from "../../src/index.ts"
import { AUTHORIZE, SUBSCRIBE, V1Miner } from "./v1-miner.ts"

/** One hash in 256 is a block. */
const BITS = 0x2000ffff
const BLOCKS = 3

/** Another one for each: a layer that is used twice is built once. */
const local = () => Tcp.listener({ host: "127.0.0.1", port: 0 })

const provider = TemplateProvider.layer().pipe(
  Layer.provide(Setup.server(TemplateListener)),
  Layer.provide(Plain.listener),
  Layer.provide(local()),
  Layer.provideMerge(DevNode.layerInMemory({ bits: BITS }))
)

const refuseUser = (identity: string) => (identity === "bad" ? ("unknown-user" as const) : undefined)

const pool = Layer.unwrap(
  Effect.map(TemplateProvider, ({ address }) =>
    Pool.layer({ coinbaseAddress: COINBASE_ADDRESS, policy: { minHashRate: 1, refuseUser } }).pipe(
      Layer.provide(TemplateClient.layer({ servers: [{ ...address, security: { _tag: "plain" } }] })),
      Layer.provide(Setup.client(TemplateDialer)),
      Layer.provide(Plain.dialer),
      Layer.provide(Tcp.dialer),
      Layer.provide(Translator.listener({ nominalHashRate: 25 })),
      Layer.provide(local())
    )
  )
)

const world = pool.pipe(Layer.provideMerge(provider), Layer.provideMerge(Tcp.dialer), Layer.provide(Logger.layer([])))

it.live.each([
  ["subscribes first, as cgminer does", [[SUBSCRIBE], [AUTHORIZE]]],
  ["authorizes first", [[AUTHORIZE], [SUBSCRIBE]]]
] as const)("a miner that %s finds blocks that the node accepts", ([, handshake]) =>
  Effect.gen(function* () {
    const node = yield* DevNode
    const accepted = yield* node.events.pipe(
      Stream.filter(({ _tag }) => _tag === "BlockAccepted"),
      Stream.take(BLOCKS),
      Stream.runCollect,
      Effect.forkChild({ startImmediately: true })
    )
    const { address } = yield* Pool
    const miner = yield* V1Miner.connect(address)
    for (const lines of handshake) {
      yield* miner.send(...lines)
      yield* miner.until(lines[0].id)
    }
    let found = 0
    while (accepted.pollUnsafe() === undefined) {
      // Each block brings a clean job: a share of the one before is stale, and may be on its way.
      if (miner.state.job === undefined) yield* miner.until("mining.notify")
      const { error } = yield* miner.submit(miner.state.mine())
      expect([null, 21]).toContain(Array.isArray(error) ? error[0] : error)
      if (error === null) found++
    }
    expect(yield* Fiber.join(accepted)).toHaveLength(BLOCKS)
    // A stale share may be one of the blocks.
    expect(found).toBeGreaterThan(0)
  }).pipe(Effect.provide(world), Effect.timeout("50 seconds"))
)

it.live("a worker gets its channel if its connection named one before that the pool refuses", () =>
  Effect.gen(function* () {
    const { address } = yield* Pool
    const miner = yield* V1Miner.connect(address)
    yield* miner.send(SUBSCRIBE, { ...AUTHORIZE, params: ["bad", "x"] }, { ...AUTHORIZE, id: 3 })
    expect(yield* miner.until(3)).toMatchObject({ result: true })
    yield* miner.until("mining.notify")
    for (let i = 0; i < 3; i++) yield* miner.submit(miner.state.mine())
  }).pipe(Effect.provide(world), Effect.timeout("10 seconds"))
)
