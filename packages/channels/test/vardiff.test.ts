import { describe, expect, it } from "@effect/vitest"
import { hashRateToTarget, Server, u256FromBytes, u256ToBytes } from "../src/index.ts"
import { targetToDifficulty } from "@sluice/core"
import { futureTemplate, newPrevHash, START, TestServer } from "./server-fixture.ts"

const difficultyOf = (hashRate: number): number => targetToDifficulty(u256ToBytes(hashRateToTarget(hashRate, 6)), 0)

/** Lets a miner of a real rate work against the rule, with a share whenever one is due; gives the rate taken at the end. */
const simulate = (vardiff: Server.Vardiff, hashRate: number, seconds: number, from = 0): number => {
  let work = 0
  for (let second = from + 1; second <= from + seconds; second++) {
    const difficulty = difficultyOf(vardiff.hashRate)
    work += hashRate / 2 ** 32
    for (; work >= difficulty; work -= difficulty) vardiff.record(difficulty)
    if (second % 10 === 0 || vardiff.isFlooded(difficulty, second * 1000)) vardiff.review(difficulty, second * 1000)
  }
  return vardiff.hashRate
}

describe("vardiff", () => {
  it.each([
    ["a hundred times more than stated", 1e12, 1e14],
    ["a hundred times less than stated", 1e14, 1e12],
    ["what was stated", 1e12, 1e12]
  ])("comes to the rate of a miner that has %s", (_, stated, real) => {
    const vardiff = new Server.Vardiff(stated, 1, 0)
    const ratio = simulate(vardiff, real, 1800) / real
    expect(ratio).toBeGreaterThan(0.75)
    expect(ratio).toBeLessThan(1.35)
  })

  it("acts on a flood before the next review", () => {
    const vardiff = new Server.Vardiff(1e6, 1, 0)
    const difficulty = difficultyOf(1e6)
    for (let i = 0; i < 20; i++) vardiff.record(difficulty)
    expect(vardiff.isFlooded(difficulty, 100)).toBe(false)
    for (let i = 0; i < 10; i++) vardiff.record(difficulty)
    expect(vardiff.isFlooded(difficulty, 100)).toBe(true)
    expect(vardiff.review(difficulty, 100)).toBe(true)
    expect(vardiff.hashRate).toBeGreaterThan(1e7)
  })

  it("grows from nothing", () => {
    const vardiff = new Server.Vardiff(0, 0, 0)
    expect(simulate(vardiff, 1e3, 1800) / 1e3).toBeGreaterThan(0.5)
  })

  it("leaves a steady rate alone, and one at the floor there", () => {
    const vardiff = new Server.Vardiff(1e12, 1, 0)
    const difficulty = difficultyOf(1e12)
    for (let second = 10; second <= 250; second += 10) {
      vardiff.record(difficulty)
      expect(vardiff.review(difficulty, second * 1000)).toBe(false)
    }
    const silent = new Server.Vardiff(0, 1000, 0)
    simulate(silent, 0, 3600)
    expect(silent.hashRate).toBe(1000)
  })
})

describe("a channel's target", () => {
  it("follows its shares, and is told by SetTarget", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miner = server.open(connection)
    server.now = START + 120_000
    const { events, messages } = server.tick(connection)
    expect(messages).toMatchObject([{ _tag: "SetTarget", channelId: miner.channelId }])
    expect(events).toMatchObject([{ _tag: "TargetChanged" }])
    expect(server.tick(connection).messages).toEqual([])
  })

  it("stays while there is no work", () => {
    const server = new TestServer()
    const connection = server.connect()
    server.open(connection)
    server.now = START + 600_000
    expect(server.tick(connection).messages).toEqual([])
  })

  it("becomes harder within a read when shares flood", () => {
    const server = TestServer.working()
    const connection = server.connect()
    const miner = server.open(connection)
    const shares = Array.from({ length: 40 }, () => miner.mine())
    const { messages } = server.send(connection, ...shares)
    expect(messages.filter(({ _tag }) => _tag === "SetTarget")).toHaveLength(1)
    expect(messages.filter(({ _tag }) => _tag === "SubmitShares.Error")).toEqual([])
  })

  /** A server on a chain whose blocks take so many hashes, told of it at this moment. */
  const onChain = (server: TestServer, hashesPerBlock: number, nbits: number): Uint8Array => {
    const target = u256ToBytes(2n ** 256n / BigInt(hashesPerBlock))
    server.template(futureTemplate(nbits))
    server.template(newPrevHash(nbits, { target, nbits }))
    return target
  }

  it("is not harder than the network's where that gives ten blocks a second at most", () => {
    const server = new TestServer()
    const target = onChain(server, 5_000, 1)
    const connection = server.connect()
    expect(server.open(connection, { nominalHashRate: 49_000 }).target).toEqual(u256FromBytes(target))
    expect(server.open(connection, { nominalHashRate: 51_000 }).target).toEqual(hashRateToTarget(51_000, 6))
  })

  it("follows the network's when that becomes easier", () => {
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
