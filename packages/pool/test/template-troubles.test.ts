/** Unusual messages of a template provider, and the messages that miners get because of them. */
import { assert, describe, it } from "@effect/vitest"
import { TemplateDistribution } from "@sluice/protocol"
import { TemplateClient, TemplateFeed, type TemplateMessage } from "@sluice/template-provider"
import { MiningListener, Plain, Setup, Tcp, TemplateDialer, TemplateListener } from "@sluice/transport"
import { Context, Effect, Layer, Logger, Metric, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Pool } from "../src/index.ts"
import { type MiningServerEvent } from "@sluice/mining-server"
import { ANY_TARGET, bytes, COMMITMENT_OUTPUT, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, options, PoolAddress, publish } from "@sluice/testing/pool-worlds"

const { MAX_FUTURE_TEMPLATES } = TemplateDistribution

/** As many as are kept. */
const futures = (first: number) =>
  Array.from({ length: MAX_FUTURE_TEMPLATES }, (_, index) => futureTemplate(first + index))

/** The value of the pool's metric. */
const ignoredTemplates = Effect.map(Metric.snapshot, (metrics) => {
  const found = metrics.find(({ id }) => id === "sluice_pool_templates_ignored_total")
  return found?.type === "Counter" ? Number(found.state.count) : undefined
})

describe("a SetNewPrevHash", () => {
  it.effect("that names the oldest of all kept future templates is announced", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* publish(...futures(2))
      yield* publish(newPrevHash(2))
      const { jobId, prevHash } = yield* client.follow(miner, "SetNewPrevHash")
      assert.deepStrictEqual([jobId, prevHash], [miner.jobId, bytes(2)])
      yield* client.send(miner.mine())
      yield* client.follow(miner, "SubmitShares.Success")
      // A miner that connects in between gets all of them, too.
      yield* publish(...futures(200))
      const late = yield* TestClient.connect()
      const other = yield* late.open(openExtended())
      yield* publish(newPrevHash(200))
      yield* late.follow(other, "SetNewPrevHash")
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("that names an old future template repeats its job first, because miners keep fewer future jobs", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      yield* client.open(openExtended())
      for (let id = 2; id < 19; id++) yield* publish(futureTemplate(id))
      yield* publish(newPrevHash(2))
      const jobs: Array<number> = []
      let next = yield* client.next
      for (; next._tag === "NewExtendedMiningJob"; next = yield* client.next) jobs.push(next.jobId)
      assert.strictEqual(next._tag === "SetNewPrevHash" && next.jobId, jobs.at(-1))
      assert.strictEqual(jobs.length, 18)
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("that repeats the one in force sends miners nothing", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* publish(newPrevHash(1))
      yield* publish(newPrevHash(1, { headerTimestamp: 1_800_000_100 }))
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* client.waiting, 0)
      assert.strictEqual(yield* ignoredTemplates, 0)
      yield* client.send(miner.mine())
      yield* client.expect("SubmitShares.Success")
    }).pipe(Effect.provide(memoryWorld()))
  )

  for (const request of [openExtended(), openStandard()]) {
    it.effect(`that puts the template in force on another previous hash moves miners there (${request._tag})`, () =>
      Effect.gen(function* () {
        yield* giveWork
        yield* publish(template(2))
        const client = yield* TestClient.connect()
        const miner = yield* client.open(request)
        const stale = miner.mine()
        yield* publish(newPrevHash(2, { prevHash: bytes(0xaa), target: ANY_TARGET, nbits: 0x207fffff }))
        assert.deepInclude(yield* client.follow(miner, "SetNewPrevHash"), { prevHash: bytes(0xaa), nbits: 0x207fffff })
        assert.notStrictEqual(miner.jobId, stale.jobId)
        yield* client.send(stale, miner.mine())
        assert.strictEqual((yield* client.follow(miner, "SubmitShares.Error")).errorCode, "stale-share")
        yield* client.follow(miner, "SubmitShares.Success")
        assert.strictEqual((yield* Queue.take((yield* TemplateFeed).solutions)).templateId, 2n)
      }).pipe(Effect.provide(memoryWorld()))
    )
  }
})

describe("a template whose outputs are not as many as it counts", () => {
  it.effect("makes no job: each is counted, and many of them make one log line", () => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
    return Effect.gen(function* () {
      const events: Array<MiningServerEvent> = []
      yield* (yield* Pool).events.pipe(
        Stream.runForEach((event) => Effect.sync(() => events.push(event))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* giveWork
      const client = yield* TestClient.connect()
      yield* client.open(openExtended())
      for (let id = 2; id < 12; id++) yield* publish(template(id, { coinbaseTxOutputsCount: 3 }))
      const counted = Uint8Array.of(1, ...COMMITMENT_OUTPUT)
      yield* publish(futureTemplate(12, { coinbaseTxOutputs: counted }), newPrevHash(12))
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* client.waiting, 0)
      const ignored = events.filter(({ _tag }) => _tag === "WorkIgnored")
      assert.strictEqual(ignored.length, 12)
      assert.strictEqual(yield* ignoredTemplates, 12)
      const told = lines.filter((line) => line.includes("makes no work"))
      assert.strictEqual(told.length, 2)
      assert.match(
        told[0]!,
        /template 2 makes no coinbase: .* 3 outputs: .* byte 47: an output.s value has 8 bytes, of which 0 are there/
      )
      assert.match(told[1]!, /SetNewPrevHash names template 12, which has no future job.*stay on the previous block/)
    }).pipe(Effect.provide(memoryWorld({}, {}, logger)))
  })
})

it.live(
  "over TCP a provider's odd messages cost miners nothing: bad outputs, repeats, seventeen future templates",
  () =>
    Effect.gen(function* () {
      const plain = { _tag: "plain" } as const
      const listen = Plain.listener.pipe(Layer.provide(Tcp.listener({ host: "127.0.0.1", port: 0 })))
      const outbox = yield* Queue.unbounded<ReadonlyArray<TemplateMessage>>()
      let connections = 0
      const provider = Context.get(
        yield* Layer.build(Setup.server(TemplateListener).pipe(Layer.provide(listen))),
        TemplateListener
      )
      yield* Effect.forkScoped(
        provider.run((connection) => {
          connections++
          return Effect.raceFirst(
            Stream.runDrain(connection.receive),
            Queue.take(outbox).pipe(
              Effect.flatMap((messages) => connection.send(messages)),
              Effect.forever
            )
          )
        })
      )
      const say = (...messages: ReadonlyArray<TemplateMessage>) => Queue.offer(outbox, messages)
      const templates = TemplateClient.layer({
        servers: [{ ...provider.address, security: plain }]
      }).pipe(Layer.provide(Setup.client(TemplateDialer)), Layer.provide(Plain.dialer), Layer.provide(Tcp.dialer))
      const { address } = Context.get(
        yield* Layer.build(
          Pool.layer(options()).pipe(
            Layer.provide([templates, Setup.server(MiningListener).pipe(Layer.provide(listen))])
          )
        ),
        Pool
      )
      yield* Effect.gen(function* () {
        yield* say(futureTemplate(1), newPrevHash(1))
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* say(newPrevHash(1), template(2, { coinbaseTxOutputsCount: 3 }))
        yield* say(...Array.from({ length: 17 }, (_, index) => futureTemplate(3 + index)), newPrevHash(3))
        assert.deepStrictEqual((yield* client.follow(miner, "SetNewPrevHash")).prevHash, bytes(3))
        yield* client.send(miner.mine())
        yield* client.follow(miner, "SubmitShares.Success")
        assert.strictEqual(connections, 1)
      }).pipe(
        Effect.provide(Plain.dialer),
        Effect.provide(Tcp.dialer),
        Effect.provideService(PoolAddress, { ...address, security: plain })
      )
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
)
