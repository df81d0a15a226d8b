import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import type { TransportError } from "@sluice/transport"
import { Effect, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, poolStats, tcpWorld } from "@sluice/testing/pool-worlds"

const count = (name: string, reason?: string) =>
  Effect.map(Metric.snapshot, (metrics) => {
    const metric = metrics.find(({ attributes, id }) => id === name && attributes?.["reason"] === reason)
    return metric?.type === "Counter" ? metric.state.count : undefined
  })

describe("a connection", () => {
  it.effect("that sends too much is read from more slowly, and other connections are not", () =>
    Effect.gen(function* () {
      yield* giveWork
      const [client, other] = [yield* TestClient.connect(), yield* TestClient.connect()]
      const miner = yield* client.open(openExtended())
      const good = yield* other.open(openExtended())
      // 1 message is spent; 19 of a burst of 20 are left.
      yield* client.send(...Array.from({ length: 25 }, () => miner.mine({ bad: true })))
      for (let i = 0; i < 25; i++) yield* client.expect("SubmitShares.Error")
      yield* client.send(miner.mine({ bad: true }))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* client.waiting, 0)
      yield* other.send(good.mine())
      yield* other.expect("SubmitShares.Success")
      yield* TestClock.adjust("1 second")
      yield* client.expect("SubmitShares.Error")
      assert.strictEqual(yield* count("sluice_pool_slow_downs_total"), 2)
    }).pipe(
      Effect.provide(memoryWorld({ traffic: { maxMessagesPerSecond: 2 } })),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

  it.effect("that sends too much at once gets its answers at once, and the next read waits", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      yield* client.send(...Array.from({ length: 300 }, () => miner.mine({ bad: true })))
      for (let i = 0; i < 300; i++) yield* client.expect("SubmitShares.Error")
      yield* client.send(miner.mine({ bad: true }))
      // A burst of 20, and one was spent.
      yield* TestClock.adjust("140 seconds")
      assert.strictEqual(yield* client.waiting, 0)
      yield* TestClock.adjust("1 second")
      yield* client.expect("SubmitShares.Error")
      const replies = (yield* Metric.snapshot).find(({ id }) => id === "sluice_pool_reply_seconds")
      assert(replies?.type === "Histogram")
      // One for each read, without what the peer had to wait for.
      assert.deepInclude(replies.state, { count: 3, max: 0 })
    }).pipe(
      Effect.provide(memoryWorld({ traffic: { maxMessagesPerSecond: 2, maxErrorsPerSecond: 1000 } })),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

  const limited = { policy: { maxSharesPerSecond: 2 }, traffic: { maxErrorsPerSecond: 1 } }
  const lines: Array<string> = []

  /** A connection that submits 130 good shares, and one that submits its own. */
  const flood = Effect.gen(function* () {
    yield* giveWork
    const [client, other] = [yield* TestClient.connect(), yield* TestClient.connect()]
    const [miner, good] = [yield* client.open(openExtended()), yield* other.open(openExtended())]
    yield* client.send(...Array.from({ length: 130 }, () => miner.mine()))
    const codes: Array<string> = []
    for (let answered = 0; answered < 130;) {
      const answer = yield* client.next
      if (answer._tag === "SubmitShares.Error") codes.push(answer.errorCode)
      if (answer._tag === "SubmitShares.Error") answered++
      if (answer._tag === "SubmitShares.Success") answered += answer.newSubmitsAcceptedCount
    }
    // The connection goes on: errors that come by themselves do not end it.
    yield* other.send(good.mine())
    yield* other.expect("SubmitShares.Success")
    const { accepted, connections, refused } = yield* poolStats
    return { accepted, codes: new Set(codes), connections, refused: refused["too-many-shares-per-second"] ?? 0 }
  })

  it.effect("that exceeds its limit on good shares has the others refused, in metrics and log", () =>
    Effect.gen(function* () {
      const { refused, ...rest } = yield* flood
      assert.deepStrictEqual(rest, { accepted: 121, codes: new Set(["too-many-shares-per-second"]), connections: 2 })
      assert.strictEqual(refused, 10)
      assert.strictEqual(yield* count("sluice_pool_shares_refused_total", "too-many-shares-per-second"), 10)
      const line =
        "user.worker sends more than 2 good shares a second for each channel of its connection (maxSharesPerSecond); " +
        "the server refuses the others, except blocks"
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("maxSharesPerSecond")),
        [line]
      )
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(lines.at(-1), `${line} (and 8 more like it in 10 s)`)
    }).pipe(
      Effect.provide(
        memoryWorld(
          limited,
          {},
          Logger.make(({ message }) => void lines.push(String(message)))
        )
      ),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

  it.live("that exceeds its limit on good shares has the others refused, over TCP with Noise", () =>
    Effect.gen(function* () {
      const { accepted, codes, connections } = yield* flood
      assert.isAtLeast(accepted, 121)
      assert.isBelow(accepted, 131)
      assert.deepStrictEqual(codes, new Set(["too-many-shares-per-second"]))
      assert.strictEqual(connections, 2)
    }).pipe(Effect.provide(tcpWorld(limited)))
  )

  it.effect("that causes too many errors is ended with the reason, and stale shares are no errors", () =>
    Effect.gen(function* () {
      yield* giveWork
      const [client, other] = [yield* TestClient.connect(), yield* TestClient.connect()]
      const miner = yield* client.open(openExtended())
      const unknown: Mining.ToServer = {
        _tag: "UpdateChannel",
        channelId: 99,
        nominalHashRate: 1,
        maximumTarget: new Uint8Array(32).fill(0xff)
      }
      yield* client.send(
        ...Array.from({ length: 15 }, () => unknown),
        ...Array.from({ length: 5 }, () => miner.mine({ bad: true }))
      )
      for (let i = 0; i < 15; i++) yield* client.expect("UpdateChannel.Error")
      for (let i = 0; i < 5; i++) yield* client.expect("SubmitShares.Error")
      yield* client.send(unknown)
      const end = (yield* client.ended) as TransportError
      assert.strictEqual(end.reason._tag, "Closed")
      assert.strictEqual(yield* count("sluice_pool_connections_evicted_total", "too_many_errors"), 1)
      assert.strictEqual((yield* poolStats).connections, 1)
      yield* other.open(openExtended())
    }).pipe(
      Effect.provide(memoryWorld({ traffic: { maxErrorsPerSecond: 2 } })),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )
})
