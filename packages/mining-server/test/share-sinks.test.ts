/** The order of things around share sinks: a block is submitted, shares are recorded, then they are acknowledged. */
import { assert, describe, it } from "@effect/vitest"
import { Pool } from "@sluice/pool"
import { TemplateFeed, TemplateSourceMemory } from "@sluice/template-provider"
import { Memory, MiningListener, Plain, Setup } from "@sluice/transport"
import { Effect, Exit, Fiber, Layer, Logger, Metric, Queue, Scope } from "effect"
import { TestClock } from "effect/testing"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import {
  giveWork,
  memoryWorld,
  newBlock,
  options,
  PoolAddress,
  poolStats,
  publish,
  tcpWorld,
  type World
} from "@sluice/testing/pool-worlds"
import { ANY_TARGET, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { MiningServer, Payouts, Recording, type ShareSink, shareSink, Templates, WorkSource } from "../src/index.ts"
import { GatedSink, SlowSink } from "./slow-sinks.ts"

/** Runs everything that can run now. */
const settle = TestClock.adjust(1)

const withSink = (test: (sink: SlowSink) => Effect.Effect<void, unknown, World | Scope.Scope>) => () => {
  const sink = new SlowSink()
  return test(sink).pipe(Effect.provide(memoryWorld({ shareSinks: [sink], upstreamTimeout: "1 minute" })))
}

/** A world whose server the test stops. */
const stoppable = (world: Layer.Layer<World, unknown>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Effect.orDie(Layer.buildWithScope(world, scope))
    return { context, stop: Scope.close(scope, Exit.void) }
  })

describe("a share sink that takes its time", () => {
  it.effect(
    "records shares before they are acknowledged; announcements and actions made meanwhile follow in order",
    withSink((sink) =>
      Effect.gen(function* () {
        const { changeExtranoncePrefix, closeChannel, reconnect } = yield* Pool
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        const channel = { connectionId: 1, channelId: miner.channelId }
        yield* client.send(miner.mine(), miner.mine())
        yield* settle
        assert.strictEqual(sink.calls, 1)
        yield* changeExtranoncePrefix(channel)
        yield* publish(template(2))
        yield* reconnect(1)
        yield* publish(futureTemplate(3))
        yield* closeChannel(channel, "test")
        yield* settle
        assert.strictEqual(yield* client.waiting, 0)
        assert.strictEqual((yield* poolStats).accepted, 0)
        yield* sink.succeed
        assert.deepStrictEqual(sink.recorded, [[1, 2]])
        assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 2)
        yield* client.expect("SetExtranoncePrefix")
        yield* client.expect("NewExtendedMiningJob")
        yield* client.expect("Reconnect")
        assert.strictEqual((yield* client.expect("NewExtendedMiningJob")).minNtime, undefined)
        yield* client.expect("CloseChannel")
        assert.strictEqual((yield* poolStats).accepted, 2)
      })
    )
  )

  it.effect(
    "hides no change of work from its connection, however many come meanwhile",
    withSink((sink) =>
      Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine())
        yield* settle
        yield* publish(futureTemplate(2))
        yield* publish(newPrevHash(2))
        yield* publish(futureTemplate(3))
        yield* settle
        assert.deepStrictEqual([sink.calls, yield* client.waiting], [1, 0])
        yield* sink.succeed
        yield* client.expect("SubmitShares.Success")
        const { jobId } = yield* client.expect("NewExtendedMiningJob")
        assert.strictEqual((yield* client.expect("SetNewPrevHash")).jobId, jobId)
        assert.strictEqual((yield* client.expect("NewExtendedMiningJob")).minNtime, undefined)
      })
    )
  )

  it.effect(
    "delays the next messages of its own connection only",
    withSink((sink) =>
      Effect.gen(function* () {
        yield* giveWork
        const [client, other] = [yield* TestClient.connect(), yield* TestClient.connect()]
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine())
        yield* settle
        yield* client.send(openStandard())
        yield* other.open(openExtended())
        assert.strictEqual(yield* client.waiting, 0)
        yield* sink.succeed
        yield* client.expect("SubmitShares.Success")
        yield* client.expect("OpenStandardMiningChannel.Success")
      })
    )
  )

  it.effect(
    "does not delay a block, which is submitted before the sink answers",
    withSink((sink) =>
      Effect.gen(function* () {
        yield* publish(futureTemplate(1), newPrevHash(1, { target: ANY_TARGET, nbits: 0x207fffff }))
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine())
        yield* settle
        assert.strictEqual((yield* Queue.take((yield* TemplateFeed).solutions)).templateId, 1n)
        assert.deepStrictEqual([sink.calls, sink.recorded.length, yield* client.waiting], [1, 0, 0])
      })
    )
  )

  it.effect(
    "fails later: nothing is acknowledged or counted, and only that connection ends",
    withSink((sink) =>
      Effect.gen(function* () {
        yield* giveWork
        const [client, other] = [yield* TestClient.connect(), yield* TestClient.connect()]
        const miner = yield* client.open(openExtended())
        yield* other.open(openExtended())
        yield* client.send(miner.mine(), miner.mine({ bad: true }))
        yield* settle
        yield* publish(template(2))
        yield* sink.fail
        yield* client.expect("NewExtendedMiningJob")
        assert.strictEqual((yield* Effect.flip(client.next))._tag, "TransportError")
        yield* other.expect("NewExtendedMiningJob")
        const { accepted, connections } = yield* poolStats
        assert.deepStrictEqual([accepted, connections], [0, 1])
      })
    )
  )

  it.effect(
    "records the shares of a client that disconnected meanwhile",
    withSink((sink) =>
      Effect.gen(function* () {
        yield* giveWork
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* TestClient.connect()
            const miner = yield* client.open(openExtended())
            yield* client.send(miner.mine())
            yield* settle
          })
        )
        yield* settle
        yield* sink.succeed
        assert.deepStrictEqual([sink.recorded, sink.interrupted], [[[1]], 0])
        const { accepted, connections } = yield* poolStats
        assert.deepStrictEqual([accepted, connections], [1, 0])
      })
    )
  )

  it.effect(
    "is interrupted when the server ends the connection, and nothing is acknowledged",
    withSink((sink) =>
      Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine())
        yield* settle
        yield* (yield* TemplateFeed).setState({ _tag: "Disconnected", server: "memory", reason: "test" })
        const ended = yield* Effect.forkChild(Effect.flip(client.next))
        yield* TestClock.adjust("70 seconds")
        assert.strictEqual((yield* Fiber.join(ended))._tag, "TransportError")
        assert.deepStrictEqual([sink.interrupted, sink.recorded], [1, []])
        const { accepted, connections } = yield* poolStats
        assert.deepStrictEqual([accepted, connections], [0, 0])
      })
    )
  )
})

describe("a share sink that takes longer than a second", () => {
  /** A client whose first share waits for the sink for longer than that. */
  const lateClient = Effect.gen(function* () {
    yield* publish(futureTemplate(1), newPrevHash(1))
    const client = yield* TestClient.connect()
    const miner = yield* client.open(openExtended())
    yield* client.send(miner.mine())
    yield* TestClock.adjust("2 seconds")
    return { client, miner }
  })
  const withGates =
    (test: (sink: GatedSink) => Effect.Effect<void, unknown, World | Scope.Scope>) =>
    (): Effect.Effect<void, unknown> => {
      const sink = new GatedSink()
      return Effect.scoped(test(sink).pipe(Effect.provide(memoryWorld({ shareSinks: [sink] }))))
    }

  it.effect(
    "holds back until then what answers later reads, also those without a good share",
    withGates((sink) =>
      Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine())
        yield* settle
        yield* client.send(miner.mine({ bad: true }))
        yield* settle
        yield* client.send(openStandard())
        yield* settle
        assert.deepStrictEqual([sink.calls, yield* client.waiting], [1, 0])
        yield* sink.answer(1)
        yield* client.expect("SubmitShares.Success")
        yield* client.expect("SubmitShares.Error")
        yield* client.expect("OpenStandardMiningChannel.Success")
      })
    )
  )

  it.effect("has its read counted once, with the time until its share is acknowledged", () => {
    const sink = new GatedSink()
    return Effect.gen(function* () {
      const { client } = yield* lateClient
      yield* TestClock.adjust("1 second")
      yield* sink.answer(1)
      yield* client.until("SubmitShares.Success")
      const replies = (yield* Metric.snapshot).find(({ id }) => id === "sluice_pool_reply_seconds")
      assert(replies?.type === "Histogram")
      // The reads of the channel and of the share.
      assert.deepInclude(replies.state, { count: 2, min: 0, max: 3 })
    }).pipe(
      Effect.scoped,
      Effect.provide(memoryWorld({ shareSinks: [sink] })),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  })

  it.effect(
    "delays neither new work nor a block of its connection, only acknowledgements",
    withGates((sink) =>
      Effect.gen(function* () {
        const { client, miner } = yield* lateClient
        yield* publish(futureTemplate(2), newPrevHash(2, { target: ANY_TARGET, nbits: 0x207fffff }))
        yield* settle
        yield* client.expect("NewExtendedMiningJob")
        const { jobId } = yield* client.expect("SetNewPrevHash")
        yield* client.send(miner.mine({ jobId }))
        yield* settle
        assert.strictEqual((yield* Queue.take((yield* TemplateFeed).solutions)).templateId, 2n)
        assert.deepStrictEqual([sink.calls, yield* client.waiting], [2, 0])
        yield* client.send(openStandard())
        yield* client.expect("OpenStandardMiningChannel.Success")
        yield* sink.answer(1)
        yield* sink.answer(2)
        yield* client.until("SubmitShares.Success")
      })
    )
  )

  it.effect(
    "acknowledges the shares of each read in their order, whichever is recorded first",
    withGates((sink) =>
      Effect.gen(function* () {
        const { client, miner } = yield* lateClient
        yield* client.send(miner.mine(), miner.mine({ bad: true }))
        yield* settle
        assert.strictEqual((yield* client.expect("SubmitShares.Error")).sequenceNumber, 3)
        yield* sink.answer(2)
        assert.deepStrictEqual([sink.calls, yield* client.waiting], [2, 0])
        yield* sink.answer(1)
        assert.strictEqual((yield* client.expect("SubmitShares.Success")).lastSequenceNumber, 1)
        assert.strictEqual((yield* client.expect("SubmitShares.Success")).lastSequenceNumber, 2)
        assert.strictEqual((yield* poolStats).accepted, 2)
        // The sink is quick again.
        yield* client.send(miner.mine())
        yield* settle
        yield* sink.answer(3)
        assert.strictEqual((yield* client.expect("SubmitShares.Success")).lastSequenceNumber, 4)
      })
    )
  )

  it.effect(
    "ends the connection when it fails, without an acknowledgement of any share that waits",
    withGates((sink) =>
      Effect.gen(function* () {
        const { client, miner } = yield* lateClient
        yield* client.send(miner.mine())
        yield* settle
        yield* sink.answer(2)
        yield* sink.answer(1, "the disk is full")
        assert.strictEqual((yield* Effect.flip(client.next))._tag, "TransportError")
        assert.strictEqual((yield* poolStats).connections, 0)
      })
    )
  )

  it.effect(
    "records the shares of a client that disconnected meanwhile",
    withGates((sink) =>
      Effect.gen(function* () {
        yield* Effect.scoped(Effect.asVoid(lateClient))
        yield* settle
        assert.strictEqual((yield* poolStats).accepted, 0)
        yield* sink.answer(1)
        const { accepted, connections } = yield* poolStats
        assert.deepStrictEqual([accepted, connections], [1, 0])
      })
    )
  )
})

describe("several share sinks", () => {
  it.effect("record in order, once for each read, and all before the acknowledgement", () => {
    const [first, second] = [new SlowSink(), new SlowSink()]
    return Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine(), miner.mine())
      yield* settle
      assert.deepStrictEqual([first.calls, second.calls], [1, 0])
      yield* first.succeed
      assert.deepStrictEqual([second.calls, yield* client.waiting], [1, 0])
      yield* second.succeed
      yield* client.expect("SubmitShares.Success")
      assert.deepStrictEqual([first.recorded, second.recorded], [[[1, 2]], [[1, 2]]])
    }).pipe(Effect.provide(memoryWorld({ shareSinks: [first, second] })))
  })

  it.effect("acknowledge nothing if one of them fails, and the sinks after it are not called", () => {
    const [first, second, third] = [new SlowSink(), new SlowSink(), new SlowSink()]
    return Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine())
      yield* first.succeed
      yield* second.fail
      assert.strictEqual((yield* Effect.flip(client.next))._tag, "TransportError")
      assert.deepStrictEqual([first.recorded, second.recorded, third.calls], [[[1]], [], 0])
    }).pipe(Effect.provide(memoryWorld({ shareSinks: [first, second, third] })))
  })
})

describe("several share sinks that let the server read on", () => {
  it.effect("record in order, and all before the acknowledgement; what waits for one waits for all", () => {
    const hurried: Array<string> = []
    const [first, second] = ["first", "second"].map((name) => new GatedSink(() => hurried.push(name))) as [
      GatedSink,
      GatedSink
    ]
    const calls = () => [first.calls, second.calls]
    return Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine())
      yield* settle
      assert.deepStrictEqual([hurried, calls()], [["first"], [1, 0]])
      yield* first.answer(1)
      assert.deepStrictEqual([hurried, calls(), yield* client.waiting], [["first", "second"], [1, 1], 0])
      yield* second.answer(1)
      yield* client.expect("SubmitShares.Success")
      // A sink that fails is the last one.
      yield* client.send(miner.mine())
      yield* settle
      yield* first.answer(2, "the disk is full")
      assert.strictEqual((yield* Effect.flip(client.next))._tag, "TransportError")
      assert.deepStrictEqual([calls(), (yield* poolStats).accepted], [[2, 1], 1])
    }).pipe(Effect.provide(memoryWorld({ shareSinks: [first, second] })))
  })
})

describe("a share sink with two commits", () => {
  it.effect("keeps nothing back that stands behind the shares of the first", () => {
    const sink = new GatedSink()
    return Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine())
      yield* settle
      yield* publish(template(2))
      yield* client.send(miner.mine())
      yield* settle
      assert.deepStrictEqual([sink.calls, yield* client.waiting], [2, 0])
      yield* sink.answer(1)
      yield* client.expect("SubmitShares.Success")
      yield* client.expect("NewExtendedMiningJob")
      assert.strictEqual(yield* client.waiting, 0)
      yield* sink.answer(2)
      yield* client.expect("SubmitShares.Success")
    }).pipe(Effect.provide(memoryWorld({ shareSinks: [sink] })))
  })
})

describe("a defect in a step", () => {
  it.effect("acknowledges and counts nothing that no sink has", () => {
    const recorded: Array<number> = []
    const refuseUser = (identity: string) => {
      if (identity === "defect") throw new Error("a defect")
      return undefined
    }
    return Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine(), openExtended({ userIdentity: "defect" }))
      assert.strictEqual((yield* Effect.flip(client.next))._tag, "TransportError")
      // Nor does the next read of another connection record it.
      const other = yield* TestClient.connect()
      yield* other.send((yield* other.open(openExtended())).mine())
      yield* other.expect("SubmitShares.Success")
      assert.deepStrictEqual([recorded, (yield* poolStats).accepted], [[2], 1])
    }).pipe(
      Effect.provide(
        memoryWorld({
          shareSinks: [shareSink(({ channel }) => void recorded.push(channel.connectionId))],
          policy: { refuseUser, minHashRate: 1 }
        })
      )
    )
  })
})

describe("a defect of the source when it takes a block", () => {
  it.effect("costs only the miner of the block its connection, and no sink records its shares as another's", () => {
    const recorded: Array<number> = []
    const shareSinks = [shareSink(({ channel }) => void recorded.push(channel.connectionId))]
    const faulty = Layer.effect(
      WorkSource,
      Effect.map(WorkSource, (source) =>
        WorkSource.of({
          ...source,
          submit: () => {
            throw new Error("a defect")
          }
        })
      )
    )
    const world = MiningServer.layer({ shareSinks, policy: { minHashRate: 1 } }).pipe(
      Layer.provide(faulty),
      Layer.provide(Templates.layer(options())),
      Layer.provide(Payouts.layer(options())),
      Layer.provideMerge(TemplateSourceMemory.layer),
      Layer.provide(Setup.server(MiningListener)),
      Layer.provide(Plain.listener),
      Layer.provideMerge(Plain.dialer),
      Layer.provideMerge(Layer.succeed(PoolAddress, { ...Memory.ADDRESS, security: { _tag: "plain" } })),
      Layer.provide(Memory.network()),
      Layer.provide(Logger.layer([]))
    )
    return Effect.gen(function* () {
      yield* newBlock(1, { target: ANY_TARGET })
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(miner.mine())
      yield* client.ended
      yield* newBlock(2)
      const other = yield* TestClient.connect()
      yield* other.send((yield* other.open(openExtended())).mine())
      yield* other.expect("SubmitShares.Success")
      assert.deepStrictEqual(recorded, [2])
    }).pipe(Effect.provide(world))
  })
})

describe("a server that stops while shares are recorded", () => {
  it.live("waits for the sink, acknowledges, then sends Reconnect", () => {
    const recorded: Array<number> = []
    const sink: ShareSink = {
      record: (shares) =>
        Effect.andThen(
          Effect.sleep(200),
          Effect.sync(() => shares.forEach(({ sequenceNumber }) => recorded.push(sequenceNumber)))
        )
    }
    return Effect.gen(function* () {
      const world = tcpWorld({ shareSinks: [sink], reconnectTo: { host: "other.example", port: 1 } })
      const { context, stop } = yield* stoppable(world)
      yield* Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine(), miner.mine())
        yield* Effect.forkChild(stop)
        assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 2)
        assert.deepStrictEqual(recorded, [1, 2])
        yield* client.expect("Reconnect")
        assert.strictEqual((yield* client.ended)._tag, "TransportError")
      }).pipe(Effect.scoped, Effect.provide(context))
    })
  })

  it.live("hurries shares that nothing waits for, and acknowledges them behind Reconnect", () => {
    let hurries = 0
    const sink: ShareSink = {
      record: () => Effect.die("the server prefers recordLater"),
      recordLater: () => {
        const recording: Recording = new Recording(() => {
          hurries++
          recording.end()
        })
        return recording
      }
    }
    return Effect.gen(function* () {
      const world = tcpWorld({
        shareSinks: [sink],
        acknowledgeWithin: "10 seconds",
        reconnectTo: { host: "other.example", port: 1 }
      })
      const { context, stop } = yield* stoppable(world)
      yield* Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine())
        yield* client.expect("SubmitShares.Success")
        yield* client.send(miner.mine())
        // It waits for company.
        yield* Effect.sleep(50)
        assert.strictEqual(hurries, 1)
        const stopped = yield* Effect.forkChild(stop)
        yield* Effect.sleep(200)
        assert.strictEqual(hurries, 2)
        yield* client.expect("Reconnect")
        assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
        yield* Fiber.join(stopped)
      }).pipe(Effect.scoped, Effect.provide(context))
    })
  })

  it.live("gives up a sink that never answers, and sends Reconnect without an acknowledgement", () => {
    const sink = new SlowSink()
    return Effect.gen(function* () {
      const world = tcpWorld({ shareSinks: [sink], reconnectTo: { host: "other.example", port: 1 } })
      const { context, stop } = yield* stoppable(world)
      yield* Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* client.send(miner.mine())
        yield* Effect.sleep(5).pipe(Effect.repeat({ until: () => sink.calls > 0 }))
        yield* stop
        yield* client.expect("Reconnect")
        assert.strictEqual((yield* Effect.flip(client.next))._tag, "TransportError")
        assert.deepStrictEqual([sink.interrupted, sink.recorded], [1, []])
      }).pipe(Effect.scoped, Effect.provide(context))
    })
  })

  it.live("has acknowledged only shares that are recorded, whenever it stops", () => {
    const recorded = new Map<string, number>()
    let calls = 0
    const sink: ShareSink = {
      record: (shares) =>
        Effect.andThen(
          Effect.suspend(() => Effect.sleep(calls++ % 3)),
          Effect.sync(() => {
            const { userIdentity } = shares[0].channel
            recorded.set(userIdentity, (recorded.get(userIdentity) ?? 0) + shares.length)
          })
        )
    }
    return Effect.gen(function* () {
      const { context, stop } = yield* stoppable(tcpWorld({ shareSinks: [sink] }))
      const acknowledged = new Map<string, number>()
      yield* Effect.gen(function* () {
        yield* giveWork
        const mining = (userIdentity: string) =>
          Effect.gen(function* () {
            const client = yield* TestClient.connect()
            const miner = yield* client.open(openExtended({ userIdentity }))
            const share = Effect.suspend(() => client.send(miner.mine()))
            yield* Effect.forkChild(Effect.ignore(Effect.forever(Effect.andThen(share, Effect.sleep(1)))))
            const answer = Effect.map(client.until("SubmitShares.Success"), ({ newSubmitsAcceptedCount }) =>
              acknowledged.set(userIdentity, (acknowledged.get(userIdentity) ?? 0) + newSubmitsAcceptedCount)
            )
            return yield* Effect.flip(Effect.forever(answer))
          })
        const users = ["alice", "bob", "carol", "dave"]
        const miners = yield* Effect.forEach(users, (user) => Effect.forkChild(mining(user)))
        yield* Effect.sleep(5).pipe(Effect.repeat({ until: () => acknowledged.size === users.length }))
        yield* stop
        yield* Effect.forEach(miners, Fiber.join)
        for (const user of users) assert.isAtMost(acknowledged.get(user)!, recorded.get(user)!, user)
      }).pipe(Effect.scoped, Effect.provide(context))
    })
  })
})
