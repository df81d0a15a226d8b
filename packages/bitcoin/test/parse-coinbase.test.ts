import { assert, describe, it } from "@effect/vitest"
import { hex } from "@scure/base"
import { Result, Schema } from "effect"
import {
  addWitness,
  checkJobCoinbase,
  type CoinbaseHalves,
  coinbasePrefix,
  isCoinbase,
  MAX_MONEY,
  parseCountedOutputs,
  parseJobCoinbase,
  parseOutputs,
  parseTemplateCoinbase,
  parseTransaction,
  serializeCountedOutputs,
  serializeOutputs,
  splitCoinbase,
  type TemplateCoinbaseFields,
  witnessCommitmentOutput
} from "../src/index.ts"

const commitment = witnessCommitmentOutput(new Uint8Array(32).fill(7))
const key = { value: 5_000n, script: hex.decode("0014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc") }
const concat = (...bytes: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(bytes))

const template = (changes: Partial<TemplateCoinbaseFields> = {}): TemplateCoinbaseFields => ({
  coinbasePrefix: coinbasePrefix(840_000),
  coinbaseTxInputSequence: 0xfffffffe,
  coinbaseTxValueRemaining: 312_500_000n,
  coinbaseTxOutputsCount: 2,
  coinbaseTxOutputs: serializeOutputs([key, commitment]),
  coinbaseTxLocktime: 839_999,
  merklePath: Array.from({ length: 15 }, () => new Uint8Array(32)),
  ...changes
})

const hashes = (length: number) => Array.from({ length }, () => new Uint8Array(32))

describe("the coinbase parts of a template", () => {
  it("have a height and outputs", () => {
    const parsed = Result.getOrThrow(parseTemplateCoinbase(template()))
    assert.deepStrictEqual(parsed, { height: 840_000, outputs: [key, commitment] })
  })

  it.each<readonly [what: string, changes: Partial<TemplateCoinbaseFields>]>([
    ["the height and OP_0 of the first blocks", { coinbasePrefix: coinbasePrefix(2), coinbaseTxLocktime: 1 }],
    ["more bytes behind the height, 8 in all", { coinbasePrefix: concat(coinbasePrefix(840_000), new Uint8Array(4)) }],
    ["no outputs", { coinbaseTxOutputs: new Uint8Array(0), coinbaseTxOutputsCount: 0 }],
    ["a lock time ahead beside a final sequence", { coinbaseTxInputSequence: 0xffffffff, coinbaseTxLocktime: 840_001 }],
    ["a lock time by the clock", { coinbaseTxLocktime: 1_700_000_000 }],
    ["all bitcoins that there will be", { coinbaseTxValueRemaining: MAX_MONEY - 5_000n }]
  ])("may be %s", (_, changes) => {
    assert.isTrue(Result.isSuccess(parseTemplateCoinbase(template(changes))))
  })

  it.each<readonly [what: string, changes: Partial<TemplateCoinbaseFields>, message: RegExp]>([
    [
      "three outputs counted and two there",
      { coinbaseTxOutputsCount: 3 },
      /3 outputs: .*byte 78: an output's value has 8 bytes/
    ],
    [
      "one output counted and two there",
      { coinbaseTxOutputsCount: 1 },
      /one output that is counted ends here, and 47 more/
    ],
    [
      "far more outputs counted than there are",
      { coinbaseTxOutputsCount: 0xffffffff },
      /38654705655 bytes or more; there are 78/
    ],
    [
      "a CompactSize in front of its outputs",
      { coinbaseTxOutputs: concat(Uint8Array.of(2), serializeOutputs([key, commitment])) },
      /value is at most 2100000000000000|has \d+ bytes, of which/
    ],
    [
      "a byte behind its outputs",
      { coinbaseTxOutputs: concat(template().coinbaseTxOutputs, Uint8Array.of(0)) },
      /1 more bytes follow/
    ],
    [
      "an output's length that is not in its shortest form",
      { coinbaseTxOutputsCount: 1, coinbaseTxOutputs: hex.decode("0000000000000000fd0100aa") },
      /not in its shortest form/
    ],
    [
      "an output above 21 million bitcoins",
      { coinbaseTxOutputsCount: 1, coinbaseTxOutputs: serializeOutputs([{ ...key, value: MAX_MONEY + 1n }]) },
      /an output's value is at most 2100000000000000; got 2100000000000001/
    ],
    [
      "more value than there will ever be",
      { coinbaseTxValueRemaining: MAX_MONEY - 4_999n },
      /together; they are 2100000000000001/
    ],
    ["no height", { coinbasePrefix: new Uint8Array(0) }, /BIP34\); it is empty/],
    ["a height that is cut off", { coinbasePrefix: hex.decode("03a086") }, /BIP34\); it is 03a086/],
    ["a height that is not in its shortest form", { coinbasePrefix: hex.decode("0340d10c00").with(0, 4) }, /BIP34/],
    ["a negative height", { coinbasePrefix: hex.decode("03000080") }, /BIP34/],
    ["height 0", { coinbasePrefix: Uint8Array.of(0) }, /BIP34/],
    [
      "a prefix of 9 bytes",
      { coinbasePrefix: concat(coinbasePrefix(840_000), new Uint8Array(5)) },
      /at most 8 bytes .* has 9/
    ],
    ["a lock time that is not reached", { coinbaseTxLocktime: 840_000 }, /below the height 840000, .* it is 840000/],
    ["a path of more transactions than fit a block", { merklePath: hashes(16) }, /at most 15 hashes.* has 16/]
  ])("is refused with %s", (_, changes, message) => {
    const parsed = parseTemplateCoinbase(template(changes))
    assert.isTrue(Result.isFailure(parsed))
    if (Result.isFailure(parsed)) assert.match(parsed.failure.message, message)
  })

  it.prop("reads back the outputs that were written", [Schema.Array(Schema.Uint8Array)], ([scripts]) => {
    const outputs = scripts.map((script, index) => ({ value: BigInt(index), script: Uint8Array.from(script) }))
    assert.deepStrictEqual(Result.getOrThrow(parseOutputs(serializeOutputs(outputs), outputs.length)), outputs)
  })
})

describe("outputs behind their count", () => {
  it.prop("are read back as they were written", [Schema.NonEmptyArray(Schema.Uint8Array)], ([scripts]) => {
    const outputs = scripts.map((script, index) => ({ value: BigInt(index), script: Uint8Array.from(script) }))
    assert.deepStrictEqual(Result.getOrThrow(parseCountedOutputs(serializeCountedOutputs(outputs))), outputs)
  })

  it.each([
    ["nothing", new Uint8Array(0), /the output count/],
    ["a count of 0", Uint8Array.of(0), /the count is 0/],
    [
      "a count that is not in its shortest form",
      concat(hex.decode("fd0100"), serializeOutputs([key])),
      /shortest form/
    ],
    ["fewer outputs than are counted", concat(Uint8Array.of(2), serializeOutputs([key])), /./],
    ["bytes behind the outputs", concat(serializeCountedOutputs([key]), Uint8Array.of(0)), /more bytes follow/],
    ["more money than there is", serializeCountedOutputs([key, { ...key, value: MAX_MONEY }]), /satoshis together/]
  ])("are refused with %s", (_, bytes, message) => {
    const parsed = parseCountedOutputs(bytes)
    assert.isTrue(Result.isFailure(parsed))
    if (Result.isFailure(parsed)) assert.match(parsed.failure.message, message)
  })
})

describe("a job's coinbase", () => {
  const halves = (extranonceSize = 12): CoinbaseHalves => ({
    extranonceSize,
    ...Result.getOrThrow(
      splitCoinbase({
        version: 2,
        prefix: coinbasePrefix(840_000),
        tags: new Uint8Array(10).fill(0x61),
        extranonceSize,
        sequence: 0xfffffffe,
        outputs: [key],
        templateOutputs: serializeOutputs([commitment]),
        templateOutputsCount: 1,
        lockTime: 839_999
      })
    )
  })

  it("is a transaction whose outputs are known, with BIP141's fields or without", () => {
    const stripped = halves()
    const whole = addWitness(concat(stripped.prefix, new Uint8Array(12), stripped.suffix))
    const cut = stripped.prefix.length + 2
    const { extranonceSize } = stripped
    for (const one of [stripped, { prefix: whole.slice(0, cut), extranonceSize, suffix: whole.slice(cut + 12) }]) {
      const transaction = Result.getOrThrow(parseJobCoinbase(one))
      assert.isTrue(isCoinbase(transaction))
      assert.deepStrictEqual(transaction.outputs, [key, commitment])
    }
  })

  it("says which rule it breaks, and how it begins", () => {
    const { extranonceSize, prefix, suffix } = halves()
    const broken = { prefix: prefix.with(4, 2), extranonceSize, suffix }
    assert.match(checkJobCoinbase(broken)!.message, /has one input, .*; got \d+ bytes that begin 0200000002/)
    assert.isTrue(Result.isFailure(parseJobCoinbase(broken)))
    assert.match(checkJobCoinbase({ prefix, extranonceSize, suffix: concat(suffix, suffix) })!.message, /bytes follow/)
    assert.isUndefined(checkJobCoinbase({ prefix, extranonceSize, suffix }))
  })

  it("is accepted only if the parser of transactions reads it as a coinbase, whichever byte is changed", () => {
    const { extranonceSize, prefix, suffix } = halves()
    const isTransaction = (bytes: Uint8Array): boolean => {
      try {
        const parsed = parseTransaction(bytes)
        const { script } = parsed.inputs[0] ?? { script: new Uint8Array(0) }
        const sum = parsed.outputs.reduce((sum, { value }) => sum + value, 0n)
        return (
          isCoinbase(parsed) &&
          script.length >= 2 &&
          script.length <= 100 &&
          parsed.outputs.length > 0 &&
          sum <= MAX_MONEY
        )
      } catch {
        return false
      }
    }
    let taken = 0
    for (let at = 0; at < prefix.length + suffix.length; at++) {
      for (const value of [0, 1, 2, 0x2a, 0x64, 0xfd, 0xfe, 0xff]) {
        const changed = concat(prefix, suffix).with(at, value)
        const one = { prefix: changed.slice(0, prefix.length), extranonceSize, suffix: changed.slice(prefix.length) }
        const whole = concat(one.prefix, new Uint8Array(extranonceSize), one.suffix)
        const isTaken = checkJobCoinbase(one) === undefined
        if (isTaken) taken++
        assert.strictEqual(isTaken, isTransaction(whole), `byte ${at} is ${value}`)
      }
    }
    assert.isAbove(taken, 500)
  })
})
