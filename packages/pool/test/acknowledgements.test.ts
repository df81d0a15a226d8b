/** When a pool acknowledges: shares wait for company, and nothing that a miner would notice does. */
import { assert, describe, it } from "@effect/vitest"
import { Recording, type ShareSink, ShareSinkError } from "@sluice/mining-server"
import { ANY_TARGET } from "@sluice/testing/templates"
import { type Miner, openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, newBlock, poolStats } from "@sluice/testing/pool-worlds"
import { Effect, Exit, Latch, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"

const settle = TestClock.adjust(0)
const patient = { acknowledgeWithin: "1 second" } as const

/** A miner with a share that came alone, half a second ago, so that the next ones wait. */
const busyMiner = Effect.gen(function* () {
  yield* giveWork
  const client = yield* TestClient.connect()
  const miner = yield* client.open(openExtended())
  yield* client.send(miner.mine())
  assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
  yield* TestClock.adjust("500 millis")
  return { client, miner }
})

/** Submits shares, each in a read of its own. */
const submit = (client: TestClient, miner: Miner, count: number) =>
  Effect.gen(function* () {
    for (let i = 0; i < count; i++) {
      yield* client.send(miner.mine())
      yield* settle
    }
  })

describe("an acknowledgement", () => {
  it.effect("of shares that come alone does not wait", () =>
    Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      for (let i = 0; i < 5; i++) {
        yield* TestClock.adjust("1 second")
        yield* client.send(miner.mine())
        assert.strictEqual((yield* client.until("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
      }
    }).pipe(Effect.provide(memoryWorld(patient)))
  )

  it.effect("of shares that follow one another is one for ten of them", () =>
    Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      yield* submit(client, miner, 9)
      assert.strictEqual(yield* client.waiting, 0)
      const last = miner.mine()
      yield* client.send(last)
      const acknowledged = yield* client.expect("SubmitShares.Success")
      assert.deepInclude(acknowledged, { newSubmitsAcceptedCount: 10, lastSequenceNumber: last.sequenceNumber })
    }).pipe(Effect.provide(memoryWorld(patient)))
  )

  it.effect("never waits longer than acknowledgeWithin", () =>
    Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      yield* submit(client, miner, 3)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* client.waiting, 1)
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 3)
      // The timer runs again for those that come later. The first of them is alone.
      yield* submit(client, miner, 3)
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 2)
    }).pipe(Effect.provide(memoryWorld(patient)))
  )

  it.effect("that waits leaves with the next job", () =>
    Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      yield* submit(client, miner, 3)
      yield* newBlock(2)
      assert.strictEqual((yield* client.until("SubmitShares.Success")).newSubmitsAcceptedCount, 3)
    }).pipe(Effect.provide(memoryWorld(patient)))
  )

  it.effect("of a share behind a refused one comes behind the refusal, also while others wait", () =>
    Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      const share = miner.mine()
      yield* client.send(share)
      yield* TestClock.adjust(1)
      // A client that heard of two accepted shares first would take the refused one for the second.
      const refused = { ...share, sequenceNumber: share.sequenceNumber + 1 }
      const accepted = { ...miner.mine(), sequenceNumber: share.sequenceNumber + 2 }
      yield* client.send(refused, accepted)
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).lastSequenceNumber, share.sequenceNumber)
      assert.strictEqual((yield* client.expect("SubmitShares.Error")).sequenceNumber, refused.sequenceNumber)
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).lastSequenceNumber, accepted.sequenceNumber)
    }).pipe(Effect.provide(memoryWorld(patient)))
  )

  it.effect("that waits leaves before the answer to a later message, in the order of the shares", () =>
    Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      const share = miner.mine()
      yield* client.send(share)
      yield* TestClock.adjust(1)
      yield* client.send({ ...share, sequenceNumber: share.sequenceNumber + 1 })
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).lastSequenceNumber, share.sequenceNumber)
      assert.strictEqual((yield* client.expect("SubmitShares.Error")).errorCode, "duplicate-share")
    }).pipe(Effect.provide(memoryWorld(patient)))
  )

  it.effect("of a block does not wait", () =>
    Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      yield* newBlock(2, { target: ANY_TARGET })
      miner.receive(yield* client.until("NewExtendedMiningJob"))
      miner.receive(yield* client.until("SetNewPrevHash"))
      yield* submit(client, miner, 1)
      assert.strictEqual((yield* client.until("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
    }).pipe(Effect.provide(memoryWorld(patient)))
  )

  it.effect("that waits leaves when the client closes its channel", () =>
    Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      yield* submit(client, miner, 2)
      yield* client.send({ _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" })
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 2)
    }).pipe(Effect.provide(memoryWorld(patient)))
  )

  it.effect("that waits leaves when the pool stops", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const world = yield* Layer.buildWithScope(memoryWorld(patient), scope)
      const { client, miner } = yield* Effect.provideContext(busyMiner, world)
      yield* submit(client, miner, 4)
      assert.strictEqual(yield* client.waiting, 0)
      yield* Effect.forkScoped(Scope.close(scope, Exit.void))
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 4)
    })
  )

  it.effect("for several channels has a message for each, and ten shares of all of them do not wait", () =>
    Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      const other = yield* client.open(openStandard({ requestId: 2 }))
      yield* submit(client, miner, 5)
      yield* submit(client, other, 4)
      assert.strictEqual(yield* client.waiting, 0)
      yield* submit(client, miner, 1)
      const [first, second] = [
        yield* client.expect("SubmitShares.Success"),
        yield* client.expect("SubmitShares.Success")
      ]
      assert.deepInclude(first, { channelId: miner.channelId, newSubmitsAcceptedCount: 6 })
      assert.deepInclude(second, { channelId: other.channelId, newSubmitsAcceptedCount: 4 })
    }).pipe(Effect.provide(memoryWorld(patient)))
  )

  it.effect("does not exist before the sinks have the share, and never without them", () => {
    const gate = Latch.makeUnsafe(true)
    let fails = false
    const sink: ShareSink = {
      record: () =>
        Effect.andThen(
          gate.await,
          Effect.suspend(() => (fails ? new ShareSinkError({ message: "full" }) : Effect.void))
        )
    }
    return Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      yield* submit(client, miner, 2)
      gate.closeUnsafe()
      yield* TestClock.adjust(1)
      yield* submit(client, miner, 1)
      // The share in the sink is not among those that the time limit acknowledges.
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 2)
      fails = true
      gate.openUnsafe()
      yield* client.ended
      assert.strictEqual(yield* client.waiting, 0)
    }).pipe(Effect.provide(memoryWorld({ ...patient, shareSinks: [sink] })))
  })

  it.effect("of shares that are recorded together leaves with a later read, and nothing waits for the sink", () => {
    let hurries = 0
    let present = new Recording(() => hurries++)
    const commit = () => {
      const recording = present
      present = new Recording(() => hurries++)
      recording.end()
    }
    const sink: ShareSink = { record: () => Effect.die("not asked"), recordLater: () => present }
    return Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      // One that comes alone is acknowledged as soon as it is recorded.
      yield* client.send(miner.mine())
      yield* settle
      assert.deepStrictEqual([hurries, yield* client.waiting], [0, 0])
      commit()
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
      yield* TestClock.adjust("500 millis")
      yield* submit(client, miner, 9)
      commit()
      yield* settle
      assert.deepStrictEqual([hurries, yield* client.waiting], [0, 0])
      // Shares are counted with their acknowledgement.
      assert.strictEqual((yield* poolStats).accepted, 1)
      yield* submit(client, miner, 1)
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 9)
      // The last one waits for its own second.
      commit()
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 1)
      assert.strictEqual(hurries, 0)
    }).pipe(Effect.provide(memoryWorld({ ...patient, shareSinks: [sink] })))
  })

  it.effect("that waits for company and for a sink which takes longer than a second delays no new work", () => {
    let present = Recording.done
    const sink: ShareSink = { record: () => Effect.die("not asked"), recordLater: () => present }
    return Effect.gen(function* () {
      const { client, miner } = yield* busyMiner
      present = new Recording()
      yield* submit(client, miner, 2)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* client.waiting, 0)
      yield* newBlock(2)
      yield* settle
      yield* client.expect("NewExtendedMiningJob")
      yield* client.expect("SetNewPrevHash")
      assert.strictEqual(yield* client.waiting, 0)
      present.end()
      yield* newBlock(3)
      yield* client.expect("NewExtendedMiningJob")
      yield* client.expect("SetNewPrevHash")
      assert.strictEqual((yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount, 2)
    }).pipe(Effect.provide(memoryWorld({ acknowledgeWithin: "1 minute", shareSinks: [sink] })))
  })
})
