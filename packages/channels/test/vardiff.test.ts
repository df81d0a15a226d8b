import { describe, expect, it } from "@effect/vitest"
import { hashRateToTarget, u256FromBytes, u256ToBytes, Vardiff } from "../src/index.ts"
import { Target } from "@sluice/core"
import { START, TestServer } from "./server-fixture.ts"
import { futureTemplate, newPrevHash } from "@sluice/testing/templates"

const targetOf = (vardiff: Vardiff, sharesPerMinute = 6): number =>
  Target.targetToDifficulty(u256ToBytes(hashRateToTarget(vardiff.hashRate, sharesPerMinute)), 0)

/** Simulates a miner that sends a share whenever one is due. Returns how often the rule changed the rate. */
const simulate = (vardiff: Vardiff, hashRate: number, seconds: number, from = 0, sharesPerMinute = 6): number => {
  let work = 0
  let changes = 0
  let target = targetOf(vardiff, sharesPerMinute)
  const review = (now: number) => {
    if (!vardiff.review(target, now)) return
    // Hashes before the change do not count towards the next share of the new target.
    work = 0
    target = targetOf(vardiff, sharesPerMinute)
    changes++
  }
  for (let hundredth = from * 100 + 1; hundredth <= (from + seconds) * 100; hundredth++) {
    const now = hundredth * 10
    work += hashRate / 2 ** 32 / 100
    while (work >= target) {
      work -= target
      vardiff.record(target, target, now)
      if (vardiff.isDue) review(now)
    }
    if (hundredth % 500 === 0) review(now)
  }
  return changes
}

describe("vardiff", () => {
  it.each([
    ["a hundred times more than stated", 1e12, 1e14],
    ["a million times more than stated", 1e9, 1e15],
    ["a hundred times less than stated", 1e14, 1e12],
    ["a million times less than stated", 1e18, 1e12],
    ["twice what was stated", 1e12, 2e12],
    ["half of what was stated", 1e12, 5e11],
    ["exactly the stated rate", 1e12, 1e12]
  ])("comes to the rate of a miner that has %s", (_, stated, real) => {
    const vardiff = new Vardiff(stated, 1, 0)
    simulate(vardiff, real, 1800)
    expect(Math.abs(Math.log(vardiff.hashRate / real))).toBeLessThan(0.15)
  })

  it("acts on a flood before the next regular review, even if all shares come at once", () => {
    const vardiff = new Vardiff(1e6, 1, 0)
    const target = targetOf(vardiff)
    let shares = 0
    for (; !vardiff.isDue; shares++) vardiff.record(target, target, 100)
    expect(shares).toBe(11)
    expect(vardiff.review(target, 100)).toBe(false)
    for (; !vardiff.isDue; shares++) vardiff.record(target, target, 100)
    expect(shares).toBe(411)
    expect(vardiff.review(target, 100)).toBe(true)
    // Counts as four hundred shares in a quarter of a second, although the time was shorter.
    expect(vardiff.hashRate / 1e6).toBeCloseTo(16_000, 0)
  })

  it("returns to exactly the old rate after a false alarm", () => {
    const vardiff = new Vardiff(1e12, 1, 0)
    simulate(vardiff, 1e12, 600)
    const target = targetOf(vardiff)
    for (let i = 0; i < 13; i++) vardiff.record(target, target, 600_000)
    expect(vardiff.isDue).toBe(true)
    simulate(vardiff, 1e12, 60, 600)
    expect(vardiff.hashRate).toBe(1e12)
    expect(simulate(vardiff, 1e12, 540, 660)).toBe(0)
    // A silence raises an alarm and then ends. The rule makes the target easier and then returns to the old rate.
    expect(simulate(vardiff, 0, 170, 1200)).toBeGreaterThan(0)
    expect(vardiff.hashRate).toBeLessThan(1e10)
    expect(simulate(vardiff, 1e12, 1, 1370)).toBe(1)
    expect(vardiff.hashRate).toBe(1e12)
  })

  it("does not consider an alarm false if the miner stops after it", () => {
    const vardiff = new Vardiff(1e12, 1, 0)
    const target = targetOf(vardiff)
    // Enough shares for an alarm, in a time that suggests a change by a factor of three.
    for (let i = 1; i <= 20; i++) vardiff.record(target, target, i * 3000)
    expect(vardiff.isDue).toBe(true)
    expect(vardiff.review(target, 60_000)).toBe(true)
    simulate(vardiff, 0, 60, 60)
    expect(vardiff.hashRate).toBeLessThan(1e10)
  })

  it("weights shares with their difficulty", () => {
    const vardiff = new Vardiff(1e6, 1, 0)
    const target = targetOf(vardiff)
    for (let i = 0; i < 1000; i++) vardiff.record(target / 1000, target, 100)
    expect(vardiff.isDue).toBe(false)
    for (let i = 0; i < 11; i++) vardiff.record(target, target, 200)
    expect(vardiff.isDue).toBe(true)
  })

  it("finds the rate at thousands of shares a minute, too", () => {
    const vardiff = new Vardiff(1e12, 1, 0)
    simulate(vardiff, 2e13, 60, 0, 6000)
    expect(Math.abs(Math.log(vardiff.hashRate / 2e13))).toBeLessThan(0.15)
    expect(simulate(vardiff, 2e13, 60, 60, 6000)).toBe(0)
  })

  it("grows from a stated rate of 0", () => {
    const vardiff = new Vardiff(0, 0, 0)
    simulate(vardiff, 1e3, 1800)
    expect(vardiff.hashRate / 1e3).toBeGreaterThan(0.85)
  })

  it("does not change a steady rate, nor a rate at the minimum", () => {
    expect(simulate(new Vardiff(1e12, 1, 0), 1e12, 24 * 3600)).toBe(0)
    const silent = new Vardiff(0, 1000, 0)
    expect(simulate(silent, 0, 3600)).toBe(0)
    expect(silent.hashRate).toBe(1000)
  })

  it("returns at once to the rate of a miner that comes back after silence", () => {
    const vardiff = new Vardiff(1e12, 1, 0)
    simulate(vardiff, 1e12, 600)
    simulate(vardiff, 0, 12 * 3600, 600)
    expect(vardiff.hashRate).toBeCloseTo(1e9, -8)
    simulate(vardiff, 1e12, 5, 600 + 12 * 3600)
    expect(Math.abs(Math.log(vardiff.hashRate / 1e12))).toBeLessThan(0.2)
  })

  it("begins again with the rate that the client states", () => {
    const vardiff = new Vardiff(1e12, 1, 0)
    simulate(vardiff, 1e15, 1)
    vardiff.restart(1e15, 1000)
    expect(vardiff.hashRate).toBe(1e15)
    expect(simulate(vardiff, 1e15, 1800, 1)).toBe(0)
  })
})

describe("a channel's target", () => {
  it("follows its shares and is sent with SetTarget", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miner = server.open(connection)
    server.now = START + 160_000
    const { events, messages } = server.tick(connection)
    expect(messages).toMatchObject([{ _tag: "SetTarget", channelId: miner.channelId }])
    expect(events).toMatchObject([{ _tag: "TargetChanged" }])
    expect(server.tick(connection).messages).toEqual([])
  })

  it("stays the same while there is no job", () => {
    const server = new TestServer()
    const connection = server.connect()
    server.open(connection)
    server.now = START + 600_000
    expect(server.tick(connection).messages).toEqual([])
  })

  it("becomes harder within one read if it brings a flood of shares", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miner = server.open(connection)
    const shares = Array.from({ length: 420 }, () => miner.mine())
    const { messages } = server.send(connection, ...shares)
    expect(messages.filter(({ _tag }) => _tag === "SetTarget")).toHaveLength(1)
    expect(messages.filter(({ _tag }) => _tag === "SubmitShares.Error")).toEqual([])
  })

  /** Gives the server a previous hash of a chain whose blocks take this many hashes. */
  const onChain = (server: TestServer, hashesPerBlock: number, nbits: number): Uint8Array => {
    const target = u256ToBytes(2n ** 256n / BigInt(hashesPerBlock))
    server.template(futureTemplate(nbits))
    server.template(newPrevHash(nbits, { target, nbits }))
    return target
  }

  it("is not harder than the network's if that gives at most ten blocks a second", () => {
    const server = new TestServer()
    const target = onChain(server, 5_000, 1)
    const connection = server.connect()
    expect(server.open(connection, { nominalHashRate: 49_000 }).target).toEqual(u256FromBytes(target))
    expect(server.open(connection, { nominalHashRate: 51_000 }).target).toEqual(hashRateToTarget(51_000, 6))
  })

  it("follows the network's target when it becomes easier", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miner = server.open(connection, { nominalHashRate: 5_000 })
    const target = onChain(server, 6_000, 2)
    expect(server.tick(connection).messages).toMatchObject([
      { _tag: "SetTarget", channelId: miner.channelId, maximumTarget: target },
      { _tag: "NewExtendedMiningJob", channelId: miner.channelId }
    ])
    expect(server.tick(connection).messages).toEqual([])
  })
})
