import { assert, describe, it } from "@effect/vitest"
import { TemplateFeed, type TemplateMessage, type TemplateSourceState } from "@sluice/template-provider"
import { Effect, Fiber, Logger } from "effect"
import { TestClock } from "effect/testing"
import { futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, poolStats, publish } from "@sluice/testing/pool-worlds"

const away: TemplateSourceState = { _tag: "Disconnected", server: "somewhere", reason: "gone" }
const here: TemplateSourceState = { _tag: "Connected", server: "somewhere" }
const setState = (state: TemplateSourceState) => Effect.flatMap(TemplateFeed, (feed) => feed.setState(state))

describe("without a template provider", () => {
  it.effect(
    "miners go on with the last job, with warnings in the log, until the timeout; they may return when the provider is back",
    () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const miner = yield* client.open(openExtended())
        yield* TestClock.adjust(1)
        yield* setState(away)
        yield* TestClock.adjust("50 seconds")
        yield* client.send(miner.mine())
        yield* client.until("SubmitShares.Success")
        assert.strictEqual(lines.filter((line) => line.includes("miners go on with the last job")).length, 2)

        const ended = yield* Effect.forkChild(client.ended)
        yield* TestClock.adjust("15 seconds")
        assert.strictEqual((yield* Fiber.join(ended))._tag, "TransportError")
        assert.strictEqual((yield* poolStats).connections, 0)
        assert.match(lines.join("\n"), /no template provider for 6\d s \(upstreamTimeout\): miners are sent away/)
        const refused = yield* TestClient.connect()
        assert.strictEqual((yield* refused.ended)._tag, "TransportError")
        assert.include(lines.join("\n"), "is turned away: there is no template provider")

        yield* setState(here)
        yield* TestClock.adjust(1)
        const again = yield* TestClient.connect()
        yield* again.open(openExtended())
        assert.include(lines.join("\n"), "The template provider is back")
      }).pipe(
        Effect.provide(
          memoryWorld(
            { upstreamTimeout: "1 minute" },
            {},
            Logger.make(({ message }) => lines.push(String(message)))
          )
        )
      )
    }
  )

  it.effect("miners get a Reconnect to another server if the options name one", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      yield* client.open(openExtended())
      yield* setState(away)
      yield* TestClock.adjust("70 seconds")
      const { newHost } = yield* client.until("Reconnect")
      assert.strictEqual(newHost, "other.example")
      yield* client.ended
    }).pipe(
      Effect.provide(memoryWorld({ upstreamTimeout: "1 minute", reconnectTo: { host: "other.example", port: 1 } }))
    )
  )

  it.effect("for less than the timeout each time, no miner is sent away", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended({ nominalHashRate: 0.1 }))
      for (let i = 0; i < 5; i++) {
        yield* setState(away)
        yield* TestClock.adjust("50 seconds")
        yield* setState(here)
        yield* TestClock.adjust("10 seconds")
      }
      yield* client.send(miner.mine())
      assert.strictEqual((yield* poolStats).connections, 1)
    }).pipe(Effect.provide(memoryWorld({ upstreamTimeout: "1 minute" })))
  )
})

/** Messages that a provider may send after its first tip, in legal orders (7.2, 7.3). */
describe("templates and previous hashes make jobs in any legal order", () => {
  const orders: ReadonlyArray<readonly [string, ReadonlyArray<TemplateMessage>, { readonly height: number }]> = [
    ["a future template and its previous hash at once", [futureTemplate(2), newPrevHash(2)], { height: 159 }],
    [
      "two future templates, of which the first is named",
      [futureTemplate(2), futureTemplate(3), newPrevHash(2)],
      { height: 159 }
    ],
    [
      "a future template before one for the old tip",
      [futureTemplate(2), template(3), newPrevHash(2), template(4)],
      { height: 159 }
    ],
    ["one for the old tip after another", [template(2), template(3), template(4)], { height: 159 }],
    [
      "two blocks in one batch",
      [futureTemplate(2), newPrevHash(2), futureTemplate(3), newPrevHash(3), template(4)],
      { height: 159 }
    ]
  ]
  it.effect.each(orders)("%s", ([, messages, { height }]) =>
    Effect.gen(function* () {
      yield* giveWork
      const proxy = yield* TestClient.connect()
      const miner = yield* proxy.open(openExtended())
      const device = yield* TestClient.connect({ flags: 1 })
      const deviceMiner = yield* device.open(openStandard())
      yield* publish(...messages)
      yield* TestClock.adjust(1)
      for (const [client, one] of [
        [proxy, miner],
        [device, deviceMiner]
      ] as const) {
        yield* client.send(one.mine({ jobId: 0x70000000 }))
        assert.strictEqual((yield* client.follow(one, "SubmitShares.Error")).errorCode, "invalid-job-id")
        // After all messages the miner has the same job as the pool.
        yield* client.send(one.mine())
        yield* client.follow(one, "SubmitShares.Success")
      }
      // A late miner gets the same.
      const late = yield* TestClient.connect()
      const lateMiner = yield* late.open(openExtended())
      yield* late.send(lateMiner.mine())
      yield* late.follow(lateMiner, "SubmitShares.Success")
      assert.strictEqual((yield* poolStats).height, height)
    }).pipe(Effect.provide(memoryWorld()))
  )
})
