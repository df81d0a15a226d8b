/** Which users a server admits. */
import { parseUserIdentity, type UserIdentity } from "@sluice/channels"
import { isPrintable } from "@sluice/protocol"
import type { Effect } from "effect"

/** Error codes for a user that gets no channel (5.3.6). */
export type UserRefusal = "unknown-user" | "invalid-user-identity"

/**
 * Admits a user (`undefined`) or returns why it is refused. The server calls it for each user that opens channels, for up to 16
 * users of a connection at once. Only that connection waits for the answers, at most 10 seconds for all; the server refuses
 * users without an answer by then.
 */
export type ValidateUser = (user: UserIdentity) => Effect.Effect<UserRefusal | undefined>

/**
 * Whether pages and logs can show the user of this identity. `.worker` has no user; invisible characters would make two users
 * look like one.
 */
export const isUserIdentity = (identity: string, maxBytes: number): boolean =>
  parseUserIdentity(identity).user !== "" && isPrintable(identity) && Buffer.byteLength(identity) <= maxBytes
