/** What the ledger knows of each account, for people. */
import { Effect, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { sharesFrom } from "./store/read-shares.ts"

export interface Account {
  /** The user's name; empty for the pool. */
  readonly name: string
  /** What blocks earned it, less what was taken back. */
  readonly earned: bigint
  /** What coinbases paid it, less what was taken back. */
  readonly paid: bigint
  /** What payments from the wallet sent it, less what was taken back. */
  readonly sent: bigint
  /** Corrections by the operator. */
  readonly adjusted: bigint
  /** What it is owed; negative if it owes. */
  readonly balance: bigint
  readonly shares: number
}

/** All accounts, the largest balance first. */
export const readAccounts = (sql: SqlClient.SqlClient): Effect.Effect<ReadonlyArray<Account>, SqlError.SqlError> =>
  Effect.gen(function* () {
    const [closed] = yield* sql<{ last: number | null }>`SELECT max(last_seq) AS last FROM slices`
    /** Shares of the slice that is open, which has no roll-ups. */
    const open = new Map<string, number>()
    yield* Stream.runForEach(sharesFrom(sql, (closed?.last ?? 0) + 1), ({ user }) =>
      Effect.sync(() => open.set(user, (open.get(user) ?? 0) + 1))
    )
    const rows = yield* sql<AccountRow>`
      SELECT name, coalesce(earned, 0) AS earned, coalesce(paid, 0) AS paid, coalesce(sent, 0) AS sent,
        coalesce(adjusted, 0) AS adjusted,
        coalesce(balance, 0) AS balance, coalesce(rolled, 0) AS shares
      FROM users
      LEFT JOIN (
        SELECT user_id, sum(amount) AS balance,
          sum(CASE WHEN kind = 'earned' THEN amount END) AS earned,
          -sum(CASE WHEN kind = 'paid' THEN amount END) AS paid,
          -sum(CASE WHEN kind = 'sent' THEN amount END) AS sent,
          sum(CASE WHEN kind = 'adjustment' THEN amount END) AS adjusted
        FROM entries GROUP BY user_id
      ) AS money ON money.user_id = users.id
      LEFT JOIN (SELECT user_id, sum(shares) AS rolled FROM rollups GROUP BY user_id) AS slices ON slices.user_id = users.id
      ORDER BY balance DESC, name`
    return rows.map(({ adjusted, balance, earned, name, paid, sent, shares }) => ({
      name,
      earned: BigInt(earned),
      paid: BigInt(paid),
      sent: BigInt(sent),
      adjusted: BigInt(adjusted),
      balance: BigInt(balance),
      shares: shares + (open.get(name) ?? 0)
    }))
  })

interface AccountRow {
  readonly name: string
  readonly earned: number
  readonly paid: number
  readonly sent: number
  readonly adjusted: number
  readonly balance: number
  readonly shares: number
}
