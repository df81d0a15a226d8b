import { assert, describe, it } from "@effect/vitest"
import { hex } from "@scure/base"
import { scriptForAddress, scriptForDescriptor, unpayableReason } from "../src/index.ts"

const KEY = "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
const hash20 = "ab".repeat(20)
const hash32 = "ab".repeat(32)

describe("a script that rewards are paid to", () => {
  it.each([
    ["pay-to-public-key-hash", `76a914${hash20}88ac`],
    ["pay-to-script-hash", `a914${hash20}87`],
    ["a witness version 0 key", `0014${hash20}`],
    ["a witness version 0 script", `0020${hash32}`],
    ["taproot", hex.encode(scriptForDescriptor(`tr(${KEY.slice(2)})`, "main"))],
    ["a key", `21${KEY}ac`],
    ["one of two keys", `5121${KEY}21${KEY}52ae`],
    ["a key after a time", `03a08601b17521${KEY}ac`]
  ])("may be %s", (_, script) => {
    assert.isUndefined(unpayableReason(hex.decode(script)))
  })

  const ANYONE = /: anyone can spend what is paid to it$/
  const NOBODY = /: nobody can ever spend what is paid to it$/
  it.each([
    ["pay-to-anchor", "51024e73", ANYONE],
    ["taproot's version with another size", `5114${hash20}`, ANYONE],
    ["witness version 2", `5220${hash32}`, ANYONE],
    ["witness version 16", "6002abab", ANYONE],
    ["nothing", "", ANYONE],
    ["OP_TRUE", "51", ANYONE],
    ["a hash that anyone can copy the preimage of", `a820${hash32}87`, ANYONE],
    ["OP_RETURN", "6a02beef", NOBODY],
    ["a script of more than 10,000 bytes", `21${KEY}ac${"61".repeat(10_000)}`, NOBODY],
    ["a push that is cut off", `21${KEY}ac4c`, NOBODY],
    ["witness version 0 with another size", `0015${hash20}ab`, NOBODY],
    ["a taproot key that is no point", `5120${"ff".repeat(32)}`, NOBODY],
    ["a public key hash of zeros", `76a914${"00".repeat(20)}88ac`, NOBODY],
    ["a script hash of zeros", `a914${"00".repeat(20)}87`, NOBODY],
    ["a witness program of zeros", `0014${"00".repeat(20)}`, NOBODY]
  ])("may not be %s", (_, script, reason) => {
    assert.match(unpayableReason(hex.decode(script)) ?? "none", reason)
  })
})

describe("an address of a witness version that has no rules yet", () => {
  it.each([
    [
      "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
      "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6"
    ],
    ["BC1SW50QGDZ25J", "6002751e"],
    ["bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323"]
  ])("has the script of BIP350's vector: %s", (address, script) => {
    assert.strictEqual(hex.encode(scriptForAddress(address, "main")), script)
    assert.throws(() => scriptForAddress(address, "regtest"), /is an address of mainnet, and this is regtest/)
  })

  it.each([
    ["a checksum of bech32 instead of bech32m", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd"],
    ["version 17", "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R"],
    ["a program of 1 byte", "bc1pw5dgrnzv"],
    ["a program of 41 bytes", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav"],
    ["padding of more than 4 bits", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf"],
    ["no data", "bc1gmk9yu"]
  ])("is none with %s (BIP350)", (_, address) => {
    assert.throws(() => scriptForAddress(address, "main"), /is not a Bitcoin address/)
  })
})
