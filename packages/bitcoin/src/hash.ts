/**
 * Hashes as Bitcoin has them: 32 bytes in internal order everywhere in this code, and hex in the reversed "display"
 * order at the edges where people and Bitcoin Core's JSON read them. Only the functions here flip the order.
 */
import { sha256d } from "@sluice/core"

/** SHA-256 of SHA-256 of all of `bytes`: 32 bytes, internal order. */
export const doubleSha256 = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(32)
  sha256d(bytes, 0, bytes.length, out, 0)
  return out
}

/** 64 hex digits in display order to 32 bytes in internal order. Throws a `TypeError` for anything else. */
export const hashFromDisplay = (display: string): Uint8Array => {
  const hash: Uint8Array = Buffer.from(display, "hex").toReversed()
  if (hash.length !== 32 || display.length !== 64) {
    throw new TypeError(`a hash has 64 hex digits; got ${display.length} characters: ${display.slice(0, 80)}`)
  }
  return hash
}

/** 32 bytes in internal order to 64 hex digits in display order. */
export const hashToDisplay = (hash: Uint8Array): string => Buffer.from(hash.toReversed()).toString("hex")
