import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { coinbasePrefix } from "@sluice/bitcoin"
import { TemplateDistribution } from "@sluice/protocol"
import type { TemplateMessage } from "../src/index.ts"
import { ProviderFailover } from "../src/client/provider-failover.ts"

const tip = (templateId: bigint, height: number): ReadonlyArray<TemplateMessage> => [
  TemplateDistribution.NewTemplate.make({
    templateId,
    futureTemplate: true,
    version: 0x20000000,
    coinbaseTxVersion: 2,
    coinbasePrefix: coinbasePrefix(height),
    coinbaseTxInputSequence: 0xffffffff,
    coinbaseTxValueRemaining: 1n,
    coinbaseTxOutputsCount: 0,
    coinbaseTxOutputs: new Uint8Array(0),
    coinbaseTxLocktime: 0,
    merklePath: []
  }),
  TemplateDistribution.SetNewPrevHash.make({
    templateId,
    prevHash: new Uint8Array(32).fill(height),
    headerTimestamp: 1,
    nbits: 0x207fffff,
    target: new Uint8Array(32)
  })
]

/** Two providers that are connected, the first with a tip of height 100 since 0 ms. */
const reserve = () => {
  const reserve = new ProviderFailover({ count: 2, returnAfterMs: 60_000, behindAfterMs: 5_000 })
  reserve.connected(0)
  reserve.choose(0)
  reserve.connected(1)
  Result.getOrThrow(reserve.received(0, tip(1n, 100), 0))
  return reserve
}

describe("which provider is used", () => {
  it("is the first one that is connected, until another one has a tip first", () => {
    const reserve = new ProviderFailover({ count: 3, returnAfterMs: 60_000, behindAfterMs: 5_000 })
    assert.isUndefined(reserve.choose(0))
    reserve.connected(1)
    assert.deepStrictEqual(reserve.choose(0), { provider: 1, messages: [], why: undefined })
    reserve.connected(0)
    assert.isUndefined(reserve.choose(0))
    Result.getOrThrow(reserve.received(2, [], 0))
    reserve.connected(2)
    Result.getOrThrow(reserve.received(2, tip(1n, 100), 0))
    assert.strictEqual(reserve.choose(0)?.provider, 2)
  })

  it("changes to one that has been ahead by a block for five seconds", () => {
    const one = reserve()
    Result.getOrThrow(one.received(1, tip(1n, 100), 0))
    Result.getOrThrow(one.received(1, tip(2n, 101), 10_000))
    assert.isUndefined(one.choose(14_999))
    const choice = one.choose(15_000)
    assert.strictEqual(choice?.provider, 1)
    assert.match(choice!.why!, /behind by a block/)
    assert.strictEqual(choice!.messages.length, 2)
    // The first catches up: it has been there all the time.
    Result.getOrThrow(one.received(0, tip(2n, 101), 16_000))
    assert.isUndefined(one.choose(16_000 - 1))
    assert.strictEqual(one.choose(60_000)?.provider, 0)
  })

  it("stays the same if the one in use catches up in time", () => {
    const one = reserve()
    Result.getOrThrow(one.received(1, tip(2n, 101), 10_000))
    Result.getOrThrow(one.received(0, tip(2n, 101), 12_000))
    assert.isUndefined(one.choose(1_000_000))
  })

  it("changes to one that is ahead, also while that one repeats its SetNewPrevHash", () => {
    const one = reserve()
    Result.getOrThrow(one.received(1, tip(2n, 101), 10_000))
    for (let now = 11_000; now < 15_000; now += 1_000) Result.getOrThrow(one.received(1, tip(2n, 101).slice(1), now))
    assert.strictEqual(one.choose(15_000)?.provider, 1)
  })

  it("does not change back to a preferred one that is behind", () => {
    const one = reserve()
    Result.getOrThrow(one.received(1, tip(1n, 100), 0))
    one.lost(0)
    assert.strictEqual(one.choose(1)?.provider, 1)
    Result.getOrThrow(one.received(1, tip(2n, 101), 2))
    one.connected(0)
    Result.getOrThrow(one.received(0, tip(9n, 100), 3))
    assert.isUndefined(one.choose(1_000_000))
    Result.getOrThrow(one.received(0, tip(10n, 101), 1_000_000))
    assert.strictEqual(one.choose(1_000_001)?.provider, 0)
  })

  it("is the one with the highest tip when the one in use is lost", () => {
    const three = new ProviderFailover({ count: 3, returnAfterMs: 60_000, behindAfterMs: 5_000 })
    for (const provider of [0, 1, 2]) three.connected(provider)
    three.choose(0)
    Result.getOrThrow(three.received(0, tip(1n, 101), 0))
    Result.getOrThrow(three.received(1, tip(1n, 100), 0))
    Result.getOrThrow(three.received(2, tip(1n, 101), 0))
    three.lost(0)
    const choice = three.choose(0)
    assert.strictEqual(choice?.provider, 2)
    assert.match(choice!.why!, /lost/)
    three.lost(2)
    assert.strictEqual(three.choose(0)?.provider, 1)
    three.lost(1)
    assert.isUndefined(three.choose(0))
    assert.isUndefined(three.active)
  })

  it("does not mix templates: each has a number of its own here, and its provider's number in a solution", () => {
    const one = reserve()
    const [ofFirst] = Result.getOrThrow(one.received(0, tip(7n, 101), 0))
    const [ofSecond] = Result.getOrThrow(one.received(1, tip(7n, 101), 0))
    assert.strictEqual(ofFirst!.templateId, 7n)
    assert.notStrictEqual(ofSecond!.templateId, 7n)
    assert.deepStrictEqual(one.origin(ofFirst!.templateId), { provider: 0, templateId: 7n })
    assert.deepStrictEqual(one.origin(ofSecond!.templateId), { provider: 1, templateId: 7n })
    // Also where a provider's numbers use the top byte.
    const high = (1n << 56n) + 8n
    const [odd] = Result.getOrThrow(one.received(0, tip(high, 102), 0))
    assert.deepStrictEqual(one.origin(odd!.templateId), { provider: 0, templateId: high })
  })
})
