import { assert, describe, it } from "@effect/vitest"
import { AuthorityKey } from "@sluice/noise"
import { Effect, Redacted, Result, Schema } from "effect"
import { Hex } from "effect/encoding"
import { seeded } from "./seeded.ts"
import { hex } from "./vectors.ts"

/** Keys that are in use: the specification's (section 4.7.1), the reference implementation's default, a pool's. */
const PUBLIC_KEYS = [
  {
    text: "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh",
    key: "76637000979c1c11af0c300bcd8c7fe48610fce9b9c11e3daee35ae0b08a7455"
  },
  {
    text: "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72",
    key: "24ee3c3804a1aaa4c03b80ea19f7a5863c916e8994b7db94a3bad7ee092b6ce7"
  },
  {
    text: "9awtMD5KQgvRUh2yFbjVeT7b6hjipWcAsQHd6wEhgtDT9soosna",
    key: "29954c97456b599c836f70f508d619d328527bb87229d7d7d2e67e6dcd18ebcf"
  }
]
const SECRET_KEY = {
  text: "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n",
  key: "65995eb19631f478a46ffa5cf1e545091efe950eaeac7482ffdc06eb6a89f697",
  publicKey: "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
}
/** The specification's key in the form that was in use before there was a version. */
const LEGACY = "u95GEReVMjK6k5YqiSFNqqTnKU4ypU2Wm8awa6tmbmDmk1bWt"

describe("AuthorityKey", () => {
  it.each(PUBLIC_KEYS)("reads and writes the public key $text", ({ text, key }) => {
    assert.deepStrictEqual(Result.getOrThrow(AuthorityKey.parsePublicKey(text)), hex(key))
    assert.strictEqual(AuthorityKey.formatPublicKey(hex(key)), text)
  })

  it("reads and writes a secret key, and knows its public key", () => {
    const secretKey = Result.getOrThrow(AuthorityKey.parseSecretKey(SECRET_KEY.text))
    assert.deepStrictEqual(Redacted.value(secretKey), hex(SECRET_KEY.key))
    assert.strictEqual(AuthorityKey.formatSecretKey(secretKey), SECRET_KEY.text)
    assert.strictEqual(AuthorityKey.formatPublicKey(AuthorityKey.publicKeyOf(secretKey)), SECRET_KEY.publicKey)
  })

  it("refuses a public key without a version, and names the current form of the key", () => {
    const { message } = Result.getOrThrow(Result.flip(AuthorityKey.parsePublicKey(LEGACY)))
    assert.include(message, "without a version")
    assert.include(message, PUBLIC_KEYS[0]!.text)
  })

  it("names the fault of other invalid texts", () => {
    const messageOf = (text: string) => Result.getOrThrow(Result.flip(AuthorityKey.parsePublicKey(text))).message
    assert.include(messageOf(""), "base58check")
    assert.include(messageOf("9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXx"), "mistyped")
    assert.include(messageOf("x".repeat(10_000)), "base58check")
    assert.isBelow(messageOf("x".repeat(10_000)).length, 500)
    assert.include(messageOf("9dyMAsaY4kQZo1Fw3uGD7EBa6vKBXsnMFL7ZZsSL4tQLNFx9cwS"), "base58check")
    // base58check of 02 00 and the specification's key; of 01 00 and 32 bytes ff; of 33 bytes.
    assert.include(messageOf(withPrefix([2, 0], hex(PUBLIC_KEYS[0]!.key))), "version 2")
    assert.include(messageOf(withPrefix([1, 0], new Uint8Array(32).fill(0xff))), "no x coordinate")
    assert.include(messageOf(withPrefix([1], hex(PUBLIC_KEYS[0]!.key))), "33 bytes")
  })

  it("never repeats a text that should have been a secret key", () => {
    const wrong = [
      SECRET_KEY.text.slice(0, -1),
      SECRET_KEY.text + "x",
      PUBLIC_KEYS[0]!.text,
      withPrefix([], new Uint8Array(32))
    ]
    for (const text of wrong) {
      const { message } = Result.getOrThrow(Result.flip(AuthorityKey.parseSecretKey(text)))
      assert.notInclude(message, text)
    }
    const exit = Schema.decodeUnknownExit(AuthorityKey.SecretKey)(SECRET_KEY.text.slice(1))
    assert.notInclude(String(exit), SECRET_KEY.text.slice(1))
    assert.notInclude(JSON.stringify(exit), SECRET_KEY.text.slice(1))
    const secretKey = Schema.decodeUnknownSync(AuthorityKey.SecretKey)(SECRET_KEY.text)
    assert.notInclude(String(secretKey) + JSON.stringify(secretKey), SECRET_KEY.text)
  })

  it("is encoded and decoded by its Schemas", () => {
    const publicKey = Schema.decodeUnknownSync(AuthorityKey.PublicKey)(PUBLIC_KEYS[1]!.text)
    assert.strictEqual(Schema.encodeSync(AuthorityKey.PublicKey)(publicKey), PUBLIC_KEYS[1]!.text)
    const secretKey = Schema.decodeUnknownSync(AuthorityKey.SecretKey)(SECRET_KEY.text)
    assert.strictEqual(Schema.encodeSync(AuthorityKey.SecretKey)(secretKey), SECRET_KEY.text)
    assert.throws(() => Schema.decodeUnknownSync(AuthorityKey.PublicKey)(LEGACY), /without a version/)
  })

  it.effect("generates key pairs from the randomness that is provided", () =>
    Effect.gen(function* () {
      const one = yield* Effect.provide(AuthorityKey.generate, seeded(1))
      const again = yield* Effect.provide(AuthorityKey.generate, seeded(1))
      const other = yield* AuthorityKey.generate
      assert.strictEqual(Hex.encode(one.publicKey), Hex.encode(again.publicKey))
      assert.notStrictEqual(Hex.encode(one.publicKey), Hex.encode(other.publicKey))
      assert.deepStrictEqual(AuthorityKey.publicKeyOf(other.secretKey), other.publicKey)
      const text = AuthorityKey.formatPublicKey(other.publicKey)
      assert.deepStrictEqual(Result.getOrThrow(AuthorityKey.parsePublicKey(text)), other.publicKey)
    })
  )
})

const withPrefix = (prefix: ReadonlyArray<number>, bytes: Uint8Array): string =>
  // A secret key's text is base58check of its bytes alone, so it serves to write any bytes.
  AuthorityKey.formatSecretKey(Redacted.make(Uint8Array.of(...prefix, ...bytes)))
