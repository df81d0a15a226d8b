import { assert, describe, it } from "@effect/vitest"
import { hex } from "@scure/base"
import { Address, NETWORK, OutScript, TEST_NETWORK } from "@scure/btc-signer"
import { AddressError, scriptForAddress } from "../src/index.ts"

const hash20 = new Uint8Array(20).fill(3)
const hash32 = new Uint8Array(32).fill(5)

const thrown = (run: () => unknown): AddressError => {
  try {
    run()
  } catch (error) {
    assert.instanceOf(error, AddressError)
    return error as AddressError
  }
  return assert.fail("expected an AddressError")
}

describe("scriptForAddress", () => {
  it("gives the scripts of published addresses", () => {
    const known = {
      "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa": "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
      "3P14159f73E4gFr7JterCCQh9QjiTjiZrG": "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87",
      bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4: "0014751e76e8199196d454941c45d1b3a323f1433bd6",
      bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr:
        "5120a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c"
    }
    for (const [address, script] of Object.entries(known)) {
      assert.strictEqual(hex.encode(scriptForAddress(address, "main")), script)
    }
  })

  it("knows every form on every network", () => {
    const regtest = { ...TEST_NETWORK, bech32: "bcrt" }
    const networks = { main: NETWORK, test: TEST_NETWORK, signet: TEST_NETWORK, regtest } as const
    for (const [chain, network] of Object.entries(networks)) {
      for (const payment of [
        { type: "pkh", hash: hash20 },
        { type: "sh", hash: hash20 },
        { type: "wpkh", hash: hash20 },
        { type: "wsh", hash: hash32 }
      ] as const) {
        const address = Address(network).encode(payment)
        assert.deepStrictEqual(scriptForAddress(address, chain as keyof typeof networks), OutScript.encode(payment))
      }
    }
  })

  it("names the network of an address from another one", () => {
    const error = thrown(() => scriptForAddress("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "regtest"))
    assert.strictEqual(
      error.message,
      "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 is an address of mainnet, and this is regtest"
    )
    const test = Address(TEST_NETWORK).encode({ type: "wpkh", hash: hash20 })
    assert.match(thrown(() => scriptForAddress(test, "main")).message, /of testnet and signet, and this is mainnet/)
  })

  it("says what is expected if a text is no address", () => {
    for (const text of ["", "hello", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "1".repeat(2000)]) {
      assert.match(thrown(() => scriptForAddress(text, "regtest")).message, /not a Bitcoin address.*bcrt1/)
    }
  })
})
