/** Randomness for tests: the same bytes on every run. */
import { sha256 } from "@noble/hashes/sha2.js"
import type { Layer } from "effect"
import { WebCrypto } from "effect/crypto"

/** A `WebCrypto` whose random bytes follow from the seed. */
export const seeded = (seed: number): Layer.Layer<never> => {
  let counter = 0
  const getRandomValues = <T extends ArrayBufferView | null>(array: T): T => {
    const bytes = array as unknown as Uint8Array
    for (let at = 0; at < bytes.length; at += 32) {
      bytes.set(sha256(Uint8Array.of(seed, counter, counter++ >> 8)).subarray(0, bytes.length - at), at)
    }
    return array
  }
  return WebCrypto.layer({ subtle: globalThis.crypto.subtle, getRandomValues } as typeof globalThis.crypto)
}
