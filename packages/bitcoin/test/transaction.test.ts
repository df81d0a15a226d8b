import { assert, describe, it } from "@effect/vitest"
import { Transaction as LibraryTransaction } from "@scure/btc-signer"
import { Schema } from "effect"
import { BlockDecodeError, hashToDisplay, parseBlock, parseTransaction } from "../src/index.ts"
import { legacySigopsCost } from "../src/index.ts"
import { buildTransaction, display, sha256 } from "@sluice/testing/blocks"

const Small = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 }))
const U32 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff }))
const Script = Schema.Uint8Array.check(Schema.isMaxLength(300))
const Shape = Schema.Struct({
  version: Schema.Int.check(Schema.isBetween({ minimum: -0x80000000, maximum: 0x7fffffff })),
  inputs: Schema.NonEmptyArray(Schema.Struct({ index: U32, script: Script, sequence: U32 })).check(
    Schema.isMaxLength(5)
  ),
  outputs: Schema.Array(Schema.Struct({ value: Small, script: Script })).check(Schema.isMaxLength(5)),
  stack: Schema.Array(Script).check(Schema.isMaxLength(4)),
  lockTime: U32
})

const build = ({ inputs, lockTime, outputs, stack, version }: typeof Shape.Type) =>
  buildTransaction({
    version,
    inputs: inputs.map((input, at) => ({ ...input, txid: sha256(new Uint8Array([at])) })),
    outputs: outputs.map(({ script, value }) => ({ script, value: BigInt(value) })),
    ...(stack.length === 0 ? {} : { witnesses: inputs.map(() => stack) }),
    lockTime
  })

/** The error of a reader that must refuse; anything else that it does fails the test. */
const refusal = (read: () => unknown): BlockDecodeError => {
  try {
    read()
  } catch (error) {
    if (error instanceof BlockDecodeError) return error
    throw error
  }
  throw new Error("was read")
}

describe("reading transactions", () => {
  it.prop("finds the ids, the weight and the fields that a library wrote", { shape: Shape }, ({ shape }) => {
    const built = build(shape)
    const parsed = parseTransaction(built.bytes)
    const library = LibraryTransaction.fromRaw(built.bytes, {
      allowUnknownInputs: true,
      allowUnknownOutputs: true,
      allowUnknownVersion: true,
      disableScriptCheck: true
    })
    assert.strictEqual(hashToDisplay(parsed.txid), display(built.txid))
    assert.strictEqual(hashToDisplay(parsed.wtxid), display(built.wtxid))
    assert.strictEqual(hashToDisplay(parsed.txid), library.id)
    assert.strictEqual(parsed.weight, built.weight)
    assert.strictEqual(parsed.version, shape.version)
    assert.strictEqual(parsed.lockTime, shape.lockTime)
    assert.deepStrictEqual(
      parsed.inputs.map(({ previousIndex, script, sequence }) => ({ index: previousIndex, script, sequence })),
      shape.inputs.map(({ index, script, sequence }) => ({ index, script, sequence }))
    )
    assert.deepStrictEqual(
      parsed.outputs.map(({ script, value }) => ({ value: Number(value), script })),
      shape.outputs.map(({ script, value }) => ({ value, script }))
    )
    assert.deepStrictEqual(parsed.witnesses[0] ?? [], shape.stack)
  })

  it.prop(
    "refuses every beginning of a transaction, and one with a byte behind it",
    { shape: Shape },
    ({ shape }) => {
      const { bytes } = build(shape)
      for (let length = 0; length < bytes.length; length++) {
        const error = refusal(() => parseTransaction(bytes.subarray(0, length)))
        assert.isAtMost(error.at, length)
      }
      assert.include(refusal(() => parseTransaction(new Uint8Array([...bytes, 0]))).message, "1 more bytes follow")
    },
    { arbitrary: { runs: 20 } }
  )

  it.prop("reads arbitrary bytes, or refuses them in the one way that there is", [Schema.Uint8Array], ([bytes]) => {
    for (const read of [parseTransaction, parseBlock]) {
      try {
        read(bytes)
      } catch (error) {
        if (!(error instanceof BlockDecodeError)) throw error
      }
    }
  })

  it.prop(
    "reads a transaction with changed bytes, or refuses it in the one way that there is",
    { shape: Shape, changes: Schema.Array(Schema.Tuple([U32, Small])).check(Schema.isMaxLength(4)) },
    ({ changes, shape }) => {
      const bytes = build(shape).bytes.slice()
      for (const [position, byte] of changes) bytes[position % bytes.length] = byte
      try {
        assert.strictEqual(parseTransaction(bytes).bytes.length, bytes.length)
      } catch (error) {
        if (!(error instanceof BlockDecodeError)) throw error
      }
    }
  )

  const head = "02000000"
  const input = `${"ab".repeat(32)}0000000000ffffffff`
  const output = "010000000000000000"
  it.each([
    ["a flag that BIP144 does not know", `${head}0002`, 5, "flag"],
    ["no inputs", `${head}0000`, 5, "flag"],
    ["no inputs behind the marker", `${head}000100`, 6, "has inputs"],
    ["witnesses that are all empty", `${head}000101${input}01${output}0000000000`, 59, "all empty"],
    ["a count that is not in its shortest form", `${head}fd0100`, 4, "shortest form"],
    ["a count of four bytes that is not in its shortest form", `${head}feffff0000`, 4, "shortest form"],
    ["a count beyond what the network allows", `${head}fe01000002`, 4, "at most 33554432"],
    ["a count of eight bytes", `${head}ff0000000001000000`, 4, "at most 33554432"],
    ["more inputs than bytes", `${head}fe00000002${input}`, 50, "32 bytes, of which 0 are there"],
    ["a script longer than the bytes", `${head}01${"00".repeat(36)}fdffff00`, 44, "65535 bytes, of which 1 are there"]
  ])("refuses %s", (_, bytes, at, words) => {
    const error = refusal(() => parseTransaction(Buffer.from(bytes, "hex")))
    assert.include(error.message, words)
    assert.strictEqual(error.at, at)
  })
})

describe("reading blocks", () => {
  it("reads the first block of Bitcoin", () => {
    const block = parseBlock(
      Buffer.from(
        "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc8" +
          "1bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c01010000000100000000000000000000000000000000000000000000" +
          "00000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f" +
          "72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104" +
          "678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b" +
          "8d578a4c702b6bf11d5fac00000000",
        "hex"
      )
    )
    assert.strictEqual(hashToDisplay(block.hash), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")
    const [coinbase] = block.transactions
    assert.strictEqual(
      hashToDisplay(coinbase!.txid),
      "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
    )
    assert.strictEqual(block.weight, 4 * 285)
    assert.strictEqual(block.header.nonce, 2083236893)
    assert.strictEqual(legacySigopsCost(coinbase!), 4)
  })

  it("refuses a count of transactions that are not there without making room for them", () => {
    const error = refusal(() => parseBlock(Buffer.concat([new Uint8Array(80), Buffer.from("fe00000002", "hex")])))
    assert.strictEqual(error.at, 85)
  })
})

describe("signature operations", () => {
  const cost = (script: string): number =>
    legacySigopsCost(
      parseTransaction(
        buildTransaction({
          inputs: [{ txid: new Uint8Array(32), index: 0 }],
          outputs: [{ value: 0n, script: Buffer.from(script, "hex") }]
        }).bytes
      )
    )

  it.each([
    ["76a914" + "00".repeat(20) + "88ac", 4, "pay to public key hash"],
    ["5121" + "02".repeat(33) + "51ae", 80, "a multisignature counts for 20"],
    ["acadaeaf", 4 * 42, "all four operations"],
    ["02acac", 0, "operations in pushed data are data"],
    ["4c02acacac", 4, "behind PUSHDATA1"],
    ["4d0200acacac", 4, "behind PUSHDATA2"],
    ["4e02000000acacac", 4, "behind PUSHDATA4"],
    ["ac05ac", 4, "until a push that runs out of the script"],
    ["ac4d", 4, "until a length that is cut off"],
    ["ac4effffffffac", 4, "until a push of four gigabytes"]
  ])("of %s cost %i: %s", (script, expected) => {
    assert.strictEqual(cost(script), expected)
  })
})
