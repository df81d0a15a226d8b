/** A proxy with thousands of channels on one connection. */
import { assert, describe, it } from "@effect/vitest"
import { TemplateFeed } from "@sluice/template-provider"
import { ExtranonceSpace } from "@sluice/channels"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { bytes, futureTemplate, newPrevHash } from "@sluice/testing/templates"
import { LimitedSpace } from "../../mining-server/src/connections/limited-space.ts"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { memoryWorld, poolStats, tcpWorld } from "@sluice/testing/pool-worlds"

const CHANNELS = 3000

/** Opens them all in one write: the answers, with a job of a full block each, come to some megabytes. */
const openAtOnce = Effect.gen(function* () {
  const { publish } = yield* TemplateFeed
  const merklePath = Array.from({ length: 12 }, (_, index) => bytes(index))
  yield* publish([
    futureTemplate(1, { merklePath }),
    newPrevHash(1),
    futureTemplate(2, { merklePath }),
    futureTemplate(3, { merklePath })
  ])
  const client = yield* TestClient.connect()
  yield* client.send(...Array.from({ length: CHANNELS }, (_, index) => openExtended({ requestId: index })))
  for (let requestId = 0; requestId < CHANNELS; requestId++) {
    assert.strictEqual((yield* client.expect("OpenExtendedMiningChannel.Success")).requestId, requestId)
    yield* client.expect("NewExtendedMiningJob")
    yield* client.expect("SetNewPrevHash")
    yield* client.expect("NewExtendedMiningJob")
    yield* client.expect("NewExtendedMiningJob")
  }
  assert.strictEqual((yield* poolStats).channels.length, CHANNELS)
}).pipe(Effect.scoped, Effect.orDie)

describe("a proxy that reads is not disconnected because of the answers to a burst of its own requests", () => {
  it.effect("in memory", () => openAtOnce.pipe(Effect.provide(memoryWorld())))
  it.live("over TCP with Noise", () => openAtOnce.pipe(Effect.provide(tcpWorld())))
})

it.effect("the channels of all connections together are limited, and a closed one makes room", () =>
  Effect.gen(function* () {
    const [first, second] = [yield* TestClient.connect(), yield* TestClient.connect()]
    for (const client of [first, second]) {
      yield* client.send(openExtended())
      yield* client.expect("OpenExtendedMiningChannel.Success")
    }
    yield* second.send(openExtended({ requestId: 2 }))
    assert.strictEqual((yield* second.expect("OpenMiningChannel.Error")).errorCode, "extranonce-space-exhausted")
    yield* first.send({ _tag: "CloseChannel", channelId: 2, reasonCode: "" })
    yield* TestClock.adjust(1)
    yield* second.send(openExtended({ requestId: 3 }))
    yield* second.expect("OpenExtendedMiningChannel.Success")
  }).pipe(Effect.provide(memoryWorld({ maxChannelsInAll: 2 })))
)

it.effect("the channels of one address are limited, and other addresses keep theirs", () =>
  Effect.gen(function* () {
    const [first, second] = [yield* TestClient.connect(), yield* TestClient.connect()]
    yield* first.send(openExtended(), openExtended({ requestId: 2 }))
    yield* first.until("OpenExtendedMiningChannel.Success")
    yield* first.until("OpenExtendedMiningChannel.Success")
    for (const client of [first, second]) {
      yield* client.send(openExtended({ requestId: 3 }))
      assert.strictEqual((yield* client.expect("OpenMiningChannel.Error")).errorCode, "extranonce-space-exhausted")
    }
    yield* first.send({ _tag: "CloseChannel", channelId: 2, reasonCode: "" })
    yield* TestClock.adjust(1)
    yield* second.send(openExtended({ requestId: 4 }))
    yield* second.expect("OpenExtendedMiningChannel.Success")
    yield* first.send(openExtended({ requestId: 5 }))
    yield* first.expect("OpenMiningChannel.Error")
  }).pipe(Effect.provide(memoryWorld({ maxChannelsPerAddress: 2 })))
)

it("another address has channels left, and this machine's own have no limit of their own", () => {
  const limited = new LimitedSpace(new ExtranonceSpace(), { max: 10, maxPerAddress: 2 })
  const [one, same, neighbour, here] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "127.0.0.1"].map((host) =>
    limited.of(host, () => assert.fail("no address has more"))
  )
  const lease = one!.takeStandard()
  assert.isDefined(lease)
  assert.isDefined(same!.takeExtended(4))
  assert.isUndefined(one!.takeExtended(4))
  assert.isDefined(neighbour!.takeStandard())
  for (let channel = 0; channel < 7; channel++) assert.isDefined(here!.takeStandard())
  assert.isUndefined(neighbour!.takeStandard(), "all are taken")
  one!.giveBack(lease!)
  assert.isDefined(one!.takeStandard())
})

describe("a limit on channels that is reached", () => {
  const limits = [
    [{ policy: { maxChannels: 1 } }, "its connection has 1 already (maxChannels)"],
    [{ maxChannelsInAll: 1 }, "there are 1 in all (maxChannelsInAll) or 4096 of its address (maxChannelsPerAddress)"]
  ] as const
  for (const [options, reason] of limits) {
    it.effect(`is in the log with its option: ${reason}`, () => {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      return Effect.gen(function* () {
        const client = yield* TestClient.connect()
        for (let requestId = 1; requestId <= 3; requestId++) yield* client.send(openExtended({ requestId }))
        for (let i = 0; i < 2; i++) yield* client.until("OpenMiningChannel.Error")
        const said = lines.filter((line) => line.includes("gets no channel"))
        assert.deepStrictEqual(said, [`user.worker gets no channel: ${reason}`])
      }).pipe(Effect.provide(memoryWorld(options, {}, logger)))
    })
  }
})
