import { describe, expect, it } from "vitest"
import { builds, hex, put, type Build } from "./builds.ts"
import { makeRandom, seed } from "./random.ts"

const at = (build: Build, place: number): bigint =>
  build
    .arena()
    .subarray(place, place + 32)
    .reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)

const putNumber = (build: Build, place: number, value: bigint): void =>
  put(build, place, hex(value.toString(16).padStart(64, "0")).toReversed())

const DIFFICULTY_1 = 26959535291011309493156476344723991336010898738574164086137773096960n
const MAX = 2n ** 256n - 1n

describe.each(builds)("as $name", (build) => {
  it.each([
    [0x01123456, 0x12n],
    [0x02123456, 0x1234n],
    [0x02008000, 0x80n],
    [0x03123456, 0x123456n],
    [0x04123456, 0x12345600n],
    [0x05009234, 0x92340000n],
    [0x1d00ffff, DIFFICULTY_1],
    [0x1b00ffff, DIFFICULTY_1 >> 16n],
    [0x207fffff, 0x7fffffn << 232n],
    [0x20123456, 0x123456n << 232n],
    [0x2100ffff, 0xffffn << 240n],
    [0x220000ff, 0xffn << 248n]
  ])("nBits %i is a target", (nBits, target) => {
    expect(build.call.nBitsToTarget(nBits, 0)).toBeTruthy()
    expect(at(build, 0)).toBe(target)
  })

  it.each([
    ["zero", [0, 0x00123456, 0x01003456, 0x02000056, 0x03000000, 0x04000000, 0x00923456, 0x01803456, 0x04800000]],
    ["negative", [0x01fedcba, 0x04923456, 0x1d80ffff, 0x20ffffff]],
    ["more than 256 bits", [0x21010000, 0x22000100, 0x23000001, 0xff123456, 0xff000001]]
  ])("nBits that are %s are refused and give a target that nothing meets", (_what, all) => {
    for (const nBits of all) {
      put(build, 0, new Uint8Array(32).fill(0xee))
      expect(build.call.nBitsToTarget(nBits, 0), nBits.toString(16)).toBeFalsy()
      expect(at(build, 0)).toBe(0n)
    }
  })

  it.each([
    [0n, 0n, 0],
    [0n, 1n, -1],
    [MAX, MAX, 0],
    [MAX, MAX - 1n, 1],
    [1n << 255n, (1n << 255n) - 1n, 1],
    [0xffn, 0x100n, -1]
  ])("%i against %i", (a, b, order) => {
    putNumber(build, 0, a)
    putNumber(build, 32, b)
    expect(build.call.compareU256(0, 32)).toBe(order)
  })

  it.each([
    [DIFFICULTY_1, 1],
    [DIFFICULTY_1 >> 1n, 2],
    [DIFFICULTY_1 >> 16n, 65536],
    [0n, Infinity],
    [1n, Number(DIFFICULTY_1)]
  ])("target %i has difficulty %d", (target, difficulty) => {
    putNumber(build, 0, target)
    expect(build.call.targetToDifficulty(0)).toBe(difficulty)
  })

  it.each([
    [1, DIFFICULTY_1],
    [65536, DIFFICULTY_1 >> 16n],
    [0.25, DIFFICULTY_1 << 2n],
    [2 ** -32, 0xffffn << 240n],
    [2 ** -33, MAX],
    [5e-324, MAX],
    [2 ** 224, 0n],
    [Infinity, 0n],
    [0, 0n],
    [-0, 0n],
    [-1, 0n],
    [NaN, 0n]
  ])("difficulty %d is target %i", (difficulty, target) => {
    put(build, 0, new Uint8Array(32).fill(0xee))
    build.call.difficultyToTarget(difficulty, 0)
    expect(at(build, 0)).toBe(target)
  })

  it("difficulty to target and back differs by no more than f64 rounds", () => {
    const random = makeRandom(seed)
    for (let i = 0; i < 2000; i++) {
      const difficulty = 2 ** (random.below(80) - 30) * (1 + random.below(1 << 30) / (1 << 30))
      build.call.difficultyToTarget(difficulty, 0)
      expect(Math.abs(build.call.targetToDifficulty(0) / difficulty - 1), `seed ${seed}`).toBeLessThan(2 ** -51)
    }
  })
})
