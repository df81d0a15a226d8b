import { assert, describe, it } from "@effect/vitest"
import { hex } from "@scure/base"
import { RawTx, Script, ScriptNum, Transaction } from "@scure/btc-signer"
import { Result, Schema } from "effect"
import {
  addWitness,
  type CoinbaseError,
  coinbasePrefix,
  coinbaseTags,
  coinbaseTxid,
  heightPush,
  serializeOutputs,
  splitCoinbase,
  stripWitness
} from "../src/index.ts"
import vectors from "./vectors/interop.json" with { type: "json" }

const reward = { value: 5_000_000_000n, script: hex.decode(vectors.jobs.rewardScript) }

const parts = {
  version: 2,
  prefix: hex.decode("5200"),
  tags: coinbaseTags(vectors.jobs.pool, ""),
  extranonceSize: 32,
  sequence: 0xffffffff,
  outputs: [reward],
  templateOutputs: hex.decode(vectors.jobs.templateOutputs),
  templateOutputsCount: 1,
  lockTime: 0
}

const concat = (...bytes: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(bytes))

describe("splitCoinbase", () => {
  it("lays out a job as other implementations do", () => {
    const split = Result.getOrThrow(splitCoinbase(parts))
    assert.strictEqual(hex.encode(split.prefix), vectors.jobs.job.prefix)
    assert.strictEqual(hex.encode(split.suffix), vectors.jobs.job.suffix)
  })

  it("names the miner in a custom job's tag, with a push of more than 75 bytes in all", () => {
    const split = Result.getOrThrow(
      splitCoinbase({ ...parts, tags: coinbaseTags(vectors.jobs.pool, vectors.jobs.miner) })
    )
    assert.strictEqual(hex.encode(split.prefix), vectors.jobs.customJob.prefix)
    assert.strictEqual(hex.encode(split.suffix), vectors.jobs.customJob.suffix)
  })

  it("gives the txids of whole shares", () => {
    for (const share of vectors.shares) {
      const isStandard = share.name.startsWith("S")
      const split = Result.getOrThrow(
        splitCoinbase({
          ...parts,
          tags: coinbaseTags("", ""),
          ...(isStandard ? { prefix: hex.decode("029f0000"), sequence: 0xfffffffe, lockTime: 158 } : {})
        })
      )
      assert.strictEqual(hex.encode(split.prefix), share.prefix)
      assert.strictEqual(hex.encode(split.suffix), share.suffix)
      const coinbase = concat(split.prefix, hex.decode(share.extranonce), split.suffix)
      assert.strictEqual(hex.encode(Result.getOrThrow(coinbaseTxid(coinbase))), share.txid)
    }
  })

  it("pushes a tag of more than 75 bytes with OP_PUSHDATA1", () => {
    const tags = new Uint8Array(80).fill(0x61)
    const { prefix, suffix } = Result.getOrThrow(splitCoinbase({ ...parts, tags, extranonceSize: 8 }))
    const transaction = RawTx.decode(concat(prefix, new Uint8Array(8), suffix))
    const script = transaction.inputs[0]!.finalScriptSig
    assert.strictEqual(script.length, 2 + 2 + 80 + 1 + 8)
    assert.deepStrictEqual(Script.decode(script).slice(2), [tags, new Uint8Array(8)])
  })

  it("makes a coinbase that a library reads with these outputs", () => {
    const { prefix, suffix } = Result.getOrThrow(splitCoinbase(parts))
    const transaction = RawTx.decode(concat(prefix, new Uint8Array(32).fill(7), suffix))
    assert.deepStrictEqual(
      transaction.outputs.map(({ amount }) => amount),
      [5_000_000_000n, 0n]
    )
    assert.deepStrictEqual(transaction.outputs[0]!.script, reward.script)
    assert.strictEqual(transaction.inputs[0]!.index, 0xffffffff)
    assert.deepStrictEqual(transaction.inputs[0]!.txid, new Uint8Array(32))
  })

  it("refuses a script of more than 100 bytes and names the parts", () => {
    const tags = new Uint8Array(64)
    assert.strictEqual(Result.getOrThrow(splitCoinbase({ ...parts, tags })).prefix[41], 100)
    const error = failureOf(splitCoinbase({ ...parts, tags: new Uint8Array(65) }))
    assert.match(error.message, /2 to 100 bytes; height 2, tags 66 and extranonce 33 make 101/)
  })

  it("refuses a full extranonce of more than 32 bytes", () => {
    assert.match(failureOf(splitCoinbase({ ...parts, extranonceSize: 33 })).message, /at most 32 bytes.*got 33/)
    assert.match(failureOf(splitCoinbase({ ...parts, extranonceSize: 1.5 })).message, /at most 32 bytes/)
  })
})

describe("coinbasePrefix", () => {
  it("is an opcode and OP_0 up to height 16, and a pushed script number from 17 on", () => {
    const expected: Readonly<Record<number, string>> = {
      1: "5100",
      16: "6000",
      17: "0111",
      127: "017f",
      128: "028000",
      255: "02ff00",
      32767: "02ff7f",
      32768: "03008000",
      840000: "0340d10c",
      8388608: "0400008000"
    }
    for (const [height, prefix] of Object.entries(expected)) {
      assert.strictEqual(hex.encode(coinbasePrefix(Number(height))), prefix, `height ${height}`)
    }
  })

  it("refuses a number that is no height", () => {
    for (const height of [-1, 1.5, 2 ** 31, Number.NaN]) {
      assert.throws(() => coinbasePrefix(height), RangeError, /height/)
    }
  })

  it.prop(
    "pushes the height that a library reads back",
    [Schema.Int.check(Schema.isBetween({ minimum: 17, maximum: 0x7fffffff }))],
    ([height]) => {
      const [first] = Script.decode(heightPush(height))
      const number = typeof first === "number" ? BigInt(first) : ScriptNum(5).decode(first as Uint8Array)
      assert.strictEqual(number, BigInt(height))
    }
  )
})

describe("the two serializations", () => {
  const { stripping } = vectors

  it("strips marker, flag and witness of halves that have them", () => {
    const stripped = Result.getOrThrow(
      stripWitness(hex.decode(stripping.unstrippedPrefix), hex.decode(stripping.unstrippedSuffix))
    )
    assert.strictEqual(hex.encode(stripped.prefix), stripping.expectedPrefix)
    assert.strictEqual(hex.encode(stripped.suffix), stripping.expectedSuffix)
  })

  it("leaves stripped halves as they are", () => {
    const stripped = Result.getOrThrow(
      stripWitness(hex.decode(stripping.strippedPrefix), hex.decode(stripping.strippedSuffix))
    )
    assert.strictEqual(hex.encode(stripped.prefix), stripping.strippedPrefix)
    assert.strictEqual(hex.encode(stripped.suffix), stripping.strippedSuffix)
  })

  it("refuses halves with a marker and no witness of one 32-byte item", () => {
    const prefix = hex.decode(stripping.unstrippedPrefix)
    for (const suffix of [new Uint8Array(0), new Uint8Array(37), hex.decode(stripping.strippedSuffix)]) {
      assert.match(failureOf(stripWitness(prefix, suffix)).message, /one 32-byte item/)
    }
  })

  it("puts the witness in so that a library finds the same txid", () => {
    const stripped = concat(
      hex.decode(stripping.strippedPrefix),
      new Uint8Array(32).fill(9),
      hex.decode(stripping.strippedSuffix)
    )
    const whole = addWitness(stripped)
    const transaction = Transaction.fromRaw(whole, {
      allowUnknownInputs: true,
      allowUnknownOutputs: true,
      disableScriptCheck: true
    })
    assert.strictEqual(transaction.id, hex.encode(Result.getOrThrow(coinbaseTxid(whole)).toReversed()))
    assert.deepStrictEqual(RawTx.decode(whole).witnesses, [[new Uint8Array(32)]])
    assert.deepStrictEqual(Result.getOrThrow(coinbaseTxid(whole)), Result.getOrThrow(coinbaseTxid(stripped)))
    assert.deepStrictEqual(addWitness(whole), whole)
  })

  it("reads a V1 pool's coinbase", () => {
    const coinbase = hex.decode(vectors.v1Coinbase.join(""))
    const transaction = Transaction.fromRaw(coinbase, { allowUnknownInputs: true, allowUnknownOutputs: true })
    assert.strictEqual(transaction.id, hex.encode(Result.getOrThrow(coinbaseTxid(coinbase)).toReversed()))
  })

  it("writes amounts beyond 32 bits and scripts beyond 252 bytes", () => {
    const script = new Uint8Array(300).fill(0x6a)
    const bytes = serializeOutputs([{ value: 2_100_000_000_000_000n, script }])
    assert.strictEqual(hex.encode(bytes.subarray(0, 11)), "0040075af0750700fd2c01")
    assert.strictEqual(bytes.length, 311)
  })
})

const failureOf = (result: Result.Result<unknown, CoinbaseError>): CoinbaseError =>
  Result.getOrThrow(Result.flip(result))
