/** Properties that hold for all ways to divide a reward. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import {
  type BlockPolicy,
  buyWork,
  coinbasePayments,
  divideReward,
  PARTS,
  POOL,
  settlementOf,
  type SharePolicy,
  type ShareSpan,
  sum,
  windowOf,
  type WindowLimits,
  windowWork
} from "../src/index.ts"

const runs = { numRuns: Number(process.env["SLUICE_SEQUENCES"] ?? 300) }

const users = ["alice", "bob", "carol", "dave"] as const
const work = fc.oneof(fc.bigInt(1n, 1000n), fc.bigInt(1n, 1n << 80n))
const share = fc.record({ user: fc.constantFrom(...users), work, pause: fc.integer({ min: 0, max: 2 }) })

/** Shares in their order, as the ledger numbers them. Many have the same time. */
const shares = fc.array(share, { maxLength: 60 }).map((some) => {
  let at = 1_000
  return some.map(({ pause, user, work }, index): ShareSpan => ({ seq: index + 1, user, work, at: (at += pause) }))
})
const limits: fc.Arbitrary<WindowLimits> = fc.oneof(
  fc.record({ work }),
  fc.record({ afterSeq: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ since: fc.integer({ min: 990, max: 1_100 }) })
)
const reward = fc.bigInt(0n, 21_000_000n * 100_000_000n)
const fee = fc.integer({ min: 0, max: 1_000_000 })
const balances = fc
  .array(fc.tuple(fc.constantFrom(...users, "erin"), fc.bigInt(-100_000n, 100_000n)))
  .map((entries) => new Map<string, bigint>(entries))

const plain = (weights: ReadonlyMap<string, bigint>) => [...weights].toSorted(([a], [b]) => (a < b ? -1 : 1))

describe("a window", () => {
  it("counts the newest shares up to its size, and the oldest of them in part", () => {
    fc.assert(
      fc.property(shares, work, (shares, size) => {
        const window = windowOf(shares.toReversed(), { work: size })
        const all = sum(shares.map(({ work }) => work))
        assert.strictEqual(window.work, all < size ? all : size)
        assert.strictEqual(sum(window.weights.values()), window.work)
        const inside = shares.filter(({ seq }) => seq >= window.first && window.last > 0)
        const cut = sum(inside.map(({ work }) => work)) - window.work
        assert.strictEqual(window.cut, cut)
        for (const user of users) {
          const expected = sum(
            inside
              .filter((share) => share.user === user)
              .map(({ seq, work }) => (seq === window.first ? work - cut : work))
          )
          assert.strictEqual(window.weights.get(user) ?? 0n, expected)
        }
      }),
      runs
    )
  })

  it("is the same however shares are put into spans", () => {
    fc.assert(
      fc.property(shares, work, fc.infiniteStream(fc.boolean()), (shares, size, joins) => {
        const spans: Array<ShareSpan> = []
        for (const share of shares) {
          const before = spans.at(-1)
          if (before?.user === share.user && joins.next().value === true) {
            spans[spans.length - 1] = { ...share, work: before.work + share.work }
          } else spans.push(share)
        }
        const [one, other] = [shares, spans].map((some) => windowOf(some.toReversed(), { work: size }))
        assert.deepStrictEqual(plain(one!.weights), plain(other!.weights))
      }),
      runs
    )
  })

  it("by time has all or none of the shares of a millisecond, in whichever order they came", () => {
    fc.assert(
      fc.property(shares, fc.integer({ min: 990, max: 1_100 }), (shares, since) => {
        const expected = shares.filter(({ at }) => at >= since)
        const window = windowOf(shares.toReversed(), { since })
        assert.strictEqual(window.work, sum(expected.map(({ work }) => work)))
        // The same times with users and work in another order among those of one millisecond.
        const swapped = shares.map((share) => share)
        for (let i = 1; i < swapped.length; i++) {
          const [a, b] = [swapped[i - 1]!, swapped[i]!]
          if (a.at !== b.at) continue
          swapped[i - 1] = { ...b, seq: a.seq }
          swapped[i] = { ...a, seq: b.seq }
        }
        assert.deepStrictEqual(plain(windowOf(swapped.toReversed(), { since }).weights), plain(window.weights))
      }),
      runs
    )
  })

  it("of a round begins after the share that ended the round before", () => {
    fc.assert(
      fc.property(shares, fc.integer({ min: 0, max: 60 }), (shares, afterSeq) => {
        const window = windowOf(shares.toReversed(), { afterSeq })
        assert.strictEqual(window.work, sum(shares.filter(({ seq }) => seq > afterSeq).map(({ work }) => work)))
      }),
      runs
    )
  })

  it("reads no share older than the first that does not belong to it", () => {
    let read = 0
    const newestFirst = function* (): Generator<ShareSpan> {
      for (let seq = 1_000; seq > 0; seq--) {
        read++
        yield { seq, user: "alice", work: 10n, at: seq }
      }
    }
    assert.strictEqual(windowOf(newestFirst(), { work: 25n }).work, 25n)
    assert.strictEqual(read, 3)
  })
})

describe("the reward of a block", () => {
  it("is divided to the satoshi, and nobody is paid for the work of others", () => {
    fc.assert(
      fc.property(shares, limits, reward, fee, (shares, limits, reward, fee) => {
        const { weights, work } = windowOf(shares.toReversed(), limits)
        const earned = divideReward(reward, { fee }, weights)
        assert.strictEqual(sum(earned.values()), reward)
        const divided = reward - (reward * BigInt(fee)) / 1_000_000n
        for (const user of users) {
          const weight = weights.get(user) ?? 0n
          const amount = earned.get(user) ?? 0n
          assert.isTrue(amount * work <= weight * divided, "at most the user's part")
          if (weight > 0n) assert.isTrue((amount + 1n) * work > weight * divided, "less than a satoshi below it")
        }
        assert.isTrue(earned.get(POOL)! >= 0n)
      }),
      runs
    )
  })

  it("is paid and carried to the satoshi, with the balances of earlier blocks", () => {
    const limits = fc.record({ minimum: fc.bigInt(0n, 50_000n), bytes: fc.integer({ min: 0, max: 200 }) })
    fc.assert(
      fc.property(shares, reward, fee, balances, limits, (shares, reward, fee, balances, limits) => {
        const earned = divideReward(reward, { fee }, windowOf(shares.toReversed(), {}).weights)
        const bytesOf = (user: string) => (user === "dave" ? undefined : 43)
        const payments = coinbasePayments(earned, balances, { ...limits, bytesOf })
        const settlement = settlementOf(earned, payments)
        assert.strictEqual(sum(settlement.earned.values()), reward)
        assert.strictEqual(sum(settlement.paid.values()), reward)
        assert.strictEqual(sum(settlement.changes.values()), 0n)
        assert.isAtMost(payments.length * 43, limits.bytes)
        for (const { amount, user } of payments) {
          assert.notStrictEqual(user, "dave")
          assert.isTrue(amount >= limits.minimum && amount > 0n)
          assert.isTrue(amount <= (earned.get(user) ?? 0n) + (balances.get(user) ?? 0n))
        }
        assert.isTrue(settlement.paid.get(POOL)! >= 0n)
      }),
      runs
    )
  })

  it("is divided as the draft of extension 0x0003 divides it, and a fee as the pool's weight costs at most a satoshi less", () => {
    // Section 4 of the draft (stratum-mining/sv2-spec, pull request 203): what miners are paid, and the rest for the pool.
    const draft = (total: bigint, weights: ReadonlyMap<string, bigint>, ofPool: bigint, dustLimit: bigint) => {
      const all = ofPool + sum(weights.values())
      const paid = [...weights]
        .map(([user, weight]) => [user, (weight * total) / all] as const)
        .filter(([, amount]) => amount >= dustLimit)
      return { paid: new Map(paid), ofPool: total - sum(paid.map(([, amount]) => amount)) }
    }
    const weights = fc
      .array(fc.tuple(fc.constantFrom(...users), work), { minLength: 1 })
      .map((entries) => new Map<string, bigint>(entries))
    fc.assert(
      fc.property(fc.bigInt(1n, 21_000_000n * 100_000_000n), weights, fee, (total, weights, fee) => {
        const free = divideReward(total, { fee: 0 }, weights)
        const minimum = 10_000n
        const { changes, paid } = settlementOf(
          free,
          coinbasePayments(free, new Map(), { minimum, bytes: 10_000, bytesOf: () => 31 })
        )
        const expected = draft(total, weights, 0n, minimum)
        assert.strictEqual(paid.get(POOL), expected.ofPool)
        for (const user of users) {
          assert.strictEqual(paid.get(user), expected.paid.get(user))
          // What the draft leaves to the pool for users without an output, the ledger owes them.
          if (!expected.paid.has(user)) assert.strictEqual(changes.get(user), free.get(user))
        }
        if (fee === 1_000_000) return
        const parts = BigInt(1_000_000 - fee)
        const scaled = new Map([...weights].map(([user, weight]) => [user, weight * parts]))
        const withFee = draft(total, scaled, BigInt(fee) * sum(weights.values()), 0n)
        const earned = divideReward(total, { fee }, weights)
        for (const [user, amount] of withFee.paid) {
          const more = earned.get(user)! - amount
          assert.isTrue(more === 0n || more === 1n, `${user} earned ${more} more`)
        }
      }),
      runs
    )
  })

  it("is paid alike whatever the order of users", () => {
    fc.assert(
      fc.property(shares, reward, balances, fc.integer({ min: 0, max: 200 }), (shares, reward, balances, bytes) => {
        const { weights } = windowOf(shares.toReversed(), {})
        const reversed = new Map([...weights].toReversed())
        const [one, other] = [weights, reversed].map((weights) =>
          coinbasePayments(divideReward(reward, { fee: 0 }, weights), balances, {
            minimum: 1n,
            bytes,
            bytesOf: () => 31
          })
        )
        assert.deepStrictEqual(one, other)
      }),
      runs
    )
  })

  it("has a window by the network's work for PPLNS and TIDES, and none for the others", () => {
    const version = 1
    const policies: ReadonlyArray<readonly [BlockPolicy, bigint | undefined]> = [
      [{ version, fee: 0, scheme: "pplns", window: 2_500 }, 2_500n],
      [{ version, fee: 0, scheme: "tides" }, 8_000n],
      [{ version, fee: 0, scheme: "prop" }, undefined],
      [{ version, fee: 0, scheme: "solo" }, undefined],
      [{ version, fee: 0, scheme: "pplns-time", minutes: 5 }, undefined]
    ]
    for (const [policy, expected] of policies) assert.strictEqual(windowWork(policy, 1_000n), expected)
  })
})

describe("shares that are bought", () => {
  const policy = fc.record({ version: fc.constant(1 as const), fee, scheme: fc.constantFrom("pps", "fpps") })
  const value = fc.record({
    subsidy: fc.bigInt(0n, 5_000_000_000n),
    fees: fc.bigInt(0n, 1_000_000_000n),
    networkWork: fc.bigInt(1n, 1n << 80n)
  })

  it("cost the reserve what users earn, and remainders are below a satoshi", () => {
    fc.assert(
      fc.property(policy, shares, value, (policy, shares, value) => {
        const { weights } = windowOf(shares.toReversed(), {})
        const { amounts, remainders } = buyWork(policy as SharePolicy, weights, value, new Map())
        assert.strictEqual(sum(amounts.values()), 0n)
        for (const remainder of remainders.values()) assert.isTrue(remainder >= 0n && remainder < PARTS)
      }),
      runs
    )
  })

  it("earn the same to the satoshi when they are bought one by one, but for parts of a millionth of a millionth", () => {
    fc.assert(
      fc.property(policy, shares, value, (policy, shares, value) => {
        const { weights } = windowOf(shares.toReversed(), {})
        const whole = buyWork(policy as SharePolicy, weights, value, new Map())
        const earned = new Map<string, bigint>()
        let remainders: ReadonlyMap<string, bigint> = new Map()
        for (const { user, work } of shares) {
          const bought = buyWork(policy as SharePolicy, new Map([[user, work]]), value, remainders)
          remainders = bought.remainders
          earned.set(user, (earned.get(user) ?? 0n) + bought.amounts.get(user)!)
        }
        for (const user of weights.keys()) {
          const [a, b] = [
            whole.amounts.get(user)! * PARTS + whole.remainders.get(user)!,
            earned.get(user)! * PARTS + remainders.get(user)!
          ]
          // Each purchase may round one part down.
          assert.isTrue(a >= b && a - b <= BigInt(shares.length))
        }
      }),
      runs
    )
  })
})
