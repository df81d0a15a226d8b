/** What happens to a connection while its shares are being recorded: what is told, what is counted, and what leaves. */
import { assert, describe, it } from "@effect/vitest"
import { Pool } from "@sluice/pool"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, newBlock, poolStats, type World } from "@sluice/testing/pool-worlds"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { Recording, type ShareSink } from "../src/index.ts"

const settle = TestClock.adjust(1)

/** A sink whose shares are recorded when the test says so. */
class Sink implements ShareSink {
  readonly recordings: Array<Recording> = []
  hurries = 0
  readonly record = () => Effect.die("the server prefers recordLater")
  readonly recordLater = () => {
    const recording = new Recording(() => this.hurries++)
    this.recordings.push(recording)
    return recording
  }
  readonly commit = Effect.suspend(() => {
    for (const recording of this.recordings.splice(0)) recording.end()
    return settle
  })
}

const withSink =
  (
    test: (sink: Sink) => Effect.Effect<void, unknown, World | Scope.Scope>,
    options: Parameters<typeof memoryWorld>[0] = {}
  ) =>
  (): Effect.Effect<void, unknown> => {
    const sink = new Sink()
    return Effect.scoped(
      test(sink).pipe(Effect.ensuring(sink.commit), Effect.provide(memoryWorld({ shareSinks: [sink], ...options })))
    )
  }

/** A client with a channel, whose share is being recorded. */
const waitingClient = Effect.gen(function* () {
  yield* giveWork
  const client = yield* TestClient.connect()
  const miner = yield* client.open(openExtended())
  yield* client.send(miner.mine())
  yield* settle
  return { client, miner }
})

const OPEN_CHANNELS = Effect.map(poolStats, ({ channels }) => channels.map(({ channel }) => channel.channelId))

describe("a channel that is opened while shares are being recorded", () => {
  it.effect(
    "is not counted as open for ever if its client closes it before they are",
    withSink((sink) =>
      Effect.gen(function* () {
        const { client, miner } = yield* waitingClient
        yield* client.send(openExtended({ requestId: 2 }))
        yield* TestClock.adjust("2 seconds")
        const { channelId } = yield* client.expect("OpenExtendedMiningChannel.Success")
        yield* client.send({ _tag: "CloseChannel", channelId, reasonCode: "" })
        yield* settle
        yield* sink.commit
        assert.deepStrictEqual(yield* OPEN_CHANNELS, [miner.channelId])
      })
    )
  )

  it.effect(
    "is not counted as open for ever if the server closes it before they are",
    withSink((sink) =>
      Effect.gen(function* () {
        const { client, miner } = yield* waitingClient
        yield* client.send(openExtended({ requestId: 2 }))
        yield* settle
        yield* (yield* Pool).closeChannel({ connectionId: 1, channelId: miner.channelId + 1 }, "test")
        yield* sink.commit
        assert.deepStrictEqual(yield* OPEN_CHANNELS, [miner.channelId])
      })
    )
  )
})

describe("a share that is recorded after its channel was closed", () => {
  it.effect(
    "counts for its user",
    withSink((sink) =>
      Effect.gen(function* () {
        const { client, miner } = yield* waitingClient
        yield* TestClock.adjust("2 seconds")
        yield* client.send({ _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" })
        yield* settle
        yield* sink.commit
        const { accepted, users } = yield* poolStats
        assert.deepStrictEqual([accepted, users[0]!.accepted], [1, 1])
      })
    )
  )

  it.effect(
    "counts for its user if its connection ended first",
    withSink((sink) =>
      Effect.gen(function* () {
        yield* Effect.scoped(waitingClient)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual((yield* poolStats).connections, 0)
        yield* sink.commit
        const { accepted, users } = yield* poolStats
        assert.deepStrictEqual([accepted, users[0]!.accepted], [1, 1])
      })
    )
  )
})

/** A client whose first share is acknowledged, and whose second one waits for company. Gives how often the sink was hurried before that. */
const followed = (sink: Sink) =>
  Effect.gen(function* () {
    const { client, miner } = yield* waitingClient
    yield* sink.commit
    yield* client.expect("SubmitShares.Success")
    const { hurries } = sink
    yield* client.send(miner.mine())
    return { client, hurries }
  })

describe("acknowledgements that wait", () => {
  it.effect(
    "leave also if an action of the operator is refused",
    withSink(
      () =>
        Effect.gen(function* () {
          const { client, miner } = yield* waitingClient
          yield* client.expect("SubmitShares.Success")
          yield* client.send(miner.mine())
          yield* settle
          assert.strictEqual(yield* client.waiting, 0)
          yield* Effect.flip((yield* Pool).closeChannel({ connectionId: 1, channelId: 1_000 }, "test"))
          yield* TestClock.adjust("2 seconds")
          yield* client.expect("SubmitShares.Success")
        }),
      { shareSinks: [], acknowledgeWithin: "1 second" }
    )
  )

  it.effect(
    "hurry their sink when they have waited long enough",
    withSink(
      (sink) =>
        Effect.gen(function* () {
          yield* followed(sink)
          yield* TestClock.adjust("400 millis")
          assert.strictEqual(sink.hurries, 0)
          yield* TestClock.adjust("600 millis")
          assert.isAbove(sink.hurries, 0)
        }),
      { acknowledgeWithin: "1 second" }
    )
  )
})

describe("acknowledgements that may wait for less than a second", () => {
  it.effect(
    "hurry their sink at once",
    withSink(
      (sink) =>
        Effect.gen(function* () {
          const { client, hurries } = yield* followed(sink)
          yield* settle
          assert.deepStrictEqual([sink.hurries > hurries, yield* client.waiting], [true, 0])
        }),
      { acknowledgeWithin: "900 millis" }
    )
  )
})

describe("a share that comes alone", () => {
  const alone = (
    name: string,
    test: (sink: Sink, client: TestClient) => Effect.Effect<void, unknown, World | Scope.Scope>
  ) =>
    it.effect(
      name,
      withSink(
        (sink) =>
          Effect.gen(function* () {
            const { client } = yield* waitingClient
            assert.deepStrictEqual([sink.hurries, yield* client.waiting], [0, 0])
            yield* test(sink, client)
          }),
        { acknowledgeWithin: "1 second" }
      )
    )

  alone("waits for the commit that comes anyway, and is acknowledged with it", (sink, client) =>
    Effect.gen(function* () {
      yield* sink.commit
      yield* client.expect("SubmitShares.Success")
      assert.strictEqual(sink.hurries, 0)
    })
  )

  alone("hurries a sink that does not commit by itself", (sink) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      assert.isAbove(sink.hurries, 0)
    })
  )

  alone("hurries its sink if new work waits behind it", (sink, client) =>
    Effect.gen(function* () {
      yield* newBlock(2)
      yield* settle
      assert.deepStrictEqual([sink.hurries > 0, yield* client.waiting], [true, 0])
      yield* sink.commit
      yield* client.expect("SubmitShares.Success")
      yield* client.expect("NewExtendedMiningJob")
    })
  )

  alone("hurries its sink if another answer waits behind it", (sink, client) =>
    Effect.gen(function* () {
      yield* client.send(openExtended({ requestId: 2 }))
      yield* settle
      assert.deepStrictEqual([sink.hurries > 0, yield* client.waiting], [true, 0])
      yield* sink.commit
      yield* client.expect("SubmitShares.Success")
      yield* client.expect("OpenExtendedMiningChannel.Success")
    })
  )

  it.effect(
    "hurries its sink if its connection ends",
    withSink(
      (sink) =>
        Effect.gen(function* () {
          yield* Effect.scoped(waitingClient)
          yield* settle
          assert.isAbove(sink.hurries, 0)
        }),
      { acknowledgeWithin: "1 second" }
    )
  )

  for (const acknowledgeWithin of ["0 seconds", "900 millis"] as const) {
    it.effect(
      `hurries its sink if acknowledgements wait for ${acknowledgeWithin} at most`,
      withSink(
        (sink) =>
          Effect.gen(function* () {
            yield* waitingClient
            assert.isAbove(sink.hurries, 0)
          }),
        { acknowledgeWithin }
      )
    )
  }
})

describe("a sink that throws when it is hurried", () => {
  const faulty = () => {
    const sink: ShareSink = {
      record: () => Effect.die("the server prefers recordLater"),
      recordLater: ([{ channel }]) =>
        channel.connectionId === 1
          ? new Recording(() => {
              throw new Error("a defect")
            })
          : Recording.done
    }
    return sink
  }

  it.effect("costs a client its connection, and nothing of it is left", () =>
    Effect.gen(function* () {
      const { client } = yield* waitingClient
      yield* client.ended
      const other = yield* TestClient.connect()
      const miner = yield* other.open(openExtended())
      yield* other.send(miner.mine())
      yield* other.expect("SubmitShares.Success")
      const { connections, accepted } = yield* poolStats
      assert.deepStrictEqual([connections, accepted, yield* OPEN_CHANNELS], [1, 1, [miner.channelId]])
    }).pipe(Effect.provide(memoryWorld({ shareSinks: [faulty()] })))
  )
})
