import { assert, describe, it } from "@effect/vitest"
import { sha256 } from "@noble/hashes/sha2.js"
import { hex } from "@scure/base"
import { OutScript } from "@scure/btc-signer"
import { Result, Schema } from "effect"
import {
  coinbaseMerklePath,
  coinbaseMerklePathFromDisplay,
  coinbaseTxid,
  hashToDisplay,
  isWitnessCommitment,
  merkleRoot,
  merkleRootFromPath,
  witnessCommitment,
  witnessCommitmentFromDisplay,
  witnessCommitmentOutput
} from "../src/index.ts"
import vectors from "./vectors/interop.json" with { type: "json" }

const sha256d = (...bytes: ReadonlyArray<Uint8Array>) => sha256(sha256(new Uint8Array(Buffer.concat(bytes))))

/** The merkle root as one writes it on a page, over another library's hash. */
const referenceRoot = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (hashes.length === 1) return hashes[0]!
  const parents: Array<Uint8Array> = []
  for (let index = 0; index < hashes.length; index += 2) {
    parents.push(sha256d(hashes[index]!, hashes[index + 1] ?? hashes[index]!))
  }
  return referenceRoot(parents)
}

const hashes = (count: number) =>
  Array.from({ length: count }, (_, index) => sha256(new Uint8Array([index, index >> 8])))

describe("merkle path", () => {
  it("folds a miner's coinbase to the known root", () => {
    const { coinbase, path, root } = vectors.merkle
    const txid = Result.getOrThrow(coinbaseTxid(hex.decode(coinbase)))
    assert.strictEqual(hex.encode(merkleRootFromPath(txid, path.map(hex.decode))), root)
  })

  it("gives the reference's root for every number of transactions up to 70", () => {
    const all = hashes(70)
    for (let count = 1; count <= all.length; count++) {
      const block = all.slice(0, count)
      const root = referenceRoot(block)
      assert.deepStrictEqual(merkleRoot(block), root, `${count} transactions`)
      assert.deepStrictEqual(merkleRootFromPath(block[0]!, coinbaseMerklePath(block.slice(1))), root)
    }
  })

  it("is empty without transactions, and then the coinbase's txid is the root", () => {
    assert.deepStrictEqual(coinbaseMerklePath([]), [])
    assert.deepStrictEqual(merkleRoot(hashes(1)), hashes(1)[0])
  })

  it.prop("does not depend on the coinbase", [Schema.Uint8Array], ([bytes]) => {
    const [, ...others] = hashes(9)
    const coinbase = sha256(bytes)
    assert.deepStrictEqual(
      merkleRootFromPath(coinbase, coinbaseMerklePath(others)),
      referenceRoot([coinbase, ...others])
    )
  })
})

describe("witness commitment", () => {
  it("is the hash of the witness root, the coinbase counted as zero, and 32 zero bytes", () => {
    const zero = new Uint8Array(32)
    for (const count of [0, 1, 2, 7]) {
      const wtxids = hashes(count)
      assert.deepStrictEqual(witnessCommitment(wtxids), sha256d(referenceRoot([zero, ...wtxids]), zero))
    }
  })

  it("of a block without other transactions is the output that every empty template has", () => {
    const { script, value } = witnessCommitmentOutput(witnessCommitment([]))
    assert.strictEqual(value, 0n)
    assert.strictEqual(hex.encode(script), vectors.jobs.templateOutputs.slice(18))
    assert.isTrue(isWitnessCommitment(script))
    assert.strictEqual(OutScript.decode(script).type, "unknown")
  })

  it("is distinguished from other outputs", () => {
    const { script } = witnessCommitmentOutput(witnessCommitment([]))
    assert.isFalse(isWitnessCommitment(script.subarray(0, 37)))
    assert.isFalse(isWitnessCommitment(hex.decode(vectors.jobs.rewardScript)))
  })
})

describe("the merkle path from display order", () => {
  it("is the same, and hex that is no hash is refused", () => {
    for (let count = 0; count < 40; count++) {
      const txids = Array.from({ length: count }, (_, index) =>
        new Uint8Array(32).map((_, at) => (index * 37 + at) & 255)
      )
      assert.deepStrictEqual(coinbaseMerklePathFromDisplay(txids.map(hashToDisplay)), coinbaseMerklePath(txids))
    }
    // The last one's lower eight bits are those of an a.
    for (const wrong of ["", "0".repeat(63), `${"0".repeat(63)}g`, "0".repeat(66), `${"0".repeat(63)}\u0161`]) {
      assert.throws(() => coinbaseMerklePathFromDisplay(["00".repeat(32), wrong]), TypeError, wrong)
    }
    const oneTooShort = ["0".repeat(63), "0".repeat(65)]
    assert.throws(() => coinbaseMerklePathFromDisplay(oneTooShort), TypeError, "63 characters")
  })

  it("makes the same witness commitment", () => {
    const wtxids = hashes(33)
    assert.deepStrictEqual(witnessCommitmentFromDisplay(wtxids.map(hashToDisplay)), witnessCommitment(wtxids))
  })
})
