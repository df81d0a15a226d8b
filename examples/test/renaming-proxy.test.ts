/** The example in a process of its own, between a pool and two miners in this one. */
import { assert, describe, it } from "@effect/vitest"
import { HashThreads, Miner, type MinerOptions } from "@sluice/miner"
import { shareSink } from "@sluice/mining-server"
import { Mining, WorkerIdentity } from "@sluice/protocol"
import { Pool, type PoolOptions } from "@sluice/pool"
import { TemplateClient, TemplateProvider } from "@sluice/template-provider"
import {
  formatServerAddress,
  MiningDialer,
  MiningListener,
  Plain,
  Security,
  Setup,
  Tcp,
  TemplateDialer
} from "@sluice/transport"
import { Effect, Fiber, Layer, Option, Stream } from "effect"
import { dialer, POOL_ADDRESS, quiet, startExample, templateProvider } from "./world.ts"

const templates = Layer.unwrap(
  Effect.map(TemplateProvider, ({ address }) =>
    TemplateClient.layer({ servers: [{ ...address, security: { _tag: "plain" } }] })
  )
).pipe(
  Layer.provide(Setup.client(TemplateDialer)),
  Layer.provide(Security.dialer()),
  Layer.provide(Tcp.dialer),
  Layer.provide(templateProvider)
)

const world = (options: Partial<PoolOptions> = {}) =>
  Layer.mergeAll(
    Pool.layer({ coinbaseAddress: POOL_ADDRESS, ...options }).pipe(
      Layer.provide(templates),
      Layer.provide(Setup.server(MiningListener)),
      Layer.provide(Plain.listener),
      Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 }))
    ),
    dialer,
    HashThreads.layer({ threads: 1 })
  ).pipe(Layer.provideMerge(quiet))

/** The proxy of the pool, and its address. */
const startProxy = Effect.gen(function* () {
  const { address } = yield* Pool
  const url = formatServerAddress({ ...address, security: { _tag: "plain" } })
  const { server } = yield* startExample("renaming-proxy", [url, "account", "0", "mallory"])
  return yield* server("miners connect to")
})

describe("renaming-proxy", () => {
  it.live("serves a standard and an extended miner at once, and the pool has their shares under the new names", () => {
    const shares = new Set<string>()
    const sink = shareSink(({ channel, worker }) => shares.add(`${channel.kind} ${channel.userIdentity} ${worker}`))
    return Effect.gen(function* () {
      const { events } = yield* Pool
      const devices = yield* events.pipe(
        Stream.filter((event) => event._tag === "ConnectionOpened"),
        Stream.map(({ device }) => device.vendor),
        Stream.take(2),
        Stream.runCollect,
        Effect.forkScoped({ startImmediately: true })
      )
      const proxy = yield* startProxy
      const mine = (options: Pick<MinerOptions, "user" | "channel" | "worker" | "device">) =>
        Miner.start({ ...options, servers: [proxy], nominalHashRate: 1_000, shares: 3 })
      const standard = yield* mine({ user: "one", channel: "standard", device: { vendor: "maker of one" } })
      const extended = yield* mine({
        user: "two",
        channel: "extended",
        worker: "shelf",
        device: { vendor: "maker of two" }
      })
      for (const { accepted } of yield* Effect.all([standard.finished, extended.finished], { concurrency: 2 })) {
        assert.isAtLeast(accepted, 3)
      }
      assert.sameMembers([...shares], ["standard account.one undefined", "extended account.two shelf"])
      assert.sameMembers(yield* Fiber.join(devices), ["maker of one", "maker of two"])
    }).pipe(Effect.scoped, Effect.provide(world({ shareSinks: [sink] })))
  })

  it.live("gives one user no channel, and serves the next user of the same connection", () =>
    Effect.gen(function* () {
      const { dial } = yield* MiningDialer
      const { receive, send } = yield* dial(yield* startProxy)
      const request = { nominalHashRate: 1_000, maxTarget: new Uint8Array(32).fill(0xff) }
      yield* send([
        { _tag: "OpenStandardMiningChannel", requestId: 1, userIdentity: "mallory", ...request },
        { _tag: "OpenStandardMiningChannel", requestId: 2, userIdentity: "alice", ...request }
      ])
      const [refusal, success] = yield* receive.pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(refusal, { _tag: "OpenMiningChannel.Error", requestId: 1, errorCode: "unknown-user" })
      assert.deepInclude(success, { _tag: "OpenStandardMiningChannel.Success", requestId: 2 })
      const { users } = yield* Pool
      const known = (yield* users({ limit: 10, offset: 0 })).users
      assert.deepStrictEqual(
        known.map(({ user }) => user),
        ["account"]
      )
    }).pipe(Effect.scoped, Effect.provide(world()))
  )

  it.live("asks the pool for what its miner asks, and answers as the pool answers", () =>
    Effect.gen(function* () {
      const proxy = yield* startProxy
      const { dial } = yield* MiningDialer
      const { setup } = yield* dial(proxy, {
        flags: Mining.REQUIRES_STANDARD_JOBS,
        extensions: [WorkerIdentity.extension]
      })
      assert.deepInclude(setup, { flags: Mining.REQUIRES_FIXED_VERSION, extensions: [WorkerIdentity.extension.id] })
      const error = yield* Effect.flip(dial(proxy, { flags: Mining.REQUIRES_VERSION_ROLLING }))
      assert.deepInclude(error._tag === "SetupError" && { ...error.reason }, {
        _tag: "RefusedByServer",
        errorCode: "unsupported-feature-flags",
        flags: Mining.REQUIRES_VERSION_ROLLING
      })
    }).pipe(Effect.scoped, Effect.provide(world({ versionRolling: false })))
  )

  it.live("keeps a miner that the pool sends elsewhere", () =>
    Effect.gen(function* () {
      const { events, reconnect } = yield* Pool
      const opened = yield* events.pipe(
        Stream.filter((event) => event._tag === "ConnectionOpened"),
        Stream.runHead,
        Effect.forkScoped({ startImmediately: true })
      )
      const { dial } = yield* MiningDialer
      const { receive } = yield* dial(yield* startProxy)
      const { connectionId } = Option.getOrThrow(yield* Fiber.join(opened))
      yield* reconnect(connectionId, { host: "elsewhere.example", port: 3333 })
      assert.deepStrictEqual(yield* receive.pipe(Stream.take(1), Stream.runCollect), [
        { _tag: "Reconnect", newHost: "", newPort: 0 }
      ])
    }).pipe(Effect.scoped, Effect.provide(world()))
  )
})
