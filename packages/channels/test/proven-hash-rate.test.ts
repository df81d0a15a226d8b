import { describe, expect, it } from "@effect/vitest"
import { ProvenHashRate } from "../src/difficulty/proven-hash-rate.ts"

describe("the hash rate that shares prove", () => {
  it("needs five shares, never exceeds the rate that is certain, and does not fall after a harder share", () => {
    const proven = new ProvenHashRate(0)
    for (let second = 1; second <= 4; second++) proven.add(1, second * 1000)
    expect(proven.rate(4000)).toBe(0)
    for (let second = 5; second <= 600; second++) proven.add(1, second * 1000)
    const before = proven.rate(600_000) / 2 ** 32
    expect(before).toBeGreaterThan(0.9)
    expect(before).toBeLessThan(1)
    proven.add(1000, 600_000)
    expect(proven.rate(600_000) / 2 ** 32).toBe(before)
  })

  it("counts the shares of one read as the work of a quarter of a second", () => {
    const proven = new ProvenHashRate(0)
    for (let i = 0; i < 100; i++) proven.add(1, 0)
    expect(proven.rate(0) / 2 ** 32).toBeCloseTo(80 * 4, 0)
  })

  it("halves in its half-life", () => {
    const proven = new ProvenHashRate(0, 20_000)
    for (let second = 1; second <= 600; second++) proven.add(1, second * 1000)
    const before = proven.rate(600_000)
    expect(proven.rate(620_000) / before).toBeCloseTo(0.5)
    expect(proven.rate(1e9)).toBeCloseTo(0)
  })
})
