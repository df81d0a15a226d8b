/** A sniffer between a real miner and a real pool, in memory, under a test clock. */
import { assert, describe, it } from "@effect/vitest"
import { Miner } from "@sluice/miner"
import { Pool } from "@sluice/pool"
import { Common, Mining } from "@sluice/protocol"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { nextEvent } from "@sluice/testing/miner-event"
import { Sniffer, Verdict } from "../src/index.ts"
import { advanceUntil, memoryWorld } from "./worlds.ts"

describe("waitFor", () => {
  it.effect("gives past and future messages of both directions, each once", () =>
    Effect.gen(function* () {
      const sniffer = yield* Sniffer
      const first = yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesStandard))
      const second = yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesStandard))
      assert.strictEqual(first.message.sequenceNumber + 1, second.message.sequenceNumber)
      const setup = yield* sniffer.waitFor(Common.SetupConnection)
      assert.strictEqual(setup.message.vendor, "Sluice")
      const success = yield* sniffer.waitFor(Mining.OpenStandardMiningChannelSuccess)
      const { message, ...seen } = yield* sniffer.waitFor(Mining.SetNewPrevHash)
      assert.strictEqual(message.channelId, success.message.channelId)
      assert.deepInclude(seen, { connectionId: 1, to: "client", fate: "passed", protocol: "mining" })
      assert.isTrue(Buffer.from(Mining.SetNewPrevHash.codec.encode(message)).equals(seen.frame))
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("selects a message by predecessor, connection and content", () =>
    Effect.gen(function* () {
      const sniffer = yield* Sniffer
      const share = yield* advanceUntil(
        sniffer.waitFor(Mining.SubmitSharesStandard, { where: ({ sequenceNumber }) => sequenceNumber >= 5 })
      )
      assert.strictEqual(share.message.sequenceNumber, 5)
      const where = (answer: Mining.SubmitSharesSuccess) => answer.lastSequenceNumber >= 5
      const answer = yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesSuccess, { after: share, where }))
      assert.isAbove(answer.index, share.index)
      const elsewhere = yield* Effect.forkChild(sniffer.waitFor(Mining.SubmitSharesSuccess, { connectionId: 2 }))
      yield* TestClock.adjust("2 seconds")
      assert.isUndefined(elsewhere.pollUnsafe())
    }).pipe(Effect.provide(memoryWorld()))
  )
})

describe("a rule", () => {
  it.effect("drops messages: the other end never sees them", () =>
    Effect.gen(function* () {
      const sniffer = yield* Sniffer
      const { fate } = yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesStandard))
      assert.strictEqual(fate, "dropped")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Effect.flatMap(Pool, ({ stats }) => stats)).accepted, 0)
      assert.isAbove((yield* Effect.flatMap(Miner, ({ stats }) => stats)).submitted, 1)
    }).pipe(
      Effect.provide(
        memoryWorld({ rule: ({ _tag }) => (_tag === "SubmitSharesStandard" ? Verdict.drop : Verdict.pass) })
      )
    )
  )

  it.effect("replaces messages: the pool refuses a share that was tampered with", () =>
    Effect.gen(function* () {
      const sniffer = yield* Sniffer
      const { errorCode } = yield* advanceUntil(nextEvent("ShareRefused"))
      assert.strictEqual(errorCode, "invalid-job-id")
      const original = yield* sniffer.waitFor(Mining.SubmitSharesStandard)
      assert.strictEqual(original.fate, "replaced")
      const sent = (yield* sniffer.seen).find(({ fate, to }) => fate === "added" && to === "server")
      assert.deepStrictEqual(sent?.message, { ...original.message, jobId: 99 })
    }).pipe(
      Effect.provide(
        memoryWorld({
          rule: (message) =>
            message._tag === "SubmitSharesStandard" ? Verdict.replace({ ...message, jobId: 99 }) : Verdict.pass
        })
      )
    )
  )

  it.effect("gets the direction of a message, and may replace it by several", () => {
    const asked: Array<string> = []
    return Effect.gen(function* () {
      const sniffer = yield* Sniffer
      yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesSuccess))
      assert.includeMembers(asked, [
        "1 server SetupConnection",
        "1 client SetupConnection.Success",
        "1 client NewMiningJob"
      ])
      const target = yield* advanceUntil(nextEvent("TargetChanged"))
      assert.closeTo(target.difficulty, 2 ** -32, 2 ** -34)
    }).pipe(
      Effect.provide(
        memoryWorld({
          rule: (message, to, connectionId) => {
            asked.push(`${connectionId} ${to} ${message._tag}`)
            if (message._tag !== "NewMiningJob") return Verdict.pass
            const maximumTarget = new Uint8Array(32).fill(0xff)
            return Verdict.replace(message, Mining.SetTarget.make({ channelId: message.channelId, maximumTarget }))
          }
        })
      )
    )
  })
})

describe("inject", () => {
  it.effect("sends the client messages that the server does not see", () =>
    Effect.gen(function* () {
      const sniffer = yield* Sniffer
      const { connectionId } = yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesStandard))
      yield* sniffer.inject(connectionId, Common.Reconnect, { newHost: "", newPort: 0 })
      yield* advanceUntil(nextEvent("Redirected"))
      const again = yield* advanceUntil(sniffer.waitFor(Common.SetupConnection, { connectionId: connectionId + 1 }))
      assert.strictEqual(again.message.endpointPort, 1)
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("sends the server messages that the client does not see", () =>
    Effect.gen(function* () {
      const sniffer = yield* Sniffer
      const { connectionId, message } = yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesStandard))
      yield* sniffer.inject(connectionId, Mining.SubmitSharesStandard, { ...message, jobId: 99, sequenceNumber: 77 })
      const { message: refused } = yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesError))
      assert.deepInclude(refused, { sequenceNumber: 77, errorCode: "invalid-job-id" })
      // A message that may go both ways needs a direction.
      yield* sniffer.inject(connectionId, Mining.CloseChannel, { channelId: 1, reasonCode: "" }, "client")
      assert.strictEqual((yield* sniffer.seen).at(-1)?.to, "client")
    }).pipe(Effect.provide(memoryWorld()))
  )

  it.effect("fails for an unknown connection, and for a message that cannot be encoded", () =>
    Effect.gen(function* () {
      const sniffer = yield* Sniffer
      const { inject } = sniffer
      const nowhere = yield* Effect.flip(inject(7, Common.Reconnect, { newHost: "", newPort: 0 }))
      assert.strictEqual(nowhere.message, "the sniffer has no open connection 7; the first one is 1")
      yield* advanceUntil(sniffer.waitFor(Common.SetupConnectionSuccess))
      const wrong = yield* Effect.flip(inject(1, Common.Reconnect, { newHost: "", newPort: 70_000 }))
      assert.strictEqual(wrong._tag, "EncodeError")
    }).pipe(Effect.provide(memoryWorld()))
  )
})

it.effect("keeps only the newest messages, up to its limit", () =>
  Effect.gen(function* () {
    const sniffer = yield* Sniffer
    yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesStandard, { where: (share) => share.sequenceNumber > 30 }))
    const seen = yield* sniffer.seen
    assert.isBelow(seen.length, 12)
    assert.isAbove(seen.length, 5)
    assert.isFalse(seen.some(({ message }) => message?._tag === "SetupConnection"))
    const indexes = seen.map(({ index }) => index)
    assert.deepStrictEqual(
      indexes,
      indexes.toSorted((a, b) => a - b)
    )
  }).pipe(Effect.provide(memoryWorld({ historyBytes: 6000 })))
)

it.effect("can keep nothing and still wait for messages", () =>
  Effect.gen(function* () {
    const sniffer = yield* Sniffer
    const { message } = yield* advanceUntil(sniffer.waitFor(Mining.SubmitSharesSuccess))
    assert.isAtLeast(message.lastSequenceNumber, 1)
    assert.deepStrictEqual(yield* sniffer.seen, [])
  }).pipe(Effect.provide(memoryWorld({ historyBytes: 0 })))
)
