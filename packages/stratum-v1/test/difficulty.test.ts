import { Target } from "@sluice/core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { difficultyOfTarget, passwordDifficulty, targetOfDifficulty, wholeDifficulty } from "../src/index.ts"

/** 32 bytes, little-endian. */
const bytes = (value: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(64, "0"), "hex")).toReversed()
const number = (target: Uint8Array): bigint => BigInt(`0x${Buffer.from(target.toReversed()).toString("hex")}`)
const ofNBits = (nBits: number): Uint8Array => {
  const target = new Uint8Array(32)
  Target.nBitsToTarget(nBits, target, 0)
  return target
}
const difficulty1 = 0xffffn << 208n

describe("a target", () => {
  it("of difficulty 1 is 00000000FFFF0000...", () => {
    expect(targetOfDifficulty(1)).toEqual(bytes(difficulty1))
    expect(targetOfDifficulty(1)).toEqual(ofNBits(0x1d00ffff))
  })

  // Data of para's tests (crates/stratum/src/difficulty.rs) and of stratum-mining/stratum's (sv2_to_sv1.rs).
  it.each([
    [65536, 0x1b00ffff],
    [2 ** -32 * (0xffff / 0x7fffff) * 2 ** 8, 0x207fffff]
  ])("of difficulty %s is that of its nBits", (difficulty, nBits) => {
    const target = ofNBits(nBits)
    expect(Target.targetToDifficulty(target, 0)).toBeCloseTo(difficulty, 12)
    expect(difficultyOfTarget(target)).toBeLessThanOrEqual(Target.targetToDifficulty(target, 0) * (1 + 2 ** -52))
    expect(number(targetOfDifficulty(difficultyOfTarget(target)))).toBeGreaterThanOrEqual(number(target))
  })

  it.each([1, 2, 3, 512, 16_384, 524_288, 150_839_487_445_890, 2 ** 53 + 2, 2 ** 64, 2 ** 70])(
    "of difficulty %s is exact, and so is the way back",
    (difficulty) => {
      expect(number(targetOfDifficulty(difficulty))).toBe(difficulty1 / BigInt(difficulty))
      expect(difficultyOfTarget(targetOfDifficulty(difficulty))).toBe(difficulty)
    }
  )

  it.each([
    [0.5, difficulty1 * 2n],
    [0.125, difficulty1 * 8n],
    [1.5, (difficulty1 * 2n) / 3n],
    [2 ** -31, difficulty1 << 31n]
  ])("of the fraction %s is exact", (difficulty, target) => {
    expect(number(targetOfDifficulty(difficulty))).toBe(target)
  })

  it("is 2^256 - 1 for the easiest difficulties, and 0 for those that no hash has", () => {
    for (const difficulty of [1e-18, 1e-300, Number.MIN_VALUE]) {
      expect(number(targetOfDifficulty(difficulty))).toBe((1n << 256n) - 1n)
    }
    expect(number(targetOfDifficulty(1e80))).toBe(0n)
  })

  it.each([0, -1, Number.NaN, Infinity])("does not exist for the difficulty %s", (difficulty) => {
    expect(() => targetOfDifficulty(difficulty)).toThrow(RangeError)
  })
})

describe("the difficulty that a miner is told", () => {
  it("is never harder than the target, is whole from 1 up, and the next one would be harder", () => {
    const target = fc.bigInt({ min: 1n, max: (1n << 256n) - 1n })
    const anySize = fc.tuple(target, fc.nat(255)).map(([value, shift]) => (value >> BigInt(shift)) + 1n)
    fc.assert(
      fc.property(anySize, (value) => {
        const capped = value < 1n << 256n ? value : value - 1n
        const difficulty = difficultyOfTarget(bytes(capped))
        expect(number(targetOfDifficulty(difficulty))).toBeGreaterThanOrEqual(capped)
        const above =
          difficulty >= 1 ? Math.max(difficulty + 1, difficulty * (1 + 2 ** -52)) : difficulty * (1 + 2 ** -51)
        expect(number(targetOfDifficulty(above))).toBeLessThanOrEqual(capped)
        if (difficulty >= 1) expect(Number.isInteger(difficulty)).toBe(true)
      }),
      { numRuns: 500 }
    )
  })

  it("does not exist for a target of 0", () => {
    expect(() => difficultyOfTarget(new Uint8Array(32))).toThrow(RangeError)
  })

  it.each([
    [1.9, 1],
    [2.1, 2],
    [10_000.5, 10_000],
    [0.25, 0.25],
    [0.9999, 0.9999]
  ])("is %s rounded down to %s", (difficulty, told) => {
    expect(wholeDifficulty(difficulty)).toBe(told)
  })
})

it.each([
  ["x", undefined],
  ["d=1024", 1024],
  ["x,d=0.001", 0.001],
  ["diff=524288;x", 524_288],
  ["fd=600000", 600_000],
  ["D=16", 16],
  ["d=0", undefined],
  ["d=1e9", undefined],
  ["nod=5", undefined],
  ["d=-5", undefined]
])("the password %j asks for the difficulty %s", (password, difficulty) => {
  expect(passwordDifficulty(password)).toBe(difficulty)
})
