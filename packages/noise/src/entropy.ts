/**
 * Random bytes for keys, from Effect's `WebCrypto` reference: a test that provides another one (`WebCrypto.layer`) gets
 * the same keys on every run.
 */
import { Effect } from "effect"
import { WebCrypto } from "effect/crypto"

/** Fresh random bytes, at once. */
export type Entropy = (size: number) => Uint8Array

/** The source of random bytes of where this is run. */
export const entropy: Effect.Effect<Entropy> = Effect.map(
  WebCrypto.WebCrypto,
  (crypto) => (size) => crypto.getRandomValues(new Uint8Array(size))
)
