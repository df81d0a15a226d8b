import { assert, describe, it } from "@effect/vitest"
import { schnorr } from "@noble/curves/secp256k1.js"
import { NobleCurve } from "@sluice/noise"
import { elligatorSwift } from "@scure/btc-signer/p2p.js"
import { Schema } from "effect"
import { Hex } from "effect/encoding"
import { hex, readVectors } from "./vectors.ts"

const curve = new NobleCurve()

describe("NobleCurve", () => {
  it("verifies signatures as the vectors of BIP340 say", () => {
    const vectors = readVectors("bip340_test_vectors").filter((row) => row["message"]!.length === 64)
    assert.strictEqual(vectors.length, 15)
    for (const row of vectors) {
      const valid = curve.verify(hex(row["message"]!), 0, hex(row["signature"]!), 0, hex(row["public key"]!), 0)
      assert.strictEqual(valid, row["verification result"] === "TRUE", `vector ${row["index"]}`)
    }
  })

  it("reads its arguments at their offsets", () => {
    const row = readVectors("bip340_test_vectors")[1]!
    const bytes = hex(`00${row["message"]}0000${row["signature"]}000000${row["public key"]}00`)
    assert.isTrue(curve.verify(bytes, 1, bytes, 35, bytes, 102))
    assert.isFalse(curve.verify(bytes, 0, bytes, 35, bytes, 102))
  })

  it("signs as the vectors of BIP340 say, through the library that certificates are signed with", () => {
    const vectors = readVectors("bip340_test_vectors").filter((row) => row["secret key"] !== "")
    assert.isAbove(vectors.length, 3)
    for (const row of vectors) {
      const signature = schnorr.sign(hex(row["message"]!), hex(row["secret key"]!), hex(row["aux_rand"]!))
      assert.deepStrictEqual(signature, hex(row["signature"]!))
    }
  })

  it("decodes ElligatorSwift as the vectors of BIP324 say", () => {
    const vectors = readVectors("bip324_ellswift_decode_test_vectors")
    assert.isAbove(vectors.length, 70)
    const out = new Uint8Array(40)
    for (const row of vectors) {
      assert.isTrue(curve.xOnly(hex(`ff${row["ellswift"]}`), 1, out, 3))
      assert.strictEqual(Hex.encode(out.subarray(3, 35)), row["x"], row["comment"])
    }
  })

  it("encodes ElligatorSwift as the vectors of BIP324 say, case by case", () => {
    const vectors = readVectors("bip324_xswiftec_inv_test_vectors")
    assert.isAbove(vectors.length, 30)
    const out = new Uint8Array(32)
    for (const row of vectors) {
      for (let ellCase = 0; ellCase < 8; ellCase++) {
        const expected = row[`case${ellCase}_t`]!
        const t = elligatorSwift._inv(BigInt(`0x${row["x"]}`), BigInt(`0x${row["u"]}`), ellCase)
        assert.strictEqual(t === undefined ? "" : t.toString(16).padStart(64, "0"), expected, row["comment"])
        if (t === undefined) continue
        assert.isTrue(curve.xOnly(hex(`${row["u"]}${expected}`), 0, out, 0))
        assert.strictEqual(Hex.encode(out), row["x"])
      }
    }
  })

  it("agrees on secrets as the vectors of BIP324 say", () => {
    const vectors = readVectors("bip324_packet_encoding_test_vectors")
    assert.isAbove(vectors.length, 5)
    const out = new Uint8Array(36)
    for (const row of vectors) {
      const ours = hex(row["in_ellswift_ours"]!)
      const theirs = hex(`0000${row["in_ellswift_theirs"]}`)
      assert.isTrue(curve.ecdh(theirs, 2, ours, 0, hex(row["in_priv_ours"]!), row["in_initiating"] === "1", out, 4))
      assert.strictEqual(Hex.encode(out.subarray(4)), row["mid_shared_secret"])
      assert.isTrue(curve.xOnly(ours, 0, out, 0))
      assert.strictEqual(Hex.encode(out.subarray(0, 32)), row["mid_x_ours"])
      assert.isTrue(curve.xOnly(theirs, 2, out, 0))
      assert.strictEqual(Hex.encode(out.subarray(0, 32)), row["mid_x_theirs"])
    }
  })

  it("encodes a key in many ways, chosen by the entropy, all of which decode to the key", () => {
    const secret = hex("65995eb19631f478a46ffa5cf1e545091efe950eaeac7482ffdc06eb6a89f697")
    const seen = new Set<string>()
    const x = new Uint8Array(32)
    for (let i = 0; i < 40; i++) {
      const entropy = new Uint8Array(32).fill(i)
      const [one, again] = [new Uint8Array(64), new Uint8Array(70)]
      assert.isTrue(curve.createEllSwift(secret, entropy, one, 0))
      assert.isTrue(curve.createEllSwift(secret, entropy, again, 6))
      assert.deepStrictEqual(again.subarray(6), one)
      assert.isTrue(curve.xOnly(one, 0, x, 0))
      assert.deepStrictEqual(x, schnorr.getPublicKey(secret))
      seen.add(Hex.encode(one))
    }
    assert.strictEqual(seen.size, 40)
  })

  it("refuses secrets that are 0 or not below the order, without throwing", () => {
    const order = hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
    const out = new Uint8Array(64)
    const theirs = new Uint8Array(64).fill(7)
    for (const secret of [new Uint8Array(32), order, new Uint8Array(32).fill(0xff)]) {
      assert.isFalse(curve.createEllSwift(secret, new Uint8Array(32), out, 0))
      assert.isFalse(curve.ecdh(theirs, 0, theirs, 0, secret, true, out, 0))
    }
  })

  it.prop(
    "answers false, and never throws, for signatures and keys that are any bytes",
    [Schema.Uint8Array.check(Schema.isBetweenLength(0, 200))],
    ([bytes]) => {
      assert.isFalse(curve.verify(bytes, 0, bytes, 32, bytes, 96))
    },
    { arbitrary: { runs: 30 } }
  )
})
