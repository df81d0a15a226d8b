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

/**
 * Meni Rosenfeld, Analysis of Bitcoin Pooled Mining Reward Systems (arXiv 1112.4980), section 1.1: a hash is a block with the probability
 * (2^16 - 1) / (2^48 D), which the paper rounds to 1 / (2^32 D), so hashing at the rate h for the time t is worth h t B / (2^32 D) on
 * average. Figures here are derived from that formula; those of the paper's own examples could not be read.
 */
describe("Rosenfeld's formula", () => {
  const work = workOfDifficulty(2 ** 20)

  it("a hash is a block of difficulty D with the probability (2^16 - 1) / (2^48 D)", () => {
    // The target of a difficulty is a whole number, so the last digits of a block's work differ.
    assert.closeTo(Number(work) / ((2 ** 48 * 2 ** 20) / (2 ** 16 - 1)), 1, 1e-12)
  })

  it("what pay-per-share pays for h t hashes is h t B / D, less the fee, in whole satoshis", () => {
    const hashes = 86_400n * 1_000_000_000n
    const value = { subsidy: subsidyAt(140_000, 210_000), fees: 0n, networkWork: work }
    for (const fee of [0n, 50_000n]) {
      const policy = { version: 1, scheme: "pps", fee: Number(fee) } as const
      const { amounts } = buyWork(policy, new Map([["bob", hashes]]), value, new Map())
      assert.strictEqual(amounts.get("bob"), (hashes * 50n * COIN * (1_000_000n - fee)) / (work * 1_000_000n))
    }
  })

  it("by the proportional method n of N shares of a round earn n/N of the reward, less the fee", () => {
    const round = windowOf(spans(["bob", 1n], ["bob", 1n], ["carol", 7n], ["bob", 1n]).toReversed(), {})
    const earned = divideReward(50n * COIN, { fee: 20_000 }, round.weights)
    assert.deepStrictEqual(
      [earned.get("bob"), earned.get("carol")],
      [(147n * COIN * 10n) / 100n, (343n * COIN * 10n) / 100n]
    )
    assert.strictEqual(earned.get(POOL), COIN)
  })

  it("by PPLNS a share is paid by each block that is found while it is among the last N", () => {
    const shares = spans(["alice", 10n], ["bob", 10n], ["carol", 10n])
    const [one, other] = [2, 3].map((last) => windowOf(shares.slice(0, last).toReversed(), { work: 20n }))
    assert.deepStrictEqual([...one!.weights.keys()].toSorted(), ["alice", "bob"])
    assert.deepStrictEqual([...other!.weights.keys()].toSorted(), ["bob", "carol"])
  })
})

/**
 * Bitcoin Stack Exchange, question 18629: 21,990,232,555,520 hashes a second at the difficulty 47,427,554,950.648 and 25 coins a block are
 * 6.99542703277 coins in 30 days, with 2^32 hashes for a share of difficulty 1.
 */
it("a month of 20 TH/s at the difficulty of May 2015 earns the 6.995 coins of a published calculation by pay-per-share", () => {
  const value = { subsidy: 25n * COIN, fees: 0n, networkWork: workOfDifficulty(47_427_554_950.648) }
  const month = 30n * 86_400n * 21_990_232_555_520n
  const { amounts } = buyWork({ version: 1, scheme: "pps", fee: 0 }, new Map([["bob", month]]), value, new Map())
  const exact = 6.99542703277 * ((2 ** 16 - 1) / 2 ** 16)
  assert.closeTo(Number(amounts.get("bob")) / 1e8, exact, 2e-8)
})

/**
 * The figures of p2poolv2's tests (github.com/p2poolv2/p2poolv2, commit ae7f71743c2c), p2poolv2_lib/src/accounting/payout/simple_pplns/payout.rs
 * and payout_distribution.rs.
 */
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

  it("shares of one user are added: 100 and 300 of it, 200 of another", () => {
    const { weights } = windowOf(spans(["one", 300n], ["two", 200n], ["one", 100n]).toReversed(), { work: 1_000n })
    assert.deepStrictEqual(Object.fromEntries(weights), { one: 400n, two: 200n })
  })

  it("a fee of 2 % of a coin leaves 98,000,000 satoshis, of which 600 and 400 get 58,800,000 and 39,200,000", () => {
    const { weights } = windowOf(spans(["one", 600n], ["two", 400n]).toReversed(), { work: 1_000n })
    const earned = divideReward(COIN, { fee: 20_000 }, weights)
    assert.deepStrictEqual(
      [earned.get("one"), earned.get("two"), earned.get(POOL)],
      [58_800_000n, 39_200_000n, 2_000_000n]
    )
  })

  it("three equal shares of 100 satoshis are 33 each, and the rest is the pool's, where p2poolv2 gives it to the last user", () => {
    const { weights } = windowOf(spans(["one", 1n], ["two", 1n], ["three", 1n]).toReversed(), {})
    const earned = divideReward(100n, { fee: 0 }, weights)
    assert.deepStrictEqual(
      ["one", "two", "three", POOL].map((account) => earned.get(account)),
      [33n, 33n, 33n, 1n]
    )
  })

  it("difficulties of 600 and 400 divide a coin into 60,000,000 and 40,000,000 satoshis", () => {
    const { weights } = windowOf(spans(["one", 600n], ["two", 400n]).toReversed(), {})
    const earned = divideReward(COIN, { fee: 0 }, weights)
    assert.deepStrictEqual([earned.get("one"), earned.get("two"), earned.get(POOL)], [60_000_000n, 40_000_000n, 0n])
  })
})

/** A window that is not full is divided by the work in it; a division by its size would leave this user 2.58 % of the reward. */
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
