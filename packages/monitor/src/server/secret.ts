/** Comparisons and proofs with the token. */
import { Redacted } from "effect"
import { createHash, createHmac, timingSafeEqual } from "node:crypto"

/** Whether two secrets are equal, in a time that depends on neither. */
export const isEqual = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/**
 * Links by which a user sees its own numbers without the token: the user's name and a proof that whoever made the link had the
 * token. Another token makes all links void.
 */
export class Links {
  readonly #token: Redacted.Redacted

  constructor(token: Redacted.Redacted) {
    this.#token = token
  }

  of(user: string): string {
    return `${Buffer.from(user).toString("base64url")}.${this.#proof(user)}`
  }

  /** The user of a link; `undefined` if it was not made with this token. */
  user(link: string): string | undefined {
    const [name = "", proof = "", ...rest] = link.split(".")
    const user = Buffer.from(name, "base64url").toString()
    return rest.length === 0 && isEqual(proof, this.#proof(user)) && user !== "" ? user : undefined
  }

  #proof(user: string): string {
    return createHmac("sha256", Redacted.value(this.#token)).update(`user\n${user}`).digest("base64url")
  }
}
