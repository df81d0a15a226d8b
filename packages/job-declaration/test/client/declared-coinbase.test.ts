/** The coinbase of a declared job, against a transaction that @scure/btc-signer reads. */
import { RawTx } from "@scure/btc-signer"
import { coinbaseTags } from "@sluice/bitcoin"
import { COMMITMENT_OUTPUT, template } from "@sluice/testing/templates"
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import { coinbaseOf, declaredCoinbase, wholeHalves } from "../../src/index.ts"

const script = (fill: number): Uint8Array => Uint8Array.of(0, 20, ...new Uint8Array(20).fill(fill))
const parts = {
  template: template(1),
  poolOutputs: [
    { value: 0n, script: script(1) },
    { value: 0n, script: Uint8Array.of(0x6a, 1, 7) }
  ],
  ownOutputs: [{ value: 1_000n, script: script(3) }],
  tags: coinbaseTags("", "miner"),
  extranonceSize: 20
}

describe("the coinbase of a declared job", () => {
  it("gives the pool's first output what the miner's own outputs leave, in the order of the pool, the miner and the template", () => {
    const coinbase = Result.getOrThrow(declaredCoinbase(parts))
    const extranonce = new Uint8Array(20).fill(0xee)
    const bytes = coinbaseOf(coinbase, extranonce)
    const { inputs, outputs, witnesses } = RawTx.decode(bytes)
    assert.deepStrictEqual(
      outputs.map(({ amount, script }) => [amount, Buffer.from(script).toString("hex")]),
      [
        [4_999_999_000n, Buffer.from(script(1)).toString("hex")],
        [0n, "6a0107"],
        [1_000n, Buffer.from(script(3)).toString("hex")],
        [0n, Buffer.from(COMMITMENT_OUTPUT.subarray(9)).toString("hex")]
      ]
    )
    assert.deepStrictEqual(witnesses, [[new Uint8Array(32)]])
    // The extranonce ends the script: the pool puts it together from the bytes before.
    const script1 = inputs[0]!.finalScriptSig
    assert.deepStrictEqual(script1, Uint8Array.of(...coinbase.scriptPrefix, ...extranonce))
    assert.include(Buffer.from(script1).toString("latin1"), "Sv2//miner/")
    const { prefix, suffix } = wholeHalves(coinbase)
    assert.deepStrictEqual(Uint8Array.of(...prefix, ...extranonce, ...suffix), bytes)
    assert.deepStrictEqual(coinbase.outputs[0], 4)
  })

  it("has no witness where the template commits to none", () => {
    const plain = template(1, { coinbaseTxOutputs: new Uint8Array(0), coinbaseTxOutputsCount: 0 })
    const coinbase = Result.getOrThrow(declaredCoinbase({ ...parts, template: plain }))
    assert.deepStrictEqual(wholeHalves(coinbase), { prefix: coinbase.prefix, suffix: coinbase.suffix })
    assert.strictEqual(coinbaseOf(coinbase, new Uint8Array(20))[4], 1)
  })

  it.each([
    [
      "the miner's outputs take more than the reward",
      { ownOutputs: [{ value: 5_000_000_001n, script: script(3) }] },
      /leave -1/
    ],
    ["the tag is too long", { tags: new Uint8Array(80) }, /shorten the pool's or the miner's tag/],
    [
      "the outputs are too large",
      { poolOutputs: [{ value: 0n, script: new Uint8Array(65_400) }] },
      /SubmitSolution carries 65535 at most/
    ]
  ])("is not made if %s", (_, fields, message) => {
    const made = declaredCoinbase({ ...parts, ...fields })
    assert(Result.isFailure(made))
    assert.match(made.failure.message, message)
  })
})
