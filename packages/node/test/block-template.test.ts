import { assert, describe, it } from "@effect/vitest"
import { Option, Result, Schema } from "effect"
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
    "a fee below nothing": { fee: -1 },
    "a weight below nothing": { weight: -4 },
    "sigops below nothing": { sigops: -1 },
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

  for (const [what, change] of Object.entries({
    "a value below nothing": { coinbasevalue: -1 },
    "more value than there will ever be": { coinbasevalue: 2_100_000_000_000_001 },
    "the height of the first block": { height: 0 },
    "a height that a lock time cannot hold": { height: 500_000_000 },
    "a height beyond 31 bits": { height: 2_147_483_648 },
    "a clock beyond 32 bits": { curtime: 0x1_0000_0000 },
    "a least time before 1970": { mintime: -1 },
    "a version beyond 32 bits": { version: 0x1_0000_0000 },
    "a weight limit below nothing": { weightlimit: -1 },
    "a limit of sigops below nothing": { sigoplimit: -1 }
  })) {
    it.prop(`refuses ${what} and names the field`, [BlockTemplate], ([template]) => {
      const [slow, fast] = both({ ...template, ...change })
      assert.include(Result.getFailure(slow!).pipe(Option.getOrThrow), Object.keys(change)[0]!)
      assert.deepStrictEqual(fast, slow)
    })
  }

  it("refuses a value that is no template", () => {
    for (const value of [undefined, null, 7, "x", [], {}, { transactions: 1 }, { transactions: [null] }]) {
      const [slow, fast] = both(value)
      assert.isTrue(Result.isFailure(slow!))
      assert.deepStrictEqual(fast, slow)
    }
  })
})
