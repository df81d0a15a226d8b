import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { blockchainInfo } from "../src/rpc/chain-report.ts"
import { type BlockTemplate, NodeRpc } from "@sluice/node"
import { DevNode, solveTemplate } from "../src/index.ts"
import { nextBits, workOf } from "../src/chain/retarget.ts"

const MAIN = { interval: 2_016, spacing: 600 }
const MAIN_LIMIT = 0x1d00ffff

describe("the target behind a period", () => {
  // Periods of the main chain: where it was adjusted freely, held at the limit, and held at a quarter and at four times.
  for (const [what, bits, firstTime, lastTime, expected] of [
    ["follows the time that its blocks took", 0x1d00ffff, 1261130161, 1262152739, 0x1d00d86a],
    ["is never easier than the limit", 0x1d00ffff, 1231006505, 1233061996, 0x1d00ffff],
    ["is at most four times as hard", 0x1c05a3f4, 1279008237, 1279297671, 0x1c0168fd],
    ["is at most four times as easy", 0x1c387f6f, 1263163443, 1269211443, 0x1d00e1fd]
  ] as const) {
    it(what, () => assert.strictEqual(nextBits({ bits, firstTime, lastTime }, MAIN, MAIN_LIMIT), expected))
  }

  it("has a compact form for every size", () => {
    for (const bits of [0x01120000, 0x02123400, 0x03123456, 0x04123456, 0x1d00ffff, 0x207fffff]) {
      const same = { bits, firstTime: 0, lastTime: MAIN.interval * MAIN.spacing }
      assert.strictEqual(nextBits(same, MAIN, 0x207fffff), bits, bits.toString(16))
    }
  })
})

it("the work of a block is what Bitcoin Core adds up", () => {
  assert.strictEqual(workOf(0x1d00ffff), 0x100010001n)
  assert.strictEqual(workOf(0x207fffff), 2n)
})

const layer = DevNode.layerInMemory({
  bits: 0x207fffff,
  transactionsPerSecond: 0,
  retargetInterval: 8,
  targetSpacing: 100
})

describe("a development chain whose difficulty is adjusted", () => {
  const mineOn = Effect.fnUntraced(function* (template: BlockTemplate, curtime: number) {
    const node = yield* DevNode
    return yield* node.submitBlock(solveTemplate({ ...template, curtime: Math.max(template.mintime, curtime) })!)
  })

  it.effect("has a new target from the first block of a period on, and refuses blocks with the old one", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const rpc = yield* NodeRpc
      const start = (yield* node.tip).time
      yield* TestClock.adjust(`${start + 10_000} seconds`)
      const seen: Array<string> = []
      let target = ""
      // Twice as fast as wanted: seven times 50 seconds between the ends of a period of eight times 100.
      for (let height = 1; height <= 24; height++) {
        const template = yield* node.getBlockTemplate()
        seen.push(template.bits)
        assert.strictEqual(blockchainInfo(node.state).bits, seen[height - 2] ?? "207fffff", "the tip's own")
        if (height === 8 || height === 16) {
          const old = { ...template, bits: seen[height - 2]!, target }
          assert.strictEqual(yield* mineOn(old, start + height * 50), "bad-diffbits")
        }
        target = template.target
        assert.isNull(yield* mineOn(template, start + height * 50))
      }
      const [easy, harder, hardest, last] = [seen[6], seen[7], seen[15], seen[23]]
      assert.strictEqual(easy, "207fffff")
      // 350 of 800 seconds, twice.
      assert.strictEqual(
        harder,
        nextBits({ bits: 0x207fffff, firstTime: 0, lastTime: 350 }, { interval: 8, spacing: 100 }, 0x207fffff).toString(
          16
        )
      )
      assert.strictEqual(new Set(seen.slice(7, 15)).size, 1)
      assert.strictEqual(new Set([easy, harder, hardest, last]).size, 4)
      const { chainwork, difficulty } = yield* rpc.getBlockchainInfo
      const work = seen.slice(0, 24).reduce((sum, bits) => sum + workOf(Number.parseInt(bits, 16)), workOf(0x207fffff))
      assert.strictEqual(BigInt(`0x${chainwork}`), work)
      assert.strictEqual((yield* rpc.getMiningInfo).difficulty, difficulty)
    }).pipe(Effect.provide(layer))
  )

  it.effect("follows the branch with more work, though it is the shorter one", () =>
    Effect.gen(function* () {
      const node = yield* DevNode
      const start = (yield* node.tip).time
      yield* TestClock.adjust(`${start + 100_000} seconds`)
      for (let height = 1; height <= 6; height++) yield* mineOn(yield* node.getBlockTemplate(), start + height)
      const fork = yield* node.getBlockTemplate()
      // The seventh block late: the eighth is as easy as the ones before, and the ninth.
      const slow = { ...fork, coinbasevalue: fork.coinbasevalue - 1 }
      assert.isNull(yield* mineOn(slow, start + 50_000))
      for (let height = 8; height <= 10; height++)
        assert.isNull(yield* mineOn(yield* node.getBlockTemplate(), start + 50_000))
      assert.strictEqual((yield* node.tip).height, 10)
      // The seventh block early: the eighth is four times as hard, and so is the ninth.
      assert.strictEqual(yield* mineOn(fork, start + 7), "inconclusive")
      const { chain } = node.state
      const early = chain.tips().find(({ height }) => height === 7)!
      assert.strictEqual(chain.bitsAfter(early), 0x201fffff)
      const target = `1fffff${"00".repeat(29)}`
      const harder = { ...fork, height: 8, previousblockhash: early.id, bits: "201fffff", target, mintime: start + 8 }
      assert.isNull(yield* mineOn(harder, start + 60))
      assert.strictEqual((yield* node.tip).height, 8)
    }).pipe(Effect.provide(layer))
  )
})
