/**
 * Tokens for mining jobs (specification, sections 6.4.3 and 6.4.5). A token carries what it says behind a MAC: the server of Job
 * Declaration and the pool need no common memory, only one key.
 */
import { Redacted } from "effect"

/** Whether the client reveals its transactions (6.3). */
export type TokenMode = "full-template" | "coinbase-only"

/** The key that the pool and its declarator share: 32 bytes. */
export type TokenKey = Redacted.Redacted<Uint8Array>
export const TokenKey = (bytes: Uint8Array): TokenKey => Redacted.make(bytes, { label: "token key" })

/** What a token says. */
export interface Token {
  /** 16 random bytes. The pool and the declarator each use a serial once. */
  readonly serial: Uint8Array
  readonly mode: TokenMode
  /** Seconds since 1970. */
  readonly expiresAt: number
  /** The `userIdentifier` of AllocateMiningJobToken, hashed. */
  readonly user: Uint8Array
}

/** Why a token is refused. */
export type TokenFault = "forged" | "expired"

export class Tokens {
  readonly #key: TokenKey

  constructor(key: TokenKey) {
    this.#key = key
  }

  get key(): TokenKey {
    return this.#key
  }
}
