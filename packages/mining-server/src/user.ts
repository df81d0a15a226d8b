/** User identities of the form `USER.WORKER` (specification, 5.3.2), where USER may be a Bitcoin address. */
import { isPrintable } from "@sluice/protocol"
import type { Effect } from "effect"

export interface UserIdentity {
  /** The whole identity as the client sent it. */
  readonly identity: string
  /** The part before the first dot: the name of an account, or an address. */
  readonly user: string
  /** The part after the first dot; undefined without a dot. */
  readonly worker: string | undefined
}

/** Error codes for a user that gets no channel (5.3.6). */
export type UserRefusal = "unknown-user" | "invalid-user-identity"

/**
 * Admits a user (`undefined`) or returns why it is refused. The server calls it for each user that opens channels, for up to 16
 * users of a connection at once. Only that connection waits for the answers, at most 10 seconds for all; the server refuses
 * users without an answer by then.
 */
export type ValidateUser = (user: UserIdentity) => Effect.Effect<UserRefusal | undefined>

/** Splits at the first dot: addresses have none, and names of accounts should have none. */
export const parseUserIdentity = (identity: string): UserIdentity => {
  const dot = identity.indexOf(".")
  return dot < 0
    ? { identity, user: identity, worker: undefined }
    : { identity, user: identity.slice(0, dot), worker: identity.slice(dot + 1) }
}

/**
 * Whether pages and logs can show the user of this identity. `.worker` has no user; invisible characters would make two users
 * look like one.
 */
export const isUserIdentity = (identity: string, maxBytes: number): boolean =>
  parseUserIdentity(identity).user !== "" && isPrintable(identity) && Buffer.byteLength(identity) <= maxBytes
