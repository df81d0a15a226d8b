/**
 * Random bytes for keys, from Effect's `WebCrypto` reference. A test can provide a seeded one (`WebCrypto.layer`) to get the
 * same keys on every run.
 */
import { Effect } from "effect"
import { WebCrypto } from "effect/crypto"

/** Gives fresh random bytes, synchronously. */
export type Entropy = (size: number) => Uint8Array

/** The source of random bytes of the current context. */
export const entropy: Effect.Effect<Entropy> = Effect.map(
  WebCrypto.WebCrypto,
  (crypto) => (size) => crypto.getRandomValues(new Uint8Array(size))
)
