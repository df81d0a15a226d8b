import { assert, describe, it } from "@effect/vitest"
import { Common, type Frame } from "@sluice/protocol"
import { type Duplex, type FrameDuplex, Memory } from "@sluice/transport"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Peer } from "../src/peer.ts"
import { Wire } from "../src/wire.ts"

const frame = (messageType: number): Frame => ({ extensionType: 0, messageType, payload: new Uint8Array(0) })

/** The text that a failed expectation of SetupConnection.Success reports when only these frames came. */
const cameAfter = Effect.fnUntraced(function* (...frames: readonly [Frame, ...Array<Frame>]) {
  const remote = Memory.ADDRESS
  let isRead = false
  const duplex: FrameDuplex = {
    pull: Effect.suspend(() => {
      if (isRead) return Effect.never
      isRead = true
      return Effect.succeed(frames)
    }),
    write: () => Effect.void,
    limitPayload: () => undefined,
    remote
  }
  const bytes: Duplex = { pull: Effect.never, write: () => Effect.void, remote }
  const peer = yield* Peer.make(duplex, new Wire(bytes), { answerMs: 1000, quietMs: 1000 })
  const [broken] = yield* Effect.all(
    [Effect.flip(peer.expect(Common.SetupConnectionSuccess)), TestClock.adjust("1 second")],
    {
      concurrency: "unbounded"
    }
  )
  return broken.came
})

describe("a message that does not come", () => {
  it.effect("is reported with the last five messages that came, and with dots if there were more", () =>
    Effect.gen(function* () {
      const last = [0x75, 0x76, 0x77, 0x78, 0x79].map(frame)
      const told = "message 0x75, message 0x76, message 0x77, message 0x78, message 0x79, then nothing"
      assert.strictEqual(yield* cameAfter(frame(0x79)), "message 0x79, then nothing")
      assert.strictEqual(yield* cameAfter(last[0]!, ...last.slice(1)), told)
      for (const more of [1, 50]) {
        const before = Array.from({ length: more }, () => frame(0x70))
        assert.strictEqual(yield* cameAfter(before[0]!, ...before.slice(1), ...last), `... ${told}`)
      }
    }).pipe(Effect.scoped)
  )
})
