/** Examples with figures from elsewhere. Each names its source. */
import { assert, describe, it } from "@effect/vitest"
import {
  buyWork,
  coinbasePayments,
  divideReward,
  POOL,
  type ShareSpan,
  settlementOf,
  subsidyAt,
  windowOf,
  workOfDifficulty,
  workOfTarget
} from "../src/index.ts"

const spans = (...entries: ReadonlyArray<readonly [user: string, work: bigint]>): ReadonlyArray<ShareSpan> =>
  entries.map(([user, work], index) => ({ seq: index + 1, user, work, at: 1_000 + index }))
const COIN = 100_000_000n

describe("work", () => {
  it("of difficulty 1 is what Bitcoin Core's chain work gives for the first block: 4295032833 hashes", () => {
    // chainwork of the mainnet's genesis block: 0000000100010001.
    assert.strictEqual(workOfDifficulty(1), 0x100010001n)
  })

  it("of regtest's target is the 2 hashes of its chain work", () => {
    const target = new Uint8Array(32).fill(0xff)
    target.set([0xff, 0xff, 0x7f], 29)
    assert.strictEqual(workOfTarget(target), 2n)
  })
})

/** Meni Rosenfeld, Analysis of Bitcoin Pooled Mining Reward Systems (arXiv 1112.4980). */
describe("Rosenfeld's analysis", () => {
  // Section 1.1: 10^9 hashes a second for a day at difficulty 1690906 and 50 coins a block are 0.0119 blocks, about 0.595 coins.
  const day = 86_400n * 1_000_000_000n
  const networkWork = workOfDifficulty(1_690_906)
  const value = { subsidy: subsidyAt(140_000, 210_000), fees: 0n, networkWork }

  it("1.1, 2.2: a day of 10^9 hashes a second earns about 0.595 coins by pay-per-share", () => {
    const { amounts } = buyWork({ version: 1, scheme: "pps", fee: 0 }, new Map([["bob", day]]), value, new Map())
    assert.strictEqual(amounts.get("bob"), (50n * COIN * day) / networkWork)
    assert.closeTo(Number(amounts.get("bob")) / 1e8, 0.595, 0.0005)
  })

  it("2.2: a fee of f leaves the user (1 - f) of a share's value", () => {
    const { amounts } = buyWork({ version: 1, scheme: "pps", fee: 50_000 }, new Map([["bob", day]]), value, new Map())
    assert.strictEqual(amounts.get("bob"), (50n * COIN * day * 95n) / (networkWork * 100n))
  })

  it("2.1: by the proportional method n of N shares of a round earn n/N of the reward", () => {
    const round = windowOf(spans(["bob", 1n], ["bob", 1n], ["carol", 7n], ["bob", 1n]).toReversed(), {})
    const earned = divideReward(50n * COIN, { fee: 20_000 }, round.weights)
    assert.deepStrictEqual(
      [earned.get("bob"), earned.get("carol")],
      [(147n * COIN * 10n) / 100n, (343n * COIN * 10n) / 100n]
    )
    assert.strictEqual(earned.get(POOL), COIN)
  })

  it("3.3: PPLNS has no rounds: a share is paid by each block that is found while it is among the last N", () => {
    const shares = spans(["alice", 10n], ["bob", 10n], ["carol", 10n])
    const [one, other] = [2, 3].map((last) => windowOf(shares.slice(0, last).toReversed(), { work: 20n }))
    assert.deepStrictEqual([...one!.weights.keys()].toSorted(), ["alice", "bob"])
    assert.deepStrictEqual([...other!.weights.keys()].toSorted(), ["bob", "carol"])
  })
})

/** The figures of p2poolv2's tests, p2poolv2_lib/src/accounting/payout/simple_pplns/payout.rs and payout_distribution.rs. */
describe("p2poolv2's cases", () => {
  /** Newest first, as there. */
  const shares = spans(["four", 100n], ["three", 200n], ["two", 300n], ["one", 400n]).toReversed()

  it("a window that the shares fill exactly has all of them", () => {
    const { weights, work } = windowOf(shares, { work: 1_000n })
    assert.strictEqual(work, 1_000n)
    assert.deepStrictEqual(Object.fromEntries(weights), { one: 400n, two: 300n, three: 200n, four: 100n })
  })

  it("a window of 750 ends within the third share: 50 of its 200 count, where p2poolv2 counts it whole", () => {
    const { cut, first, weights, work } = windowOf(shares, { work: 750n })
    assert.strictEqual(work, 750n)
    assert.deepStrictEqual(Object.fromEntries(weights), { one: 400n, two: 300n, three: 50n })
    assert.deepStrictEqual([first, cut], [2, 150n])
  })

  it("a window that is not full is paid by the shares in it", () => {
    const { size, weights, work } = windowOf(spans(["one", 100n], ["two", 200n]).toReversed(), { work: 500n })
    assert.deepStrictEqual([work, size], [300n, 500n])
    const earned = divideReward(COIN, { fee: 0 }, weights)
    assert.deepStrictEqual([earned.get("one"), earned.get("two"), earned.get(POOL)], [33_333_333n, 66_666_666n, 1n])
  })

  it("a share that is larger than the window fills it", () => {
    assert.deepStrictEqual(Object.fromEntries(windowOf(spans(["one", 1_500n]), { work: 1_000n }).weights), {
      one: 1_000n
    })
  })

  it("difficulties of 600 and 400 divide a coin into 60,000,000 and 40,000,000 satoshis", () => {
    const { weights } = windowOf(spans(["one", 600n], ["two", 400n]).toReversed(), {})
    const earned = divideReward(COIN, { fee: 0 }, weights)
    assert.deepStrictEqual([earned.get("one"), earned.get("two"), earned.get(POOL)], [60_000_000n, 40_000_000n, 0n])
  })
})

/**
 * A pool whose window was nearly empty paid 2.58 % of a block to the users who found it alone, and kept the rest: what a window that is
 * not full is measured by must be the work in it.
 */
it("one user alone in a window that is 2.58 % full earns the whole reward", () => {
  const { weights } = windowOf(spans(["alice", 258n]), { work: 10_000n })
  assert.strictEqual(divideReward(312_500_000n, { fee: 0 }, weights).get("alice"), 312_500_000n)
})

describe("a worked example with a balance", () => {
  it("carries what is below the minimum, and pays it when it is enough", () => {
    const limits = { minimum: 10_000n, bytes: 1_000, bytesOf: () => 31 }
    const weights = new Map([
      ["alice", 997n],
      ["bob", 3n]
    ])
    const first = divideReward(2_000_000n, { fee: 0 }, weights)
    const one = settlementOf(first, coinbasePayments(first, new Map(), limits))
    assert.deepStrictEqual(Object.fromEntries(one.changes), { alice: 0n, bob: 6_000n, [POOL]: -6_000n })
    const second = divideReward(2_000_000n, { fee: 10_000 }, weights)
    const two = settlementOf(second, coinbasePayments(second, one.changes, limits))
    assert.deepStrictEqual(Object.fromEntries(second), { alice: 1_974_060n, bob: 5_940n, [POOL]: 20_000n })
    assert.deepStrictEqual(Object.fromEntries(two.paid), { alice: 1_974_060n, bob: 11_940n, [POOL]: 14_000n })
    assert.deepStrictEqual(Object.fromEntries(two.changes), { alice: 0n, bob: -6_000n, [POOL]: 6_000n })
  })
})
