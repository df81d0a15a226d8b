/** Who mines: user identities of the form `USER.WORKER` (specification, 5.3.2), where USER may be a Bitcoin address. */
import { isPrintable } from "@sluice/protocol"
import type { Effect } from "effect"

export interface UserIdentity {
  /** As the client said it. */
  readonly identity: string
  /** What comes before the first dot: an account's name or an address. */
  readonly user: string
  /** What comes behind it; not there without a dot. */
  readonly worker: string | undefined
}

/** Error codes for who gets no channel (5.3.6). */
export type UserRefusal = "unknown-user" | "invalid-user-identity"

/**
 * Lets a user in (`undefined`) or says why not. Called for each user who opens channels, for up to 16 of a
 * connection at once; that connection waits for the answers, for at most 10 seconds in all, and no other does. Users with no
 * answer by then are refused.
 */
export type ValidateUser = (user: UserIdentity) => Effect.Effect<UserRefusal | undefined>

/** Addresses have no dots, and accounts' names should have none. */
export const parseUserIdentity = (identity: string): UserIdentity => {
  const dot = identity.indexOf(".")
  return dot < 0
    ? { identity, user: identity, worker: undefined }
    : { identity, user: identity.slice(0, dot), worker: identity.slice(dot + 1) }
}

/**
 * Whether the identity names a user whom a page or a log can show: not `.worker`, whose user is nobody, and nothing with
 * characters that cannot be seen, which make two users look like one.
 */
export const isUserIdentity = (identity: string, maxBytes: number): boolean =>
  parseUserIdentity(identity).user !== "" && isPrintable(identity) && Buffer.byteLength(identity) <= maxBytes
