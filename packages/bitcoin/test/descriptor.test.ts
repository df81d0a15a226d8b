import { assert, describe, it } from "@effect/vitest"
import { hex } from "@scure/base"
import { isDescriptor, scriptForDescriptor, scriptSigopsCost } from "../src/index.ts"

/** BIP340's and BIP32's published test keys. */
const KEY = "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
const XPUB =
  "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8"
const XPRV =
  "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"
const WIF = "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn"

describe("scriptForDescriptor", () => {
  const known: Record<string, string> = {
    [`pkh(${KEY})`]: "76a9147dd65592d0ab2fe0d0257d571abf032cd9db93dc88ac",
    [`wpkh(${KEY})`]: "00147dd65592d0ab2fe0d0257d571abf032cd9db93dc",
    [`sh(wpkh(${KEY}))`]: "a91469ea5ff598a286f418ae77503ce85d83da4ae88e87",
    [`pk(${KEY})`]: `21${KEY}ac`,
    [`wsh(sortedmulti(1,${KEY}))`]: "002055e40bad5d29d48b3d61b912ace990b1566b12a5972c3dd93652d3e406c1590e",
    [`wpkh([d34db33f/84'/0'/0']${XPUB}/0/5)`]: "0014c68d6c93365de86cfbf0c922041b74a4c81367cd",
    "addr(bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4)": "0014751e76e8199196d454941c45d1b3a323f1433bd6",
    "raw(6a02beef)": "6a02beef"
  }
  it.each(Object.entries(known))("%s", (descriptor, script) => {
    assert.strictEqual(hex.encode(scriptForDescriptor(descriptor, "main")), script)
  })

  it("tweaks the key of tr(), here BIP86's first address, whose internal key is published there", () => {
    const internal = "cc8a4bc64d897bddc5fbc2f670f7a8ba0b386779106cf1223c6fc5d7cd6fc115"
    assert.strictEqual(
      hex.encode(scriptForDescriptor(`tr(${internal})`, "main")),
      "5120a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c"
    )
  })

  const refused: ReadonlyArray<readonly [string, RegExp]> = [
    [`wpkh(${XPUB}/0/*)`, /stands for many scripts; one is wanted: put a number in the place of \*/],
    [`wpkh(${XPUB}/<0;1>/5)`, /stands for many scripts/],
    [`wpkh(${KEY})#aaaaaaaa`, /invalid descriptor checksum/],
    ["wpkh(", /is not a descriptor that can be paid: expected one such as wpkh\(KEY\)/],
    [`combo(${KEY})`, /is not a descriptor/],
    ["raw(6)", /is not a descriptor/],
    ["addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)", /is an address of regtest, and this is mainnet/],
    ["x".repeat(1000), /^x{100}\.\.\. is not/]
  ]
  it.each(refused)("refuses %s", (descriptor, message) => {
    assert.throws(() => scriptForDescriptor(descriptor, "main"), message)
  })

  it.each([`wpkh(${XPRV}/0/5)`, `wpkh(${WIF})`])("refuses a private key without repeating it", (descriptor) => {
    const key = descriptor.slice(5, -1)
    try {
      scriptForDescriptor(descriptor, "main")
      assert.fail("it was taken")
    } catch (error) {
      const { message } = error as Error
      assert.match(message, /has a private key/)
      assert.notInclude(message, key.slice(0, 10))
    }
  })
})

it("a descriptor is told from an address by its parentheses", () => {
  assert.isTrue(isDescriptor("addr(x)"))
  assert.isFalse(isDescriptor("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"))
})

it("the signature operations of an output's script are counted as consensus counts them", () => {
  const cost = (descriptor: string) => scriptSigopsCost(scriptForDescriptor(descriptor, "main"))
  assert.deepStrictEqual([cost(`pkh(${KEY})`), cost(`pk(${KEY})`), cost(`wpkh(${KEY})`)], [4, 4, 0])
})
