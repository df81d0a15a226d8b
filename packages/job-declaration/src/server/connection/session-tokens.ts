/** The tokens of one connection: each is for one declaration of this connection, and expires. */
import { Result } from "effect"
import { type Token, type TokenMode, tokenUser } from "../../token/tokens.ts"
import type { SessionContext } from "./session-context.ts"

export class SessionTokens {
  readonly #context: Pick<SessionContext, "limits" | "maxOfConnection" | "newSerial" | "times" | "tokens">
  readonly #mode: TokenMode
  readonly #address: string
  /** Those that were not used, with their ends in milliseconds, by serial in hex; oldest first. */
  readonly #unused = new Map<string, number>()
  /** The ends of those that have not expired, used or not; oldest first. */
  readonly #ends: Array<number> = []

  constructor(context: SessionContext, mode: TokenMode, address: string) {
    this.#context = context
    this.#mode = mode
    this.#address = address
  }

  /** Makes a token for a user, unless the connection or its address has too many. */
  allocate(userIdentifier: string, now: number): Uint8Array | undefined {
    const { limits, maxOfConnection, newSerial, times, tokens } = this.#context
    this.expire(now)
    if (this.#ends.length >= maxOfConnection.tokens || !limits.tokens.hasRoom(this.#address, 1)) return undefined
    limits.tokens.add(this.#address, 1)
    const serial = newSerial()
    const end = now + times.tokenLifetimeMs
    this.#ends.push(end)
    this.#unused.set(serialKey(serial), end)
    return tokens.allocate({
      mode: this.#mode,
      expiresAt: Math.floor(end / 1000),
      serial,
      user: tokenUser(userIdentifier)
    })
  }

  /** Uses a token up for a declaration, or says why it is not good for one. */
  use(bytes: Uint8Array, now: number): Result.Result<Token, string> {
    const read = this.#context.tokens.read(bytes, now / 1000)
    if (Result.isFailure(read)) {
      return Result.fail(
        read.failure === "expired" ? "the token has expired" : "this server has not allocated the token"
      )
    }
    const token = read.success
    if (token.declared !== undefined) {
      return Result.fail("the token is of an accepted job; expected one of AllocateMiningJobToken")
    }
    return this.#unused.delete(serialKey(token.serial))
      ? Result.succeed(token)
      : Result.fail("the token was used before, or was not allocated on this connection")
  }

  expire(now: number): void {
    let count = 0
    while (count < this.#ends.length && this.#ends[count]! <= now) count++
    if (count === 0) return
    this.#ends.splice(0, count)
    this.#context.limits.tokens.add(this.#address, -count)
    for (const [serial, end] of this.#unused) {
      if (end > now) break
      this.#unused.delete(serial)
    }
  }

  /** The connection has ended. */
  close(): void {
    this.#context.limits.tokens.add(this.#address, -this.#ends.length)
    this.#ends.length = 0
    this.#unused.clear()
  }
}

/** A serial as a key of a Map. */
export const serialKey = (serial: Uint8Array): string => Buffer.from(serial).toString("hex")
