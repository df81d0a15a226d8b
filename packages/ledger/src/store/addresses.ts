/**
 * Payout addresses of users. A user whose name is an address is paid there until it has another one. A change takes effect after a
 * delay, so that whoever gets at the operator's commands cannot have money sent elsewhere at once and unseen.
 */
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { Books } from "./books.ts"

export interface AddressChange {
  readonly id: number
  readonly user: string
  readonly address: string
  /** When it was asked for, and when it takes effect, in milliseconds since 1970. */
  readonly at: number
  readonly effectiveAt: number
  readonly reason: string
}

export interface UserAddress {
  /** The address that is in effect; undefined if there is none beside the user's name. */
  readonly current: string | undefined
  /** The change that is not in effect yet. */
  readonly pending: AddressChange | undefined
}

/** All changes, oldest first. */
export const readAddressChanges = (
  sql: SqlClient.SqlClient
): Effect.Effect<ReadonlyArray<AddressChange>, SqlError.SqlError> =>
  Effect.map(
    sql<{ id: number; user: string; address: string; at: number; effective_at: number; reason: string }>`
      SELECT addresses.*, users.name AS user FROM addresses JOIN users ON users.id = addresses.user_id
      ORDER BY addresses.id`,
    (rows) => rows.map(({ effective_at, ...row }) => ({ ...row, effectiveAt: effective_at }))
  )

/** The addresses of users at a time. A change replaces an earlier one that is not in effect when it is asked for. */
export const addressesAt = (changes: Iterable<AddressChange>, now: number): ReadonlyMap<string, UserAddress> => {
  const addresses = new Map<string, UserAddress>()
  for (const change of changes) {
    const before = addresses.get(change.user)
    addresses.set(change.user, { current: inEffect(before, change.at), pending: change })
  }
  for (const [user, address] of addresses) {
    const { pending } = address
    if (pending!.effectiveAt <= now) addresses.set(user, { current: pending!.address, pending: undefined })
  }
  return addresses
}

const inEffect = (address: UserAddress | undefined, now: number): string | undefined =>
  address?.pending !== undefined && address.pending.effectiveAt <= now ? address.pending.address : address?.current

/**
 * Changes the address of a user, inside a transaction. The first address of a user and a return to the address in effect take effect at
 * once, other changes after `delayMs`. `named` is the user's name if it is an address, which then is the first.
 */
export const changeAddress = (
  sql: SqlClient.SqlClient,
  books: Books,
  change: { readonly user: string; readonly address: string; readonly at: number; readonly reason: string },
  { delayMs, named }: { readonly delayMs: number; readonly named: string | undefined }
): Effect.Effect<AddressChange, SqlError.SqlError> =>
  Effect.gen(function* () {
    const { address, at, reason, user } = change
    const current = addressesAt(yield* readAddressChanges(sql), at).get(user)?.current ?? named
    const effectiveAt = current === undefined || current === address ? at : at + delayMs
    const userId = yield* books.accountId(user)
    const [row] = yield* sql<{ id: number }>`
      INSERT INTO addresses (user_id, address, at, effective_at, reason)
      VALUES (${userId}, ${address}, ${at}, ${effectiveAt}, ${reason}) RETURNING id`
    return { ...change, id: row!.id, effectiveAt }
  })
