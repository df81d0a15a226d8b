/** A chain that leads back to a block which was left, as a miner and the books of the pool see it. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { bytes, futureTemplate, newPrevHash } from "@sluice/testing/templates"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { giveWork, memoryWorld, poolStats, publish } from "@sluice/testing/pool-worlds"

for (const request of [openStandard(), openExtended()]) {
  it.effect(`a share counts once, also after a reorganisation and back (${request._tag})`, () =>
    Effect.gen(function* () {
      yield* giveWork
      const client = yield* TestClient.connect()
      const miner = yield* client.open(request)
      const shares = Array.from({ length: 20 }, () => miner.mine())
      yield* client.send(...shares)
      for (let counted = 0; counted < shares.length;) {
        counted += (yield* client.expect("SubmitShares.Success")).newSubmitsAcceptedCount
      }
      // Another block, and the first one again with the same template.
      for (const [templateId, prevHash] of [
        [2, bytes(2)],
        [3, bytes(1)]
      ] as const) {
        yield* publish(futureTemplate(templateId), newPrevHash(templateId, { prevHash }))
        yield* client.follow(miner, "SetNewPrevHash")
      }
      const { accepted } = (yield* poolStats).channels[0]!
      assert.strictEqual(accepted, shares.length)
      // With another header most of them miss the target, and none is one that was counted.
      yield* client.send(...shares.map((share) => ({ ...share, jobId: miner.jobId })))
      const codes: Array<string> = []
      for (let answered = 0; answered < shares.length;) {
        const answer = yield* client.next
        if (answer._tag === "SubmitShares.Error") codes.push(answer.errorCode)
        answered += answer._tag === "SubmitShares.Success" ? answer.newSubmitsAcceptedCount : 1
      }
      assert.isAtLeast(codes.length, 10)
      assert.deepStrictEqual(new Set(codes), new Set(["difficulty-too-low"]))
    }).pipe(Effect.provide(memoryWorld()))
  )
}
