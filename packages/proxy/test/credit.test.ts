import { Target } from "@sluice/core"
import { assert, describe, it } from "@effect/vitest"
import { creditOf } from "../src/credit.ts"

/** Bitcoin Core's regtest: half of all hashes are blocks. */
const REGTEST = 0x207fffff
const MAINNET_2009 = 0x1d00ffff

const targetOf = (nbits: number): Uint8Array => {
  const target = new Uint8Array(32)
  Target.nBitsToTarget(nbits, target, 0)
  return target
}

describe("the difficulty that an upstream credits a share with", () => {
  it("is that of the channel's target", () => {
    const target = targetOf(0x1e03ffff)
    assert.strictEqual(creditOf(target, MAINNET_2009), Target.targetToDifficulty(target, 0))
  })

  it("is the network's if that is less: the hash may be a block and no share", () => {
    const harder = targetOf(0x1e03ffff)
    assert.strictEqual(creditOf(harder, REGTEST), Target.targetToDifficulty(targetOf(REGTEST), 0))
  })
})
