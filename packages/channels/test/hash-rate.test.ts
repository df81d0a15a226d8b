import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { hashRateToTarget, MAX_TARGET, targetToHashRate, u256FromBytes, u256ToBytes } from "../src/index.ts"
import vectors from "./vectors/hash-rate-to-target.json" with { type: "json" }

describe("hash rate to target", () => {
  it.each(vectors)(
    "gives the target of the test vector for $hashRate H/s at $sharesPerMinute shares a minute",
    ({ hashRate, sharesPerMinute, target }) => {
      expect(hashRateToTarget(hashRate, sharesPerMinute)).toBe(BigInt(`0x${target}`))
      expect(targetToHashRate(BigInt(`0x${target}`), sharesPerMinute)).toBe(hashRate)
    }
  )

  it("gives the easiest target for a rate of 0 and the hardest for a rate beyond 256 bits", () => {
    expect(hashRateToTarget(0, 6)).toBe(MAX_TARGET)
    expect(hashRateToTarget(1e80, 1e-10)).toBe(0n)
  })

  it.each([
    [Number.NaN, 6],
    [-1, 6],
    [Number.POSITIVE_INFINITY, 6],
    [1, 0],
    [1, Number.NaN]
  ])("refuses %d H/s at %d shares a minute", (hashRate, sharesPerMinute) => {
    expect(() => hashRateToTarget(hashRate, sharesPerMinute)).toThrow(RangeError)
  })

  it.each([
    [0n, 6],
    [MAX_TARGET + 1n, 6],
    [1n, 0],
    [1n, 1e9]
  ])("refuses target %d at %d shares a minute", (target, sharesPerMinute) => {
    expect(() => targetToHashRate(target, sharesPerMinute)).toThrow(RangeError)
  })

  it.prop(
    "is inverted by targetToHashRate except for rounding to whole hashes",
    [Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 3e38 }))],
    ([hashRate]) => {
      const back = targetToHashRate(hashRateToTarget(hashRate, 6), 6)
      expect(Math.abs(back - hashRate)).toBeLessThanOrEqual(Math.max(1, hashRate * 1e-9))
    }
  )

  it.prop("u256ToBytes inverts u256FromBytes", [Schema.Uint8Array.check(Schema.isBetweenLength(32, 32))], ([bytes]) => {
    expect(u256ToBytes(u256FromBytes(bytes))).toEqual(bytes)
  })
})
