/** V1 miners below a pool that knows nothing of V1, over a network in memory. */
import { describe, expect, it, layer } from "@effect/vitest"
import { Pool } from "@sluice/pool"
import { TemplateSourceMemory } from "@sluice/template-provider"
import { HASH_RATE, openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, newBlock, options, PoolAddress, poolStats, publish } from "@sluice/testing/pool-worlds"
import { template } from "@sluice/testing/templates"
import { Memory, mergeListeners, MiningListener, Plain, Setup } from "@sluice/transport"
import { Duration, Effect, Exit, Fiber, Layer, Logger, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Translator } from "../../src/index.ts"
import { AUTHORIZE, SUBSCRIBE, V1Miner } from "./v1-miner.ts"
import { v1World } from "./worlds.ts"

const refuseUser = (identity: string) => (identity === "bad" ? ("unknown-user" as const) : undefined)
const REFUSED_FIRST = [SUBSCRIBE, { ...AUTHORIZE, params: ["bad", "x"] }, { ...AUTHORIZE, id: 3 }]

const logger = (lines: Array<string>) => Logger.make(({ message }) => void lines.push(String(message)))

describe("a pool with V1 miners", () => {
  const lines: Array<string> = []

  it.effect("accepts shares of a miner that subscribes and authorizes at once", () =>
    Effect.gen(function* () {
      yield* giveWork
      const miner = yield* V1Miner.connect()
      yield* miner.work
      for (let i = 0; i < 25; i++) {
        expect(yield* miner.submit(miner.state.mine())).toMatchObject({ result: true, error: null })
      }
      const { accepted, channels } = yield* poolStats
      expect(accepted).toBe(25)
      expect(channels).toMatchObject([{ channel: { userIdentity: "alice.rig", kind: "extended" } }])
    }).pipe(Effect.provide(v1World()))
  )

  it.effect("gives a miner new jobs, and takes shares of old ones until the next block", () =>
    Effect.gen(function* () {
      yield* giveWork
      const miner = yield* V1Miner.connect()
      yield* miner.work
      const first = miner.state.job!
      yield* publish(template(2))
      yield* miner.until("mining.notify")
      expect(miner.state.job!.clean).toBe(false)
      expect(yield* miner.submit(miner.state.mine({ job: first }))).toMatchObject({ result: true })
      const stale = miner.state.mine()
      yield* newBlock(3)
      yield* miner.until("mining.notify")
      expect(miner.state.job!.clean).toBe(true)
      expect(yield* miner.submit(stale)).toMatchObject({ error: [21, "Stale share", null] })
      expect(yield* miner.submit(miner.state.mine())).toMatchObject({ result: true })
    }).pipe(Effect.provide(v1World()))
  )

  it.effect("opens the channel of a worker whose connection named one before that the pool refuses", () =>
    Effect.gen(function* () {
      yield* giveWork
      const miner = yield* V1Miner.connect()
      yield* miner.send(...REFUSED_FIRST)
      expect(yield* miner.until(3)).toMatchObject({ result: true })
      yield* miner.until("mining.notify")
      expect(yield* miner.submit(miner.state.mine())).toMatchObject({ result: true })
    }).pipe(Effect.provide(v1World({ policy: { refuseUser } })))
  )

  it.effect("forgets a miner that goes", () =>
    Effect.gen(function* () {
      yield* giveWork
      const scope = yield* Scope.make()
      const miner = yield* Scope.provide(V1Miner.connect(), scope)
      yield* miner.work
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      const { connections } = yield* poolStats
      expect(connections).toBe(0)
    }).pipe(Effect.provide(v1World()))
  )

  it.effect("sends away a miner that names no worker within the channel timeout", () =>
    Effect.gen(function* () {
      const miner = yield* V1Miner.connect()
      yield* miner.send(SUBSCRIBE)
      expect(yield* miner.until(1)).toMatchObject({ error: null })
      yield* TestClock.adjust("70 seconds")
      yield* miner.ended
    }).pipe(Effect.provide(v1World()))
  )

  it.effect(
    "sends away a miner that does not know set_extranonce when its channel gets another prefix, and says why",
    () =>
      Effect.gen(function* () {
        yield* giveWork
        const miner = yield* V1Miner.connect()
        yield* miner.work
        const { changeExtranoncePrefix, events } = yield* Pool
        const closed = yield* events.pipe(
          Stream.filter((event) => event._tag === "ConnectionClosed"),
          Stream.runHead,
          Effect.forkChild({ startImmediately: true })
        )
        yield* changeExtranoncePrefix({ connectionId: 1, channelId: 2 })
        expect(yield* miner.until("client.reconnect")).toMatchObject({ id: null })
        yield* miner.ended
        expect(yield* Fiber.join(closed)).toMatchObject({ value: { reason: "the connection was ended" } })
        expect(lines.join("\n")).toContain("the miner does not understand: it is to connect again")
      }).pipe(Effect.provide(v1World({}, {}, logger(lines))))
  )

  it.effect("keeps a miner whose firmware takes a new prefix as V1 only", () =>
    Effect.gen(function* () {
      yield* giveWork
      const miner = yield* V1Miner.connect()
      // It names no worker before its subscribe is answered, so that the prefix is in its jobs.
      yield* miner.send({ ...SUBSCRIBE, params: ["bitaxe/BM1370/v2.8.1"] })
      yield* miner.until(1)
      yield* miner.send(AUTHORIZE)
      yield* miner.until("mining.notify")
      const { changeExtranoncePrefix } = yield* Pool
      yield* changeExtranoncePrefix({ connectionId: 1, channelId: 2 })
      yield* newBlock(3)
      yield* miner.until("mining.notify")
      expect(yield* miner.submit(miner.state.mine())).toMatchObject({ result: true })
    }).pipe(Effect.provide(v1World()))
  )

  it.effect("has a line for each miner every 30 seconds", () =>
    Effect.gen(function* () {
      yield* giveWork
      const miner = yield* V1Miner.connect()
      yield* miner.work
      yield* TestClock.adjust("30 seconds")
      expect(yield* miner.until("mining.ping")).toMatchObject({ id: null })
    }).pipe(Effect.provide(v1World()))
  )
})

describe("what an operator reads", () => {
  const lines: Array<string> = []
  layer(v1World({ policy: { refuseUser } as never }, {}, logger(lines)))((it) => {
    it.effect("names the miner, what it did and why that was refused", () =>
      Effect.gen(function* () {
        const miner = yield* V1Miner.connect()
        yield* miner.send(SUBSCRIBE, { ...AUTHORIZE, params: ["bad", "x"] })
        expect(yield* miner.until(2)).toMatchObject({ error: [24, expect.stringContaining("unknown user"), null] })
        yield* miner.send('{"id": 3, "method": "mining.submit", "params": ["a"]}')
        yield* miner.until(3)
        yield* miner.send("GET / HTTP/1.1")
        yield* miner.ended
        yield* TestClock.adjust("11 seconds")
        const log = lines.join("\n")
        expect(log).toMatch(/memory-client:\d+ \(test\): mining.authorize of bad is refused: unknown user/)
        expect(log).toContain("mining.submit is refused: mining.submit: jobId: expected")
        expect(log).toMatch(/The connection from memory-client:\d+ ended: expected a JSON object.*GET \/ HTTP/)
      })
    )
  })
})

describe("one pool for V2 and V1 miners", () => {
  const network = Memory.make()
  const v2 = { host: "memory", port: 1 }
  const v1 = { host: "memory", port: 2 }
  const world = Pool.layer(options()).pipe(
    Layer.provideMerge(TemplateSourceMemory.layer),
    Layer.provide(
      mergeListeners(MiningListener, [
        Setup.server(MiningListener).pipe(Layer.provide(Plain.listener), Layer.provide(network.listener(v2))),
        Translator.listener({ nominalHashRate: HASH_RATE }).pipe(Layer.provide(network.listener(v1)))
      ])
    ),
    Layer.provideMerge(Plain.dialer),
    Layer.provideMerge(network.dialer),
    Layer.provideMerge(Layer.succeed(PoolAddress, { ...v2, security: { _tag: "plain" } })),
    Layer.provide(Logger.layer([]))
  )
  layer(world)((it) => {
    it.effect("gives each prefixes of its own, and counts both", () =>
      Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const modern = yield* client.open(openExtended({ userIdentity: "alice.modern" }))
        const old = yield* V1Miner.connect(v1)
        yield* old.work
        yield* client.send(modern.mine())
        yield* client.expect("SubmitShares.Success")
        expect(yield* old.submit(old.state.mine())).toMatchObject({ result: true })
        const { channels } = yield* poolStats
        expect(channels.map(({ channel }) => channel.userIdentity).toSorted()).toEqual(["alice.modern", "alice.rig"])
      })
    )
  })
})

it.effect("a pool that stops tells its V1 miners to connect again", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Scope.provide(Layer.build(v1World({ reconnectTo: { host: "", port: 0 } })), scope)
    yield* Effect.gen(function* () {
      yield* giveWork
      const miner = yield* V1Miner.connect()
      yield* miner.work
      yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(Duration.seconds(5))
      expect(yield* miner.until("client.reconnect")).toMatchObject({ id: null, params: [] })
    }).pipe(Effect.provideContext(context), Effect.scoped)
  })
)

it.effect("an option that is out of range is named", () =>
  Effect.gen(function* () {
    const of = (options: Translator.ListenerOptions) =>
      Effect.flip(Layer.build(Translator.listener(options)).pipe(Effect.provide(Memory.network())))
    expect((yield* of({ extranonce2Size: 9 })).message).toBe("extranonce2Size is a whole number from 2 to 8; got 9")
    expect((yield* of({ versionMask: 1 })).message).toContain("versionMask is within 1fffffe0")
    expect((yield* of({ nominalHashRate: 0 })).message).toContain("nominalHashRate")
    expect((yield* of({ maxErrorsPerSecond: 0 })).message).toContain("maxErrorsPerSecond")
  }).pipe(Effect.scoped)
)
