/** A server of miners whose source opens a channel for each of theirs, and gives the verdicts on their shares. */
import { assert, describe, it } from "@effect/vitest"
import {
  type Announcement,
  Jobs,
  type SourceChange,
  type SourceChannel,
  type SourceShare,
  TemplateJobs
} from "@sluice/channels"
import { Mining } from "@sluice/protocol"
import { Memory, MiningListener, Plain, Setup } from "@sluice/transport"
import { Deferred, Effect, Exit, Layer, Logger, Queue, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { PoolAddress } from "@sluice/testing/pool-worlds"
import { ANY_TARGET, bytes, futureTemplate, newPrevHash } from "@sluice/testing/templates"
import {
  MiningServer,
  type MiningServerOptions,
  Recording,
  type ShareSink,
  ShareSinkError,
  type Work,
  WorkSource,
  type WorkSourceState
} from "../src/index.ts"
import { SlowSink } from "./slow-sinks.ts"

const settle = TestClock.adjust(1)

/** The source's end of a channel, which has work from the beginning. */
class Channel implements SourceChannel {
  readonly #templates = new TemplateJobs({
    coinbase: {
      tags: new Uint8Array(0),
      extranonceSize: 12,
      payout: (reward) => [{ value: reward, script: bytes(0x51, 1) }],
      versionRollingAllowed: true
    },
    firstJobId: 1
  })
  readonly jobs = this.#templates.jobs
  readonly lease = { prefix: bytes(7, 4), rollableSize: 8, index: -1 }
  readonly target = ANY_TARGET
  closed: string | undefined
  onChange = (): void => {}
  #changes: Array<SourceChange> = [
    this.#templates.onTemplate(futureTemplate(1), 0) as Announcement,
    this.#templates.onSetNewPrevHash(newPrevHash(1, { headerTimestamp: 0 }), 0) as Announcement
  ]

  readonly takeChanges = () => this.#changes.splice(0)
  readonly update = () => {}
  readonly forward = () => {}
  readonly close = (reason: string) => void (this.closed ??= reason)

  change(...changes: ReadonlyArray<SourceChange>): void {
    this.#changes.push(...changes)
    this.onChange()
  }
}

/** A source whose answers the test gives. */
class Upstream {
  readonly requests: Array<Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel> = []
  readonly channels: Array<Channel> = []
  readonly submitted: Array<SourceShare> = []
  /** Answers the requests for channels. */
  readonly answer = Deferred.makeUnsafe<void, string>()
  readonly #wakes = Effect.runSync(Queue.unbounded<void>())
  readonly #state: WorkSourceState

  constructor(state: WorkSourceState = { _tag: "Connected", server: "test" }) {
    this.#state = state
  }

  readonly work: Work = {
    space: undefined,
    versionRollingAllowed: true,
    common: { jobs: new Jobs({ firstJobId: 0, versionRollingAllowed: true }) },
    groupCount: 1,
    join: () => undefined,
    leave: () => {},
    refusal: () => undefined,
    changeCount: 0,
    changesSince: () => [],
    openChannel: (request) =>
      Effect.suspend(() => {
        this.requests.push(request)
        return Effect.as(Deferred.await(this.answer), new Channel())
      }).pipe(Effect.tap((channel) => Effect.sync(() => this.channels.push(channel))))
  }

  readonly layer = Layer.sync(WorkSource, () =>
    WorkSource.of({
      name: "upstream",
      work: this.work,
      news: Stream.map(Stream.fromQueue(this.#wakes), () => ({ changes: [], arrivedAtNanos: 0n })),
      submit: (found) => Effect.sync(() => this.submitted.push(...found)),
      state: Stream.make(this.#state)
    })
  )

  /** Makes changes to all channels. */
  readonly change = (...changes: ReadonlyArray<SourceChange>) =>
    Effect.suspend(() => {
      for (const channel of this.channels) channel.change(...changes)
      return Effect.andThen(Queue.offer(this.#wakes, undefined), settle)
    })

  /** Gives a verdict on the share of this index. */
  readonly verdict = (index: number, errorCode?: string) =>
    Effect.suspend(() => {
      const { channel, key } = this.submitted[index]!.via!
      const source = channel as Channel
      if (errorCode === undefined) source.change({ _tag: "SharesAccepted", keys: [key!] })
      else source.change({ _tag: "ShareRefused", key: key!, errorCode })
      return Effect.andThen(Queue.offer(this.#wakes, undefined), settle)
    })
}

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

const withServer = (
  test: (upstream: Upstream) => Effect.Effect<void, unknown, Layer.Success<ReturnType<typeof serverOf>> | Scope.Scope>,
  options?: MiningServerOptions,
  state?: WorkSourceState
) =>
  Effect.suspend(() => {
    const upstream = new Upstream(state)
    return Effect.provide(test(upstream), serverOf(upstream, options))
  })

describe("a channel of the source", () => {
  it.effect("is opened before the miner gets its channel, and only for users that the server admits", () =>
    withServer(
      (upstream) =>
        Effect.gen(function* () {
          const client = yield* TestClient.connect()
          yield* client.send(openExtended(), openExtended({ requestId: 2, userIdentity: "mallory" }))
          yield* settle
          assert.strictEqual(yield* client.waiting, 0)
          assert.deepStrictEqual(
            upstream.requests.map(({ userIdentity }) => userIdentity),
            ["user.worker"]
          )
          yield* Deferred.succeed(upstream.answer, undefined)
          const { extranonceSize, target } = yield* client.expect("OpenExtendedMiningChannel.Success")
          assert.deepStrictEqual([extranonceSize, target], [8, ANY_TARGET])
          yield* client.expect("NewExtendedMiningJob")
          yield* client.expect("SetNewPrevHash")
          assert.strictEqual((yield* client.expect("OpenMiningChannel.Error")).errorCode, "unknown-user")
        }),
      { validateUser: ({ user }) => Effect.succeed(user === "mallory" ? "unknown-user" : undefined) }
    )
  )

  it.effect("is refused with the source's error code", () =>
    withServer((upstream) =>
      Effect.gen(function* () {
        const client = yield* TestClient.connect()
        yield* Deferred.fail(upstream.answer, "invalid-user-identity")
        yield* client.send(openExtended())
        assert.strictEqual((yield* client.expect("OpenMiningChannel.Error")).errorCode, "invalid-user-identity")
      })
    )
  )

  it.effect("is closed with the miner's connection, also if that ends before the source answers", () =>
    withServer((upstream) =>
      Effect.gen(function* () {
        const connect = Effect.gen(function* () {
          const scope = yield* Scope.make()
          const client = yield* Scope.provide(TestClient.connect(), scope)
          return { client, leave: Effect.andThen(Scope.close(scope, Exit.void), settle) }
        })
        const early = yield* connect
        yield* early.client.send(openExtended())
        yield* settle
        yield* early.leave
        yield* Deferred.succeed(upstream.answer, undefined)
        yield* settle
        assert.isDefined(upstream.channels[0]?.closed)
        const late = yield* connect
        yield* late.client.open(openExtended())
        yield* late.leave
        assert.isDefined(upstream.channels[1]?.closed)
      })
    )
  )

  it.effect("has no share acknowledged before the source has accepted it and the sinks have recorded it", () => {
    const sink = new SlowSink()
    return withServer(
      (upstream) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(upstream.answer, undefined)
          const client = yield* TestClient.connect()
          const miner = yield* client.open(openExtended())
          yield* client.send(miner.mine(), miner.mine())
          yield* settle
          assert.strictEqual(upstream.submitted.length, 2)
          assert.strictEqual(yield* client.waiting, 0)
          yield* upstream.verdict(0)
          assert.strictEqual(yield* client.waiting, 0, "the sink has not recorded it")
          // The answer to the second share waits behind that to the first.
          yield* upstream.verdict(1, "stale-share")
          assert.strictEqual(yield* client.waiting, 0)
          yield* sink.succeed
          const { lastSequenceNumber, newSubmitsAcceptedCount } = yield* client.expect("SubmitShares.Success")
          assert.deepStrictEqual([lastSequenceNumber, newSubmitsAcceptedCount, sink.recorded], [1, 1, [[1]]])
          const { errorCode, sequenceNumber } = yield* client.expect("SubmitShares.Error")
          assert.deepStrictEqual([sequenceNumber, errorCode], [2, "stale-share"])
        }),
      { shareSinks: [sink] }
    )
  })

  it.effect("has a share acknowledged as soon as an older one that another upstream had is refused", () =>
    withServer((upstream) =>
      Effect.gen(function* () {
        yield* Deferred.succeed(upstream.answer, undefined)
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine(), miner.mine())
        yield* settle
        yield* upstream.verdict(1)
        assert.strictEqual(yield* client.waiting, 0, "the client would take it for the answer to its first share")
        yield* upstream.verdict(0, "stale-share")
        assert.strictEqual((yield* client.expect("SubmitShares.Error")).sequenceNumber, 1)
        const { lastSequenceNumber, newSubmitsAcceptedCount } = yield* client.expect("SubmitShares.Success")
        assert.deepStrictEqual([lastSequenceNumber, newSubmitsAcceptedCount], [2, 1])
      })
    )
  )

  it.effect("has no share acknowledged before it is recorded, though that of another channel is decided first", () => {
    const recordings = [Recording.done, new Recording()]
    let next = 0
    const sink: ShareSink = {
      record: () => Effect.die("the server prefers recordLater"),
      recordLater: () => recordings[next++]!
    }
    return withServer(
      (upstream) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(upstream.answer, undefined)
          const client = yield* TestClient.connect()
          const old = yield* client.open(openExtended())
          const young = yield* client.open(openExtended({ requestId: 2 }))
          for (const miner of [old, young, young]) {
            yield* client.send(miner.mine())
            yield* settle
          }
          const update = { channelId: old.channelId, nominalHashRate: 1, maximumTarget: ANY_TARGET }
          /** Accepts shares with the next read. */
          const accept = (...indexes: ReadonlyArray<number>) =>
            Effect.gen(function* () {
              for (const index of indexes) {
                const { channel, key } = upstream.submitted[index]!.via!
                const source = channel as Channel
                source.change({ _tag: "SharesAccepted", keys: [key!] })
              }
              yield* client.send({ _tag: "UpdateChannel", ...update })
              yield* settle
            })
          yield* accept(1)
          yield* client.expect("SubmitShares.Success")
          yield* accept(2, 0)
          assert.strictEqual(next, 2)
          yield* TestClock.adjust("1 second")
          const early = yield* client.waiting
          recordings[1]!.end()
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual([early, yield* client.waiting], [0, 2])
        }),
      { shareSinks: [sink] }
    )
  })

  /** Gets one share accepted that waits for the verdict on an older one. */
  const overtaking = (
    test: (
      client: TestClient,
      end: Effect.Effect<void>,
      sink: SlowSink
    ) => Effect.Effect<void, unknown, MiningServer | Scope.Scope>
  ) => {
    const sink = new SlowSink()
    return withServer(
      (upstream) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(upstream.answer, undefined)
          const scope = yield* Scope.make()
          const client = yield* Scope.provide(TestClient.connect(), scope)
          const miner = yield* client.open(openExtended())
          yield* client.send(miner.mine(), miner.mine())
          yield* settle
          yield* upstream.verdict(1)
          const end = Effect.andThen(Scope.close(scope, Exit.void), settle)
          yield* test(client, end, sink)
        }),
      { shareSinks: [sink] }
    )
  }

  it.effect("that is closed has its accepted shares recorded before they are acknowledged", () =>
    overtaking((client, _, sink) =>
      Effect.gen(function* () {
        const { closeChannel } = yield* MiningServer
        yield* closeChannel({ connectionId: 1, channelId: 2 }, "test")
        yield* settle
        const { errorCode, sequenceNumber } = yield* client.expect("SubmitShares.Error")
        assert.deepStrictEqual([sequenceNumber, errorCode], [1, "no-verdict"])
        assert.strictEqual(yield* client.waiting, 0, "the sink has not recorded it")
        yield* sink.succeed
        assert.deepStrictEqual(sink.recorded, [[2]])
        assert.strictEqual((yield* client.expect("SubmitShares.Success")).lastSequenceNumber, 2)
        yield* client.expect("CloseChannel")
        assert.strictEqual((yield* (yield* MiningServer).stats).accepted, 1)
      })
    )
  )

  it.effect(
    "has its accepted shares recorded and counted though its connection ends before they are acknowledged",
    () =>
      overtaking((_, end, sink) =>
        Effect.gen(function* () {
          yield* Effect.all([end, sink.succeed])
          yield* TestClock.adjust("2 seconds")
          const { accepted, connections } = yield* (yield* MiningServer).stats
          assert.deepStrictEqual([sink.recorded, accepted, connections], [[[2]], 1, 0])
        })
      )
  )

  it.effect("loses its connection without an acknowledgement if a sink fails", () =>
    withServer(
      (upstream) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(upstream.answer, undefined)
          const client = yield* TestClient.connect()
          const miner = yield* client.open(openExtended())
          yield* client.send(miner.mine())
          yield* settle
          yield* upstream.verdict(0)
          yield* client.ended
          assert.strictEqual((yield* (yield* MiningServer).stats).accepted, 0)
        }),
      { shareSinks: [{ record: () => Effect.fail(new ShareSinkError({ message: "the database is gone" })) }] }
    )
  )

  it.effect("loses its connection without an acknowledgement if a sink has a defect", () =>
    withServer(
      (upstream) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(upstream.answer, undefined)
          const client = yield* TestClient.connect()
          const miner = yield* client.open(openExtended())
          yield* client.send(miner.mine())
          yield* settle
          yield* upstream.verdict(0)
          yield* client.ended
          assert.strictEqual(yield* client.waiting, 0)
        }),
      {
        shareSinks: [
          {
            record: () => Effect.die("not asked"),
            recordLater: () => {
              throw new Error("a defect")
            }
          }
        ]
      }
    )
  )

  it.effect(
    "may get another prefix, and its miner loses its connection if its firmware takes none, with its shares answered",
    () =>
      withServer((upstream) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(upstream.answer, undefined)
          const device = { vendor: "bitaxe", hardwareVersion: "", firmware: "", deviceId: "" }
          const [able, unable, headersOnly] = yield* Effect.all([
            TestClient.connect(),
            TestClient.connect({ device }),
            TestClient.connect({ device, flags: Mining.REQUIRES_STANDARD_JOBS })
          ])
          yield* able.open(openExtended())
          const miner = yield* unable.open(openExtended())
          yield* headersOnly.open(openStandard())
          yield* unable.send(miner.mine())
          yield* settle
          yield* upstream.change({ _tag: "NewPrefix", prefix: bytes(8, 4), fromJobId: 2 })
          assert.deepStrictEqual((yield* able.expect("SetExtranoncePrefix")).extranoncePrefix, bytes(8, 4))
          assert.strictEqual((yield* unable.expect("SubmitShares.Error")).errorCode, "no-verdict")
          yield* unable.ended
          // It has no coinbase that could have a wrong prefix.
          yield* headersOnly.expect("SetExtranoncePrefix")
          assert.strictEqual((yield* (yield* MiningServer).stats).connections, 2)
        })
      )
  )

  it.effect("is not missed in time while the source is away, so that its miner keeps its connection", () =>
    withServer(
      (upstream) =>
        Effect.gen(function* () {
          const client = yield* TestClient.connect()
          yield* TestClock.adjust("5 minutes")
          yield* Deferred.succeed(upstream.answer, undefined)
          yield* client.open(openExtended())
        }),
      {},
      { _tag: "Connecting" }
    )
  )
})
