import { assert, describe, it } from "@effect/vitest"
import { u256FromBytes } from "@sluice/channels"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, tcpWorld } from "@sluice/testing/pool-worlds"
import { ANY_TARGET } from "@sluice/testing/templates"
import { Effect, Fiber, Schedule } from "effect"

describe("a miner that understates its hash rate, over TCP with Noise", () => {
  it.live("gets no easier target by UpdateChannel, a new channel or a new connection", () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openExtended())
      const first = miner.target
      const mining = yield* Effect.suspend(() => client.send(...Array.from({ length: 10 }, () => miner.mine()))).pipe(
        Effect.repeat(Schedule.spaced("50 millis")),
        Effect.forkChild
      )
      let updated = first
      while (updated > first / 50n) updated = u256FromBytes((yield* client.until("SetTarget")).maximumTarget)
      yield* Fiber.interrupt(mining)
      yield* client.send(
        { _tag: "UpdateChannel", channelId: miner.channelId, nominalHashRate: 0, maximumTarget: ANY_TARGET },
        { _tag: "CloseChannel", channelId: miner.channelId, reasonCode: "" },
        openExtended()
      )
      let message = yield* client.next
      for (; message._tag !== "OpenExtendedMiningChannel.Success"; message = yield* client.next)
        if (message._tag === "SetTarget") updated = u256FromBytes(message.maximumTarget)
      assert.isBelow(Number(updated), Number(first) / 10)
      assert.isBelow(Number(u256FromBytes(message.target)), Number(first) / 10)

      const again = yield* TestClient.connect()
      assert.isBelow(Number((yield* again.open(openExtended())).target), Number(first) / 10)
    }).pipe(Effect.provide(tcpWorld()))
  )
})
