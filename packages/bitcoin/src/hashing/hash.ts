/**
 * Hashes of Bitcoin. This code keeps them as 32 bytes in internal order; people and Bitcoin Core's JSON read them as hex in the
 * reversed "display" order. Only the functions here convert between the two.
 */
import { Sha256 } from "@sluice/core"

/** SHA-256 of SHA-256 of all of `bytes`: 32 bytes, internal order. */
export const doubleSha256 = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(32)
  Sha256.sha256d(bytes, 0, bytes.length, out, 0)
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

/**
 * Writes the hash of 64 lower-case hex digits in display order to `out[at, at + 32)`, in internal order. Returns false for any
 * other text, and then the bytes written are meaningless. For thousands of hashes: five times as fast as a Buffer.
 */
export const writeHashFromDisplay = (display: string, out: Uint8Array, at: number): boolean => {
  if (display.length !== 64) return false
  for (let i = 0; i < 64; i += 2) {
    const byte = (HEX_DIGITS[display.charCodeAt(i)]! << 4) | HEX_DIGITS[display.charCodeAt(i + 1)]!
    if (byte < 0) return false
    out[at + 31 - (i >> 1)] = byte
  }
  return true
}

/** Whether these are 64 lower-case hex digits. */
export const isDisplayHash = (display: string): boolean => writeHashFromDisplay(display, SCRATCH, 0)

const SCRATCH = new Uint8Array(32)
/** Values of hex digits by character code; -1 for all other characters. */
const HEX_DIGITS = new Int8Array(0x10000).fill(-1)
for (let digit = 0; digit < 16; digit++) HEX_DIGITS[digit.toString(16).charCodeAt(0)] = digit
