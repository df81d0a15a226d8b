/**
 * Converts addresses of the Bitcoin networks to the scripts that pay them. payable-script.ts decides whether a pool should pay such a
 * script.
 */
import { bech32m } from "@scure/base"
import { Address, NETWORK, OP, OutScript, TEST_NETWORK } from "@scure/btc-signer"
import { Schema } from "effect"

/** A Bitcoin network, by its name in `getblockchaininfo`; testnet4 counts as testnet3. */
export const Chain = Schema.Literals(["main", "test", "signet", "regtest"])
export type Chain = typeof Chain.Type

/** The text is no address, or an address of another network. */
export class AddressError extends Schema.TaggedError<AddressError>("sluice/bitcoin/AddressError")("AddressError", {
  address: Schema.String,
  message: Schema.String
}) {}

/**
 * The scriptPubKey that pays an address (base58check, bech32, or bech32m, of any witness version). Throws `AddressError`.
 */
export const scriptForAddress = (address: string, chain: Chain): Uint8Array => {
  const script = decode(address, chain)
  if (script !== undefined) return script
  const other = CHAINS.filter((name) => decode(address, name) !== undefined)
  throw new AddressError({
    address,
    message:
      other.length > 0
        ? `${address} is an address of ${other.map((name) => NAMES[name]).join(" and ")}, and this is ${NAMES[chain]}`
        : `${address} is not a Bitcoin address: expected one of ${NAMES[chain]}, for instance one that begins with ` +
          `${NETWORKS[chain].bech32}1; a mistyped character fails its checksum`
  })
}

/** The address that this script pays; `undefined` for a script without an address. */
export const addressForScript = (script: Uint8Array, chain: Chain): string | undefined => {
  try {
    return Address(NETWORKS[chain]).encode(OutScript.decode(script))
  } catch {
    return undefined
  }
}

const CHAINS = Chain.literals
const NAMES: Readonly<Record<Chain, string>> = {
  main: "mainnet",
  test: "testnet",
  signet: "signet",
  regtest: "regtest"
}
const NETWORKS = {
  main: NETWORK,
  test: TEST_NETWORK,
  signet: TEST_NETWORK,
  regtest: { ...TEST_NETWORK, bech32: "bcrt" }
}

const decode = (address: string, chain: Chain): Uint8Array | undefined => {
  try {
    return OutScript.encode(Address(NETWORKS[chain]).decode(address))
  } catch {
    return witnessProgramScript(address, chain)
  }
}

/** Reads addresses of witness versions without rules (BIP350), which the library refuses. */
const witnessProgramScript = (address: string, chain: Chain): Uint8Array | undefined => {
  const decoded = bech32m.decodeUnsafe(address)
  if (decoded?.prefix !== NETWORKS[chain].bech32) return undefined
  const [version = 0, ...words] = decoded.words
  const program = bech32m.fromWordsUnsafe(words)
  if (version < 1 || version > 16 || program === undefined || program.length < 2 || program.length > 40)
    return undefined
  return Uint8Array.of(OP.OP_1 + version - 1, program.length, ...program)
}
