/** Extension 0x0002: shares of one channel that say which worker found them. */
import { shareSink } from "@sluice/mining-server"
import { assert, describe, it } from "@effect/vitest"
import type { ShareAccepted } from "@sluice/channels"
import { WorkerIdentity } from "@sluice/protocol"
import { Effect } from "effect"
import { openExtended, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld } from "@sluice/testing/pool-worlds"

describe("a share", () => {
  it.effect("has the worker that the client names, and none if the client names none", () => {
    const recorded: Array<ShareAccepted> = []
    return Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect({ extensions: [WorkerIdentity.extension] })
      const miner = yield* client.open(openExtended({ userIdentity: "farm" }))
      const named = (userIdentity: string) => {
        const share = miner.mine()
        assert(share._tag === "SubmitSharesExtended")
        return WorkerIdentity.UserIdentity.put(share, { userIdentity })
      }
      yield* client.send(named("rig 1"), miner.mine(), named("rig\n2"), miner.mine({ bad: true }))
      yield* client.expect("SubmitShares.Error")
      yield* client.expect("SubmitShares.Success")
      assert.deepStrictEqual(
        recorded.map(({ channel, worker }) => [channel.userIdentity, worker]),
        [
          ["farm", "rig 1"],
          ["farm", undefined],
          ["farm", "rig\ufffd2"]
        ]
      )
    }).pipe(Effect.provide(memoryWorld({ shareSinks: [shareSink((share) => void recorded.push(share))] })))
  })
})
