/**
 * Converts output descriptors (BIP380 to BIP386) to their script: those that `@bitcoinerlab/descriptors-scure` reads (pk, pkh, wpkh,
 * sh, wsh with miniscript, tr with a tree, addr), and raw().
 */
import { networks, Output } from "@bitcoinerlab/descriptors-scure"
import { Schema } from "effect"
import { AddressError, type Chain, scriptForAddress } from "./address.ts"

/** The text is no descriptor, or a descriptor of several scripts. */
export class DescriptorError extends Schema.TaggedError<DescriptorError>("sluice/bitcoin/DescriptorError")(
  "DescriptorError",
  { message: Schema.String }
) {}

/** Whether a text is meant as a descriptor: addresses have no parentheses. */
export const isDescriptor = (text: string): boolean => text.includes("(")

/** The scriptPubKey of a descriptor without a range. Throws `DescriptorError`, or `AddressError` for the address in addr(). */
export const scriptForDescriptor = (descriptor: string, chain: Chain): Uint8Array => {
  const text = descriptor.trim()
  // Checked first, and the error does not repeat the text: a private key must not get into a log.
  if (PRIVATE_KEY.test(text)) {
    throw new DescriptorError({ message: "a descriptor of outputs to pay has public keys; this one has a private key" })
  }
  const shown = text.length > 100 ? `${text.slice(0, 100)}...` : text
  if (text.includes("*") || text.includes("<")) {
    throw new DescriptorError({
      message: `${shown} stands for many scripts; one is wanted: put a number in the place of * and of <...>`
    })
  }
  const [, address] = /^addr\(([^()]*)\)$/.exec(text) ?? []
  if (address !== undefined) return scriptForAddress(address, chain)
  const [, raw] = /^raw\(([0-9a-fA-F]*)\)$/.exec(text) ?? []
  if (raw !== undefined && raw.length > 0 && raw.length % 2 === 0) return new Uint8Array(Buffer.from(raw, "hex"))
  try {
    return new Output({ descriptor: text, network: NETWORKS[chain] }).getScriptPubKey().slice()
  } catch (error) {
    if (error instanceof AddressError) throw error
    throw new DescriptorError({
      message:
        `${shown} is not a descriptor that can be paid: expected one such as wpkh(KEY), tr(KEY), wsh(sortedmulti(2,KEY,KEY)), ` +
        `addr(ADDRESS) or raw(HEX) (${reason(error)})`
    })
  }
}

/** An extended private key, or a private key in WIF. */
const PRIVATE_KEY = /[a-z]prv|(?<![1-9A-HJ-NP-Za-km-z])[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}(?![1-9A-HJ-NP-Za-km-z])/

const NETWORKS = {
  main: networks.bitcoin,
  test: networks.testnet,
  signet: networks.testnet,
  regtest: networks.regtest
}

/** The message of the library, without the descriptor that it repeats. */
const reason = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(/^Error: /, "").replace(/\s*(descriptor|for) \S*\(.*$/, "")
}
