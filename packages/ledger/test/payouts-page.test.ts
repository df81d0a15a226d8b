/** The examples in docs/operators/payouts.md are what the schemes give. */
import { assert, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { type BlockPolicy, buyWork, divideReward, POOL, type ShareSpan, windowOf, windowWork } from "../src/index.ts"

const page = readFileSync(new URL("../../../docs/operators/payouts.md", import.meta.url), "utf8")
const rows = [...page.matchAll(/^\|(.*)\|$/gm)].map(([, row = ""]) => row.split("|").map((cell) => cell.trim()))
const amount = (text: string | undefined): bigint => BigInt(text!.replaceAll(",", ""))

const MINUTE = 60_000
const NOW = 100 * MINUTE
const REWARD = 312_500_000n
const FEES = 2_500_000n
const NETWORK_WORK = 1_000n
const shares = rows
  .filter(([number = "", user = ""]) => /^\d$/.test(number) && /^[a-z]+$/.test(user))
  .map(([seq, user, work, ago]): ShareSpan => ({
    seq: Number(seq),
    user: user!,
    work: amount(work),
    at: NOW - Number(ago) * MINUTE
  }))

const common = { version: 1, fee: 10_000 } as const
const policies: ReadonlyArray<readonly [beginning: string, policy: BlockPolicy]> = [
  ["`solo`", { ...common, scheme: "solo" }],
  ["`prop`", { ...common, scheme: "prop" }],
  ["`pplns`, `payout-window` 1", { ...common, scheme: "pplns", window: 1_000 }],
  ["`pplns`, `payout-window` 1.2", { ...common, scheme: "pplns", window: 1_200 }],
  ["`pplns-time`, `payout-minutes` 60", { ...common, scheme: "pplns-time", minutes: 60 }],
  ["`tides`, 20 percent full", { ...common, scheme: "tides" }]
]

for (const [beginning, policy] of policies) {
  it(`the page of payouts is right about ${beginning}`, () => {
    const row = rows.find((cells) => cells[0] === beginning && cells.length === 6)
    const size = windowWork(policy, NETWORK_WORK)
    const limits = {
      ...(size === undefined ? {} : { work: size }),
      ...(policy.scheme === "pplns-time" ? { since: NOW - policy.minutes * MINUTE } : {})
    }
    const window = windowOf(shares.toReversed(), limits)
    const weights = policy.scheme === "solo" ? new Map([["carol", 1n]]) : window.weights
    const earned = divideReward(REWARD, policy, weights)
    assert.deepStrictEqual(
      row!.slice(2).map(amount),
      ["alice", "bob", "carol", POOL].map((account) => earned.get(account) ?? 0n)
    )
    if (policy.scheme === "solo") return
    const counted = ["alice", "bob", "carol"].map((user) => window.weights.get(user))
    assert.strictEqual(row![1], `${counted.join(", ")} of ${window.work.toLocaleString("en")}`)
  })
}

for (const scheme of ["fpps", "pps"] as const) {
  it(`the page of payouts is right about ${scheme}`, () => {
    const row = rows.find((cells) => cells[0] === `\`${scheme}\`` && cells.length === 6)
    const { weights } = windowOf(shares.toReversed(), {})
    const value = { subsidy: REWARD - FEES, fees: FEES, networkWork: NETWORK_WORK }
    const { amounts } = buyWork({ ...common, scheme }, weights, value, new Map())
    const reserve = REWARD + amounts.get(POOL)!
    assert.deepStrictEqual(row!.slice(2).map(amount), [
      ...["alice", "bob", "carol"].map((user) => amounts.get(user)),
      reserve
    ])
    assert.strictEqual(row![1], ["alice", "bob", "carol"].map((user) => weights.get(user)).join(", "))
    const unit = (-amounts.get(POOL)! / 1_600n).toLocaleString("en")
    assert.include(page.replaceAll(/\s+/g, " "), scheme === "fpps" ? `costs ${unit} satoshis` : `by PPS ${unit}.`)
  })
}
