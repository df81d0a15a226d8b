/** A server of miners whose source of work gets its extranonce space late, and changes it. */
import { assert, describe, it } from "@effect/vitest"
import {
  defaultExtranonceLayout,
  type ExtranonceLayout,
  ExtranonceSpace,
  type JobAnnouncement,
  type SourceShare,
  TemplateJobs
} from "@sluice/channels"
import type { TemplateDistribution } from "@sluice/protocol"
import { Memory, MiningListener, Plain, Setup } from "@sluice/transport"
import { Effect, Layer, Logger, Queue, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { PoolAddress } from "@sluice/testing/pool-worlds"
import { bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import {
  MiningServer,
  type MiningServerOptions,
  type Work,
  type WorkChange,
  type WorkNews,
  WorkSource
} from "../src/index.ts"

/** A source whose work the test makes. */
class Upstream implements Work {
  readonly versionRollingAllowed = true
  readonly groupCount = 1
  space: ExtranonceSpace | undefined
  changeCount = 0
  readonly submitted: Array<SourceShare> = []
  readonly #coinbase = { ...coinbase }
  readonly #templates = new TemplateJobs({ coinbase: this.#coinbase, firstJobId: 1 })
  readonly common = { jobs: this.#templates.jobs }
  readonly #news = Effect.runSync(Queue.unbounded<() => ReadonlyArray<WorkChange>>())
  #latest: ReadonlyArray<WorkChange> = []

  readonly join = (): undefined => undefined
  readonly leave = (): void => {}
  readonly refusal = (): undefined => undefined

  changesSince(_: unknown, seen: number): ReadonlyArray<WorkChange> {
    return this.#latest.slice(Math.max(0, this.#latest.length - (this.changeCount - seen)))
  }

  /** Makes one batch of changes: another space, if a layout is given, and the jobs of these messages. */
  send(layout: Partial<ExtranonceLayout> | undefined, ...messages: ReadonlyArray<Message>): Effect.Effect<void> {
    const make = () => {
      const changes = layout === undefined ? [] : [this.#newSpace(layout)]
      return [...changes, ...messages.map((message) => this.#apply(message))]
    }
    return Effect.andThen(Queue.offer(this.#news, make), settle)
  }

  readonly layer = Layer.succeed(WorkSource, {
    name: "upstream",
    work: this,
    news: Stream.map(Stream.fromQueue(this.#news), (make): WorkNews => {
      const changes = make()
      this.#latest = changes
      this.changeCount += changes.length
      return { changes, arrivedAtNanos: 0n }
    }),
    submit: (found) => Effect.sync(() => this.submitted.push(...found)),
    state: Stream.make({ _tag: "Connected", server: "test" })
  })

  #newSpace(layout: Partial<ExtranonceLayout>): WorkChange {
    this.space = new ExtranonceSpace({ ...defaultExtranonceLayout, ...layout })
    this.#coinbase.extranonceSize = this.space.fullSize
    return this.#templates.jobs.newSpace(this.space, 0)
  }

  #apply(message: Message): JobAnnouncement {
    const made =
      message._tag === "NewTemplate"
        ? this.#templates.onTemplate(message, 0)
        : this.#templates.onSetNewPrevHash(message, 0)
    assert(made._tag !== "Ignored")
    return made
  }
}

type Message = TemplateDistribution.NewTemplate | TemplateDistribution.SetNewPrevHash

const coinbase = {
  tags: new Uint8Array(0),
  extranonceSize: 0,
  payout: (reward: bigint) => [{ value: reward, script: bytes(0x51, 1) }],
  versionRollingAllowed: true
}

const settle = TestClock.adjust(1)
const firstBlock = [futureTemplate(1), newPrevHash(1, { headerTimestamp: 0 })] as const
const CAPITALS = { upstreamPrefix: bytes(0xaa, 2) }

const withServer = (
  test: (upstream: Upstream) => Effect.Effect<void, unknown, Layer.Success<ReturnType<typeof serverOf>> | Scope.Scope>,
  options?: MiningServerOptions
) =>
  Effect.suspend(() => {
    const upstream = new Upstream()
    return Effect.provide(test(upstream), serverOf(upstream, options))
  })

const serverOf = (upstream: Upstream, options: MiningServerOptions = {}) =>
  MiningServer.layer({ policy: { minHashRate: 1 }, ...options }).pipe(
    Layer.provide(upstream.layer),
    Layer.provide(Setup.server(MiningListener)),
    Layer.provide(Plain.listener),
    Layer.provideMerge(Plain.dialer),
    Layer.provideMerge(Layer.succeed(PoolAddress, { ...Memory.ADDRESS, security: { _tag: "plain" } })),
    Layer.provide(Memory.network()),
    Layer.provide(Logger.layer([]))
  )

const bitaxe = { vendor: "bitaxe", hardwareVersion: "", firmware: "", deviceId: "" }

describe("a miner that comes before there is any work to give", () => {
  it.effect("waits, and gets its channel as soon as the source has an extranonce space", () =>
    withServer((upstream) =>
      Effect.gen(function* () {
        const client = yield* TestClient.connect()
        yield* client.send(openExtended())
        yield* TestClock.adjust("29 seconds")
        assert.strictEqual(yield* client.waiting, 0)
        yield* upstream.send(CAPITALS, ...firstBlock)
        const { extranoncePrefix } = yield* client.expect("OpenExtendedMiningChannel.Success")
        assert.deepStrictEqual(extranoncePrefix.subarray(0, 2), bytes(0xaa, 2))
        yield* client.expect("NewExtendedMiningJob")
        yield* client.expect("SetNewPrevHash")
      })
    )
  )

  it.effect("is refused with no-work-yet after half a minute, keeps its connection, and may ask again", () =>
    withServer((upstream) =>
      Effect.gen(function* () {
        const client = yield* TestClient.connect()
        yield* client.send(openStandard())
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* client.expect("OpenMiningChannel.Error")).errorCode, "no-work-yet")
        yield* TestClock.adjust("5 minutes")
        yield* client.send(openStandard({ requestId: 2 }))
        yield* settle
        assert.strictEqual(yield* client.waiting, 0)
        yield* upstream.send({})
        yield* client.expect("OpenStandardMiningChannel.Success")
      })
    )
  )
})

describe("miners whose work gets another extranonce space", () => {
  it.effect("get their prefixes before the first job of it, and shares of the old job count", () =>
    withServer((upstream) =>
      Effect.gen(function* () {
        yield* upstream.send({}, ...firstBlock)
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* upstream.send({ ...CAPITALS, fullSize: 24 }, template(2))
        const { extranoncePrefix } = yield* client.expect("SetExtranoncePrefix")
        assert.strictEqual(extranoncePrefix.length + miner.extranonceSize, 24)
        const job = yield* client.expect("NewExtendedMiningJob")
        assert.strictEqual(job.jobId, miner.jobId + 1)
        yield* client.send(miner.mine())
        yield* client.expect("SubmitShares.Success")
      })
    )
  )

  it.effect("keep their channels although every channel of the server is taken", () =>
    withServer(
      (upstream) =>
        Effect.gen(function* () {
          yield* upstream.send({}, ...firstBlock)
          const clients = yield* Effect.all([TestClient.connect(), TestClient.connect()])
          for (const client of clients) yield* client.open(openExtended())
          yield* upstream.send(CAPITALS, template(2))
          for (const client of clients) {
            yield* client.expect("SetExtranoncePrefix")
            yield* client.expect("NewExtendedMiningJob")
          }
          const late = yield* TestClient.connect()
          yield* late.send(openExtended())
          yield* late.expect("OpenMiningChannel.Error")
        }),
      { maxChannelsInAll: 2 }
    )
  )

  it.effect("lose their connection if their firmware takes no prefix, with their shares acknowledged before", () =>
    withServer((upstream) =>
      Effect.gen(function* () {
        yield* upstream.send({}, ...firstBlock)
        const [client, other, headersOnly] = yield* Effect.all([
          TestClient.connect({ device: bitaxe }),
          TestClient.connect({ device: bitaxe }),
          TestClient.connect({ device: bitaxe, flags: 1 })
        ])
        const miner = yield* client.open(openExtended())
        yield* headersOnly.open(openStandard())
        yield* client.send(miner.mine())
        yield* upstream.send(CAPITALS, template(2))
        yield* client.expect("SubmitShares.Success")
        yield* client.ended
        // It has no coinbase that could have a wrong prefix.
        yield* headersOnly.expect("SetExtranoncePrefix")
        yield* headersOnly.expect("NewMiningJob")
        yield* other.open(openExtended())
        assert.strictEqual((yield* (yield* MiningServer).stats).connections, 2)
      })
    )
  )
})
