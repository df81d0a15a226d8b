/** Messages in the event of the read that brings them, where a message that comes alone is decoded on a shorter way than several. */
import { assert, describe, it } from "@effect/vitest"
import { Mining } from "@sluice/protocol"
import { Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Receiver } from "../src/bytes/duplex.ts"
import type { Connection } from "../src/connection/connection.ts"
import { overFrames } from "../src/connection/message-stream.ts"
import type { FrameDuplex } from "../src/frames/frame-duplex.ts"

type Frames = Parameters<NonNullable<FrameDuplex["each"]>>[0] extends Receiver<infer A, infer _> ? A : never

const { incoming, outgoing } = { incoming: Mining.protocol.toServer, outgoing: Mining.protocol.toClient }

const closing = (channelId: number, reasonCode = "") => {
  const bytes = incoming.encode({ _tag: "CloseChannel", channelId, reasonCode })
  return { extensionType: 0x8000, messageType: bytes[2]!, payload: bytes.subarray(6) }
}
const unknown = { extensionType: 0, messageType: 0xee, payload: new Uint8Array(3) }
const broken = { ...closing(1), payload: new Uint8Array(2) }

/** Gives reads to a connection, one after the other, and returns the ids of the channels in each batch that comes out. */
const receive = (reads: ReadonlyArray<Frames>, answered = 0) =>
  Effect.gen(function* () {
    const batches: Array<ReadonlyArray<number>> = []
    const answers: Array<number> = []
    const frames: FrameDuplex = {
      pull: Effect.never,
      each: (receiver) =>
        Effect.andThen(
          Effect.forEach(reads, (read) => receiver.take(read) ?? Effect.void, { discard: true }),
          Effect.never
        ),
      write: (some) => Effect.sync(() => void answers.push(some.length)),
      limitPayload: () => {},
      remote: { host: "127.0.0.1", port: 1 }
    }
    let left = answered
    const connection: Connection<Mining.ToServer, Mining.ToClient> = overFrames<Mining.ToServer, Mining.ToClient>({
      frames,
      speak: () => ({ incoming, outgoing, extensions: [] }),
      answer: () => (left-- > 0 ? new Uint8Array(1) : undefined),
      setup: { version: 2, flags: 0, device: { vendor: "", hardwareVersion: "", firmware: "", deviceId: "" } },
      early: [],
      limits: {}
    })
    const take = (messages: NonEmptyReadonlyArray<Mining.ToServer>) => {
      batches.push(messages.map((message) => ("channelId" in message ? message.channelId : -1)))
      return undefined
    }
    const each = connection.each!<never>({ take, touch: () => 0 })
    const { _tag } = yield* Effect.flip(Effect.timeout(each, "50 millis"))
    return { batches, answers, error: _tag }
  })

describe("messages of each read", () => {
  it.live("come out in their order, whether alone or together, and unknown ones are left out", () =>
    Effect.gen(function* () {
      const reads: ReadonlyArray<Frames> = [
        [closing(1)],
        [closing(2)],
        [unknown],
        [closing(3), unknown, closing(4)],
        [closing(5)]
      ]
      const { batches, error } = yield* receive(reads)
      assert.deepStrictEqual(batches, [[1], [2], [3, 4], [5]])
      assert.strictEqual(error, "TimeoutError")
    })
  )

  it.live("end with the one that does not decode, also if it comes alone, and those before it come out", () =>
    Effect.gen(function* () {
      for (const reads of [
        [[closing(1)], [closing(2)], [broken], [closing(3)]],
        [[closing(1)], [closing(2), broken, closing(3)]]
      ] satisfies ReadonlyArray<ReadonlyArray<Frames>>) {
        const { batches, error } = yield* receive(reads)
        assert.deepStrictEqual(batches, [[1], [2]])
        assert.strictEqual(error, "DecodeError")
      }
    })
  )

  it.live("do not come out if they are answered at once, however late such requests come", () =>
    Effect.gen(function* () {
      const { answers, batches } = yield* receive(
        [[closing(1)], [closing(2)], [closing(3)], [closing(4), closing(5)]],
        2
      )
      assert.deepStrictEqual({ answers, batches }, { answers: [1, 1], batches: [[3], [4, 5]] })
    })
  )
})
