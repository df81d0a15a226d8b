/** A clock that is set back, as a machine without a time server may do, changes nothing about which shares are acknowledged when. */
import { assert, describe, it } from "@effect/vitest"
import { acceptedShare } from "@sluice/testing/accepted-share"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, publish } from "@sluice/testing/pool-worlds"
import { template } from "@sluice/testing/templates"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { WaitingAcknowledgements } from "../src/connections/acknowledgements.ts"
import type { Downstream } from "../src/connections/downstream.ts"
import { makeRecording } from "../src/connections/recording.ts"
import { Recording, type ShareSink } from "../src/index.ts"

const settle = TestClock.adjust(0)

describe("while the clock is set back", () => {
  it.effect("no share is acknowledged that is not recorded, also on another channel", () => {
    let recording = Recording.done
    const sink: ShareSink = { record: () => Effect.die("not asked"), recordLater: () => recording }
    return Effect.gen(function* () {
      yield* TestClock.setTime(10_000_000)
      yield* giveWork
      const client = yield* TestClient.connect()
      const first = yield* client.open(openExtended())
      const second = yield* client.open(openExtended({ requestId: 2 }))
      yield* client.send(first.mine())
      yield* client.expect("SubmitShares.Success")
      recording = new Recording()
      yield* client.send(first.mine())
      yield* settle
      yield* TestClock.setTime(9_000_000)
      yield* client.send(second.mine())
      yield* settle
      // A job takes along what is recorded.
      yield* publish(template(2))
      yield* settle
      yield* client.expect("NewExtendedMiningJob")
      assert.strictEqual(yield* client.waiting, 0)
      recording.end()
      yield* publish(template(3))
      yield* settle
      yield* client.expect("NewExtendedMiningJob")
      assert.strictEqual(yield* client.waiting, 2)
    }).pipe(
      Effect.ensuring(Effect.sync(() => recording.end())),
      Effect.provide(memoryWorld({ acknowledgeWithin: "1 second", shareSinks: [sink] }))
    )
  })

  it.effect("acknowledgements wait no longer", () =>
    Effect.gen(function* () {
      let now = 10_000_000
      const acknowledged: Array<string> = []
      const fork = yield* Effect.map(Effect.context<never>(), Effect.runForkWith)
      const waiting = new WaitingAcknowledgements<{ readonly name: string; readonly acknowledgedSince: number }>(
        { after: 10, withinMs: 1_000 },
        {
          now: () => now,
          acknowledge: ({ name }) => acknowledged.push(name),
          start: (timer) => void fork(timer)
        }
      )
      waiting.add({ name: "before", acknowledgedSince: now })
      now -= 3_600_000
      waiting.add({ name: "after", acknowledgedSince: now })
      for (let i = 0; i < 4; i++) {
        now += 250
        yield* TestClock.adjust(250)
      }
      assert.deepStrictEqual(acknowledged, ["before", "after"])
    })
  )

  it.effect("connections go on as early without shares that take long to record", () =>
    Effect.gen(function* () {
      let now = 10_000_000
      const wentOn: Array<number> = []
      const downstream = {
        waitFor: () => {},
        goOn: (since: number) => void wentOn.push(since)
      } as unknown as Downstream
      const fork = yield* Effect.map(Effect.context<never>(), Effect.runForkWith)
      const sink: ShareSink = { record: () => Effect.die("not asked"), recordLater: () => new Recording() }
      const { begin } = makeRecording({
        downstreams: new Map([[1, downstream]]),
        sinks: [sink],
        now: () => now,
        start: (look) => void fork(look)
      })
      begin(downstream, [{ ...acceptedShare(1), at: now }])
      now += 500
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(wentOn, [])
      now -= 3_600_000
      now += 500
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(wentOn, [now - 1_000])
    })
  )
})
