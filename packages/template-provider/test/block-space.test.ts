import { assert, describe, it } from "@effect/vitest"
import type { TemplateTransaction } from "@sluice/node"
import { merkleRootFromPath } from "@sluice/bitcoin"
import { sha256 } from "@noble/hashes/sha2.js"
import { hex } from "@scure/base"
import { Schema } from "effect"
import { reservedWeight } from "../src/coinbase-constraints.ts"
import { BlockSpace } from "../src/provider/templates/block-space.ts"
import { NodeTemplate } from "../src/provider/templates/node-template.ts"
import { type CoinbaseConstraints } from "../src/index.ts"
import { SUBSIDY, templateOf } from "./templates.ts"

const constraints = (size = 0, sigops = 0): CoinbaseConstraints => ({
  coinbaseOutputMaxAdditionalSize: size,
  coinbaseOutputMaxAdditionalSigops: sigops
})

const transaction = (
  index: number,
  { depends = [], fee = 1_000, sigops = 4, weight = 1_000 }: Partial<TemplateTransaction>
): TemplateTransaction => {
  const id = hex.encode(sha256(new Uint8Array([index & 255, index >> 8])))
  return { data: "00", txid: id, hash: id, depends, fee, sigops, weight }
}

const transactionsOf = (parts: ReadonlyArray<Partial<TemplateTransaction>>) =>
  parts.map((part, index) => transaction(index, part))

/** A space in which so many weight units are left for transactions beside a coinbase without outputs. */
const spaceFor = (transactions: ReadonlyArray<TemplateTransaction>, weight: number, sigops = 80_000) =>
  new BlockSpace(transactions, { weight: weight + reservedWeight(constraints()), sigops })

const kept = (transactions: ReadonlyArray<TemplateTransaction>, space: BlockSpace, of = constraints()) =>
  space.after(space.stepsBeside(of), transactions)

const positionsKept = (transactions: ReadonlyArray<TemplateTransaction>, space: BlockSpace) =>
  kept(transactions, space).map((each) => transactions.indexOf(each) + 1)

describe("transactions that do not fit beside a coinbase", () => {
  it("are not left out as long as there is room", () => {
    const transactions = transactionsOf([{}, {}, {}])
    const space = spaceFor(transactions, 3_000)
    assert.strictEqual(space.stepsBeside(constraints()), 0)
    assert.strictEqual(kept(transactions, space), transactions)
  })

  it("are left out from the end", () => {
    const transactions = transactionsOf([{}, {}, {}])
    assert.deepStrictEqual(positionsKept(transactions, spaceFor(transactions, 2_999)), [1, 2])
    assert.deepStrictEqual(positionsKept(transactions, spaceFor(transactions, 0)), [])
  })

  it("take along a parent that only its child pays for", () => {
    const transactions = transactionsOf([{ fee: 900 }, { fee: 10 }, { fee: 1_500, depends: [2] }])
    assert.deepStrictEqual(positionsKept(transactions, spaceFor(transactions, 2_000)), [1])
  })

  it("take along grandparents in the same way", () => {
    const transactions = transactionsOf([{}, { fee: 10 }, { fee: 20, depends: [2] }, { fee: 9_000, depends: [3] }])
    assert.deepStrictEqual(positionsKept(transactions, spaceFor(transactions, 3_999)), [1])
  })

  it("never take along the parent of a transaction that stays", () => {
    const transactions = transactionsOf([{ fee: 10 }, { fee: 3_000, depends: [1] }, { fee: 1_500, depends: [1] }])
    assert.deepStrictEqual(positionsKept(transactions, spaceFor(transactions, 2_000)), [1, 2])
  })

  it("do not take along a parent that pays for itself", () => {
    const transactions = transactionsOf([{ fee: 5_000 }, {}, { fee: 1_000, depends: [1] }])
    assert.deepStrictEqual(positionsKept(transactions, spaceFor(transactions, 2_000)), [1, 2])
  })

  it("are found for signature operations too", () => {
    const transactions = transactionsOf([{ sigops: 40_000 }, { sigops: 39_600 }, { sigops: 400 }])
    const space = spaceFor(transactions, 100_000)
    assert.strictEqual(kept(transactions, space, constraints(0, 0)).length, 3)
    assert.strictEqual(kept(transactions, space, constraints(0, 1)).length, 2)
    assert.strictEqual(kept(transactions, space, constraints(0, 400)).length, 2)
    assert.strictEqual(kept(transactions, space, constraints(0, 401)).length, 1)
    assert.strictEqual(kept(transactions, space, constraints(0, 80_000)).length, 0)
  })

  it("are not looked for if a transaction stands before its parent: that is an error", () => {
    assert.throws(() => spaceFor(transactionsOf([{ depends: [2] }, {}]), 0), /transaction 1 .* spends from number 2/)
    assert.throws(() => spaceFor(transactionsOf([{ depends: [1] }]), 0), TypeError)
  })
})

/** Up to forty transactions; a parent is so many places before its child. */
const Parts = Schema.Array(
  Schema.Struct({
    weight: Schema.Int.check(Schema.isBetween({ minimum: 200, maximum: 5_000 })),
    fee: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20_000 })),
    sigops: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 })),
    parents: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 }))).check(Schema.isMaxLength(3))
  })
).check(Schema.isMaxLength(40))

const Room = Schema.Struct({
  weight: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60_000 })),
  sigops: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2_000 }))
})

const built = (parts: typeof Parts.Type) =>
  transactionsOf(
    parts.map(({ fee, parents, sigops, weight }, index) => ({
      fee,
      sigops,
      weight,
      depends: [...new Set(parents.map((back) => index + 1 - back))].filter((position) => position >= 1)
    }))
  )

describe("for any transactions and any room", () => {
  it.prop(
    "the transactions that stay fit, keep their order, and have their parents",
    [Parts, Room],
    ([parts, room]) => {
      const transactions = built(parts)
      const space = spaceFor(transactions, room.weight, room.sigops)
      const steps = space.stepsBeside(constraints())
      const staying = space.after(steps, transactions)
      const sum = (of: ReadonlyArray<TemplateTransaction>, key: "weight" | "sigops" | "fee") =>
        of.reduce((total, each) => total + each[key], 0)
      assert.isAtMost(sum(staying, "weight"), room.weight)
      assert.isAtMost(sum(staying, "sigops"), room.sigops)
      assert.deepStrictEqual(
        staying,
        transactions.filter((each) => staying.includes(each))
      )
      for (const { depends } of staying) {
        for (const position of depends) assert.include(staying, transactions[position - 1])
      }
      assert.strictEqual(space.feesLeftOut(steps), sum(transactions, "fee") - sum(staying, "fee"))
      if (steps > 0) {
        const before = space.after(steps - 1, transactions)
        assert.isTrue(sum(before, "weight") > room.weight || sum(before, "sigops") > room.sigops, "no step too many")
      }
    }
  )

  it.prop("the first client to ask makes no difference to the others", [Parts, Room, Room], ([parts, a, b]) => {
    const transactions = built(parts)
    const limits = { weight: 100_000, sigops: 5_000 }
    const of = (room: typeof Room.Type) => constraints(Math.floor((100_000 - room.weight) / 4), 5_000 - room.sigops)
    const [together, alone] = [new BlockSpace(transactions, limits), new BlockSpace(transactions, limits)]
    together.stepsBeside(of(a))
    assert.deepStrictEqual(kept(transactions, together, of(b)), kept(transactions, alone, of(b)))
  })

  it.prop("value, merkle path and commitment are those of the transactions that stay", [Parts], ([parts]) => {
    const transactions = built(parts)
    const node = new NodeTemplate({ ...templateOf(transactions), weightlimit: 30_000 }, 0)
    const steps = node.space.stepsBeside(constraints())
    const work = node.work(steps)
    // Positions are those of the whole template.
    const alone = work.transactions.map((transaction) => ({ ...transaction, depends: [] }))
    const expected = new NodeTemplate(templateOf(alone), 0).work(0)
    assert.strictEqual(work.value, BigInt(SUBSIDY + work.transactions.reduce((sum, { fee }) => sum + fee, 0)))
    assert.deepStrictEqual(work.merklePath, expected.merklePath)
    assert.deepStrictEqual(work.outputs, expected.outputs)
    const coinbase = new Uint8Array(32).fill(1)
    const leaves = [coinbase, ...work.transactions.map(({ txid }) => hex.decode(txid).toReversed())]
    assert.deepStrictEqual(merkleRootFromPath(coinbase, work.merklePath), referenceRoot(leaves))
  })
})

/** The merkle root as one writes it on a page. */
const referenceRoot = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (hashes.length === 1) return hashes[0]!
  const parents: Array<Uint8Array> = []
  for (let index = 0; index < hashes.length; index += 2) {
    const pair = Buffer.concat([hashes[index]!, hashes[index + 1] ?? hashes[index]!])
    parents.push(sha256(sha256(new Uint8Array(pair))))
  }
  return referenceRoot(parents)
}
