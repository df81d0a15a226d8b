/** Counts the bytes that a new job takes on a connection with many channels: one message to their group. */
import { assert, describe, it } from "@effect/vitest"
import { type Frame, Mining } from "@sluice/protocol"
import type { TemplateFeed } from "@sluice/template-provider"
import { FrameDialer } from "@sluice/transport"
import { Effect } from "effect"
import { bytes, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, publish } from "@sluice/testing/pool-worlds"

const CHANNELS = 1000
const HEADER = 6

type TemplateMessage = Parameters<TemplateFeed["Service"]["publish"]>[0][number]

/** Opens a thousand channels, every other one standard, and gives the frames that then come for what was published. */
const framesFor = (flags: number, ...messages: ReadonlyArray<TemplateMessage>) =>
  Effect.gen(function* () {
    const dialer = yield* FrameDialer
    let received: Array<Frame> = []
    const counting = FrameDialer.of({
      dial: (server) =>
        Effect.map(dialer.dial(server), (duplex) => ({
          ...duplex,
          pull: Effect.tap(duplex.pull, (frames) =>
            Effect.sync(() => {
              received.push(...frames)
            })
          )
        }))
    })
    yield* giveWork
    const client = yield* Effect.provideService(TestClient.connect({ flags }), FrameDialer, counting)
    const standardOnly = (flags & Mining.REQUIRES_STANDARD_JOBS) !== 0
    const requests = Array.from({ length: CHANNELS }, (_, requestId) =>
      standardOnly || requestId % 2 === 0 ? openStandard({ requestId }) : openExtended({ requestId })
    )
    yield* client.send(...requests)
    for (let opened = 0; opened < CHANNELS; opened++) yield* client.until("SetNewPrevHash")
    received = []
    yield* publish(...messages)
    // What is answered to an unknown channel comes behind all that was announced before.
    yield* client.send({ _tag: "UpdateChannel", channelId: 0xffffffff, nominalHashRate: 1, maximumTarget: bytes(1) })
    yield* client.until("UpdateChannel.Error")
    return received.slice(0, -1)
  }).pipe(Effect.scoped, Effect.provide(memoryWorld()))

const merklePath = Array.from({ length: 12 }, (_, index) => bytes(index))

const sizeOf = (frames: ReadonlyArray<Frame>): number =>
  frames.reduce((sum, { payload }) => sum + HEADER + payload.length, 0)

describe("a thousand channels of one connection", () => {
  it.effect("get a new job with one message, whatever their kind", () =>
    Effect.gen(function* () {
      const frames = yield* framesFor(0, template(2, { merklePath }))
      assert.strictEqual(frames.length, 1)
      const job = Mining.protocol.toClient.decode(frames[0]!)
      if (job?._tag !== "NewExtendedMiningJob") return assert.fail(`got ${job?._tag}`)
      // channel_id, job_id, min_ntime, version, version_rolling_allowed, merkle_path, and two parts of the coinbase.
      const coinbase = job.coinbaseTxPrefix.length + job.coinbaseTxSuffix.length
      assert.strictEqual(sizeOf(frames), HEADER + 4 + 4 + 5 + 4 + 1 + (1 + 12 * 32) + 2 + 2 + coinbase)
      assert.isBelow(sizeOf(frames), 700)
    })
  )

  it.effect("get a new previous hash with one message too", () =>
    Effect.gen(function* () {
      const frames = yield* framesFor(0, futureTemplate(2, { merklePath }), newPrevHash(2))
      const types = frames.map(({ messageType }) => messageType)
      assert.deepStrictEqual(types, [Mining.NewExtendedMiningJob.type, Mining.SetNewPrevHash.type])
      assert.isBelow(sizeOf(frames), 800)
    })
  )

  it.effect("get a message each if they require standard jobs", () =>
    Effect.gen(function* () {
      const frames = yield* framesFor(Mining.REQUIRES_STANDARD_JOBS, template(2, { merklePath }))
      // channel_id, job_id, min_ntime, version and merkle_root.
      assert.strictEqual(sizeOf(frames), CHANNELS * (HEADER + 4 + 4 + 5 + 4 + 32))
    })
  )
})
