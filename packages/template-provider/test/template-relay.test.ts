import { assert, it } from "@effect/vitest"
import { TemplateDistribution } from "@sluice/protocol"
import { Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeTemplateRelay } from "../src/client/template-relay.ts"
import type { TemplateMessage } from "../src/index.ts"

const prevHash = (templateId: bigint): TemplateMessage =>
  TemplateDistribution.SetNewPrevHash.make({
    templateId,
    prevHash: new Uint8Array(32),
    headerTimestamp: 1,
    nbits: 0x207fffff,
    target: new Uint8Array(32)
  })

it.effect("a subscriber that comes while a batch is on its way gets the batch once, in its replay", () =>
  Effect.gen(function* () {
    const known: Array<TemplateMessage> = []
    const relay = yield* makeTemplateRelay(() => known.slice())
    const publish = (id: bigint) => {
      known.push(prevHash(id))
      return relay.publish([prevHash(id)])
    }
    const passOn = publish(1n)
    const ids: Array<bigint> = []
    yield* relay.messages.pipe(
      Stream.runForEach(({ templateId }) => Effect.sync(() => ids.push(templateId))),
      Effect.forkScoped({ startImmediately: true })
    )
    yield* passOn
    yield* publish(2n)
    yield* TestClock.adjust(0)
    assert.deepStrictEqual(ids, [1n, 2n])
  }).pipe(Effect.scoped)
)
