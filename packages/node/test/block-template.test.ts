import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { BlockTemplate, decodeBlockTemplate } from "../src/index.ts"

/** What the Schema says, and what the fast way says. */
const both = (value: unknown) => {
  const ways = [Schema.decodeUnknownSync(BlockTemplate), decodeBlockTemplate]
  return ways.map((decode) => Result.try({ try: () => decode(value), catch: String }))
}

describe("decodeBlockTemplate", () => {
  it.prop("reads what the Schema reads", [BlockTemplate], ([template]) => {
    const json: unknown = JSON.parse(JSON.stringify(template))
    const [slow, fast] = both(json)
    assert.isTrue(Result.isSuccess(fast!))
    assert.deepStrictEqual(fast, slow)
  })

  for (const [what, change] of Object.entries({
    "a long txid": { txid: "0".repeat(65) },
    "a short wtxid": { hash: "00" },
    "a fee that is no whole number": { fee: 1.5 },
    "a weight in quotes": { weight: "400" },
    "positions that are none": { depends: ["1"] },
    "no data": { data: undefined },
    "sigops beyond exact numbers": { sigops: 2 ** 60 }
  })) {
    it.prop(`refuses ${what} with the Schema's words`, [BlockTemplate], ([template]) => {
      const id = "00".repeat(32)
      const right = { data: "00", txid: id, hash: id, depends: [], fee: 1, sigops: 0, weight: 400 }
      const transactions = [...template.transactions, right, { ...right, ...change }]
      const [slow, fast] = both({ ...template, transactions })
      assert.isTrue(Result.isFailure(slow!))
      assert.deepStrictEqual(fast, slow)
    })
  }

  it("refuses what is no template at all", () => {
    for (const value of [undefined, null, 7, "x", [], {}, { transactions: 1 }, { transactions: [null] }]) {
      const [slow, fast] = both(value)
      assert.isTrue(Result.isFailure(slow!))
      assert.deepStrictEqual(fast, slow)
    }
  })
})
