import { assert, describe, it } from "@effect/vitest"
import { type Output, scriptForAddress, scriptForDescriptor } from "@sluice/bitcoin"
import { TemplateJobs } from "@sluice/channels"
import { fitsBlock, MAX_BLOCK_WEIGHT, TemplateFeed } from "@sluice/template-provider"
import { Effect, Queue, Result } from "effect"
import {
  minerPayout,
  minerScript,
  outputConstraints,
  type PayoutOptions,
  payoutOf,
  payoutScript,
  splitReward,
  splitSoloReward
} from "../src/index.ts"
import { ANY_TARGET, futureTemplate, newPrevHash, template } from "@sluice/testing/templates"
import { openExtended, openStandard, TestClient } from "@sluice/testing/pool-client"
import { COINBASE_ADDRESS, giveWork, memoryWorld, publish } from "@sluice/testing/pool-worlds"

const P2PKH = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
const P2TR = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"
const KEY = "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"

/** This many shares to the same output, with percentages that sum to 100. */
const many = (count: number, to: string) => {
  const percent = Math.floor(1_000_000 / count) / 10_000
  const first = (1_000_000 - Math.floor(1_000_000 / count) * (count - 1)) / 10_000
  return Array.from({ length: count }, (_, index) => ({ to, percent: index === 0 ? first : percent }))
}

/** The payout of valid options. */
const payoutFor = (options: PayoutOptions) => Result.getOrThrow(payoutOf(options))

const values = (outputs: ReadonlyArray<Output>) => outputs.map(({ value }) => value)
const sum = (outputs: ReadonlyArray<Output>) => values(outputs).reduce((sum, value) => sum + value, 0n)

describe("a payout", () => {
  it("pays the whole reward to one address or descriptor", () => {
    for (const coinbaseAddress of [P2TR, `wpkh(${KEY})`]) {
      assert.deepStrictEqual(values(splitReward(payoutFor({ coinbaseAddress }), 312_500_001n)), [312_500_001n])
    }
  })

  it("rounds the percentages of several outputs down, and gives the rest to the first", () => {
    const coinbaseOutputs = [
      { to: P2PKH, percent: 33.3333 },
      { to: P2TR, percent: 33.3333 },
      { to: `wpkh(${KEY})`, percent: 33.3334 }
    ]
    const payout = payoutFor({ coinbaseOutputs })
    assert.deepStrictEqual(values(splitReward(payout, 1_000_000n)), [333_333n, 333_333n, 333_334n])
    assert.deepStrictEqual(values(splitReward(payout, 100n)), [34n, 33n, 33n])
    for (let reward = 0n; reward < 1000n; reward += 7n) assert.strictEqual(sum(splitReward(payout, reward)), reward)
  })

  it("pays the miner in a solo pool, less the fee, which is rounded down and split over the pool's outputs", () => {
    const miner = scriptForAddress(P2TR, "main")
    const half = { coinbaseOutputs: [P2PKH, `wpkh(${KEY})`].map((to) => ({ to, percent: 50 })) }
    const shares = (solo: PayoutOptions["solo"] & object, reward: bigint) =>
      splitSoloReward(payoutFor({ ...half, solo }), miner, reward)
    assert.deepStrictEqual(values(shares({ feePercent: 1.5 }, 1_000_001n)), [985_001n, 7_500n, 7_500n])
    assert.deepStrictEqual(values(shares({ feePercent: 1.5 }, 199n)), [197n, 1n, 1n])
    assert.deepStrictEqual(shares({ feePercent: 0 }, 100n), [{ value: 100n, script: miner }])
    const free = payoutFor({ solo: { feePercent: 0 } })
    assert.deepStrictEqual(splitSoloReward(free, miner, 100n), [{ value: 100n, script: miner }])
  })

  const wrong: ReadonlyArray<readonly [string, PayoutOptions, RegExp]> = [
    ["nobody", {}, /the coinbase pays nobody/],
    ["nobody for the fee", { solo: { feePercent: 1 } }, /the coinbase pays nobody/],
    ["both forms", { coinbaseAddress: P2TR, coinbaseOutputs: [{ to: P2TR, percent: 100 }] }, /not both/],
    ["less than 100 %", { coinbaseOutputs: [{ to: P2TR, percent: 99.9 }] }, /sum to 100; these sum to 99\.9/],
    ["more than 100 %", { coinbaseOutputs: [60, 50].map((percent) => ({ to: P2TR, percent })) }, /these sum to 110/],
    ["a negative part", { coinbaseOutputs: [101, -1].map((percent) => ({ to: P2TR, percent })) }, /got 101/],
    ["too many decimals", { coinbaseOutputs: [{ to: P2TR, percent: 99.99999 }] }, /at most 4 decimals; got 99\.99999/],
    ["no part", { coinbaseOutputs: [100, 0].map((percent) => ({ to: P2TR, percent })) }, /above 0 to 100/],
    ["a fee that is none", { coinbaseAddress: P2TR, solo: { feePercent: Number.NaN } }, /the fee: .* got NaN/],
    ["a range", { coinbaseAddress: "wpkh(xpub/0/*)" }, /stands for many scripts/],
    [
      "more outputs than fit a coinbase",
      { coinbaseOutputs: many(2_200, P2TR) },
      /2200 outputs take 94600 bytes of .* room for 65299: the first 1518 of/
    ],
    [
      "more than fit beside the miner's",
      { coinbaseOutputs: many(1_518, P2TR), solo: { feePercent: 1 } },
      /1518 outputs take 65317 bytes of a coinbase, with the miner's; .* the first 1517 of them fit/
    ],
    [
      "more signature operations than a template leaves room for",
      { coinbaseOutputs: many(10, `raw(${"ac".repeat(2_000)})`) },
      /10 outputs take 80000 signature operations .* room for 65535: the first 8 of them fit/
    ],
    [
      "another chain's address",
      { coinbaseAddress: P2TR, chain: "regtest" },
      /is an address of mainnet, and this is regtest/
    ]
  ]
  it.each(wrong)("is refused: %s", (_, options, message) => {
    assert.throws(() => payoutFor(options), message)
  })

  it("accepts as many outputs as fit a job, and a template has room for them", () => {
    const payout = payoutFor({ coinbaseOutputs: many(1_518, P2TR) })
    const constraints = outputConstraints(payout)
    assert.isTrue(fitsBlock(constraints, { weight: MAX_BLOCK_WEIGHT, sigops: 80_000 }))
    const rules = {
      tags: new Uint8Array(60).fill(0x61),
      extranonceSize: 20,
      payout: (reward: bigint) => splitReward(payout, reward),
      versionRollingAllowed: true
    }
    const jobs = new TemplateJobs({ coinbase: rules, firstJobId: 1 })
    const made = jobs.onTemplate(futureTemplate(1), 0)
    assert.strictEqual(made._tag, "FutureJob")
    const one = { ...rules, payout: (reward: bigint) => [...rules.payout(reward), ...rules.payout(0n).slice(0, 1)] }
    assert.strictEqual(
      new TemplateJobs({ coinbase: one, firstJobId: 1 }).onTemplate(futureTemplate(1), 0)._tag,
      "Ignored"
    )
  })

  it.each([
    ["bc1pfeessrawgf", /bc1pfeessrawgf is pay-to-anchor: anyone can spend what is paid to it$/],
    ["bcrt1pfeesnyr2tx", /is pay-to-anchor: anyone can spend/],
    // BIP350's valid addresses of versions that have no rules, of version 16 and 2, and of version 1 with 40 bytes.
    ["BC1SW50QGDZ25J", /is of witness version 16 with 2 bytes, which has no rules yet: anyone can spend/],
    ["bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", /is of witness version 2 with 16 bytes/],
    [
      "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
      /is of witness version 1 with 40 bytes/
    ],
    ["1111111111111111111114oLvT2", /is for a hash of zeros.*nobody can ever spend/],
    ["raw(51)", /raw\(51\) checks no signature: anyone can spend/],
    ["raw(6a02beef)", /begins with OP_RETURN: nobody can ever spend/],
    ["addr(bc1pfeessrawgf)", /is pay-to-anchor/]
  ])("to %s is refused with a sentence, for a pool and as a solo pool's user", (to, message) => {
    assert.throws(() => payoutFor({ coinbaseAddress: to }), message)
    assert.isUndefined(minerScript(`${to}.rig`))
    if (!to.includes("(")) assert.match(Result.getOrThrow(Result.flip(minerPayout(`${to}.rig`))), message)
  })

  it("reserves room for its outputs in the template, and in a solo pool for the largest address too", () => {
    const room = (options: PayoutOptions) => {
      const { coinbaseOutputMaxAdditionalSigops, coinbaseOutputMaxAdditionalSize } = outputConstraints(
        payoutFor(options)
      )
      return [coinbaseOutputMaxAdditionalSize, coinbaseOutputMaxAdditionalSigops]
    }
    assert.deepStrictEqual(room({ coinbaseAddress: P2TR }), [43, 0])
    assert.deepStrictEqual(room({ coinbaseAddress: `pk(${KEY})` }), [8 + 1 + 35, 4])
    const coinbaseOutputs = [P2PKH, P2TR].map((to) => ({ to, percent: 50 }))
    assert.deepStrictEqual(room({ coinbaseOutputs }), [34 + 43, 4])
    assert.deepStrictEqual(room({ coinbaseAddress: P2TR, solo: { feePercent: 1 } }), [43 + 43, 4])
    assert.deepStrictEqual(room({ solo: { feePercent: 0 } }), [43, 4])
  })

  it("finds the script of an address or a descriptor of any network", () => {
    const script = Buffer.from(scriptForDescriptor(`wpkh(${KEY})`, "main")).toString("hex")
    const result = payoutScript(`wpkh(${KEY})`)
    assert.strictEqual(Buffer.from(Result.getOrThrow(result)).toString("hex"), script)
    assert.isTrue(Result.isFailure(payoutScript("nobody(")))
  })
})

describe("a solo pool", () => {
  const ALICE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
  const BOB = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"
  const script = (address: string) => Buffer.from(scriptForAddress(address, "regtest")).toString("hex")
  const solo = { coinbaseAddress: COINBASE_ADDRESS, chain: "regtest", solo: { feePercent: 2 } } as const
  const amount = (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(value)
    return bytes.toString("hex")
  }

  it.effect("gives each address jobs that pay it, also between two blocks", () =>
    Effect.gen(function* () {
      yield* publish(futureTemplate(1), newPrevHash(1), template(2), futureTemplate(3))
      const [alice, bob] = [yield* TestClient.connect(), yield* TestClient.connect()]
      const jobs: Array<{ readonly id: number; readonly suffix: string }> = []
      for (const [client, user] of [
        [alice, `${ALICE}.rig`],
        [bob, BOB]
      ] as const) {
        yield* client.send(openExtended({ userIdentity: user }))
        yield* client.expect("OpenExtendedMiningChannel.Success")
        const job = yield* client.expect("NewExtendedMiningJob")
        const { jobId } = yield* client.expect("SetNewPrevHash")
        assert.strictEqual(jobId, job.jobId)
        const future = yield* client.expect("NewExtendedMiningJob")
        assert.isUndefined(future.minNtime)
        jobs.push({ id: job.jobId, suffix: Buffer.from(job.coinbaseTxSuffix).toString("hex") })
        assert.strictEqual(yield* client.waiting, 0)
      }
      assert.include(jobs[0]!.suffix, amount(4_900_000_000n) + "16" + script(ALICE))
      assert.include(jobs[1]!.suffix, amount(4_900_000_000n) + "19" + script(BOB))
      for (const { suffix } of jobs) assert.include(suffix, amount(100_000_000n) + "16" + script(COINBASE_ADDRESS))
      yield* publish(newPrevHash(3))
      for (const client of [alice, bob]) yield* client.expect("SetNewPrevHash")
    }).pipe(Effect.provide(memoryWorld(solo)))
  )

  it.effect("submits a block that pays the miner that found it", () =>
    Effect.gen(function* () {
      yield* publish(futureTemplate(1), newPrevHash(1, { target: ANY_TARGET, nbits: 0x207fffff }))
      const client = yield* TestClient.connect()
      const miner = yield* client.open(openStandard({ userIdentity: BOB }))
      yield* client.send(miner.mine())
      const { coinbaseTx } = yield* Queue.take((yield* TemplateFeed).solutions)
      const hex = Buffer.from(coinbaseTx).toString("hex")
      assert.include(hex, amount(4_900_000_000n) + "19" + script(BOB))
      assert.include(hex, amount(100_000_000n) + "16" + script(COINBASE_ADDRESS))
      yield* client.expect("SubmitShares.Success")
    }).pipe(Effect.provide(memoryWorld(solo)))
  )

  it.effect("finds the one address after hundreds of names that are no addresses, in one read", () =>
    Effect.gen(function* () {
      yield* giveWork
      const { stackTraceLimit } = Error
      const client = yield* TestClient.connect()
      const names = Array.from({ length: 300 }, (_, index) => `${"q".repeat(index % 200)}${index}`)
      yield* client.send(
        ...[...names, ALICE].map((userIdentity, requestId) => openExtended({ requestId, userIdentity }))
      )
      for (const _ of names) {
        const { errorCode } = yield* client.expect("OpenMiningChannel.Error")
        assert.strictEqual(errorCode, "invalid-user-identity")
      }
      assert.strictEqual((yield* client.expect("OpenExtendedMiningChannel.Success")).requestId, names.length)
      const job = yield* client.expect("NewExtendedMiningJob")
      assert.include(Buffer.from(job.coinbaseTxSuffix).toString("hex"), script(ALICE))
      assert.strictEqual(Error.stackTraceLimit, stackTraceLimit)
    }).pipe(Effect.provide(memoryWorld(solo)))
  )

  it.effect(
    "refuses a user without an address, an address of another chain, and a second address on one connection",
    () =>
      Effect.gen(function* () {
        yield* giveWork
        const client = yield* TestClient.connect()
        const refuse = (userIdentity: string) =>
          Effect.gen(function* () {
            yield* client.send(openExtended({ userIdentity }))
            assert.strictEqual((yield* client.expect("OpenMiningChannel.Error")).errorCode, "invalid-user-identity")
          })
        for (const identity of ["alice.1", P2TR, "", `raw(51)`, "bcrt1pfeesnyr2tx.rig"]) yield* refuse(identity)
        yield* client.open(openExtended({ userIdentity: ALICE }))
        yield* refuse(BOB)
        yield* client.send(openExtended({ userIdentity: `${ALICE}.second` }))
        yield* client.expect("OpenExtendedMiningChannel.Success")
      }).pipe(Effect.provide(memoryWorld(solo)))
  )
})
