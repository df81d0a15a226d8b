/** Parts of the books for people: some blocks with what they pay, one block's payments, and some lines of an account. */
import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { BlockState, Entry } from "./books.ts"
import { jsonText } from "./ledger-sql.ts"

/** A part of a list: `limit` items after the first `offset`. */
export interface Part {
  readonly limit: number
  readonly offset: number
}

/** A block with what its first settlement pays to users. A later one that takes it back is told by the state. */
export interface PaidBlock {
  readonly id: number
  readonly hash: Uint8Array
  readonly height: number
  readonly at: number
  readonly state: BlockState
  readonly reward: bigint
  /** How the reward was divided; undefined without a settlement. */
  readonly scheme: string | undefined
  readonly users: number
  readonly paid: bigint
}

export interface Numbered<A> {
  readonly total: number
  readonly items: ReadonlyArray<A>
}

type Read<A> = Effect.Effect<A, SqlError.SqlError>

export const countBlocks = (sql: SqlClient.SqlClient): Read<number> =>
  Effect.map(sql<{ count: number }>`SELECT count(*) AS count FROM blocks`, ([row]) => row!.count)

/** Some blocks, newest first. */
export const readPaidBlocks = (sql: SqlClient.SqlClient, { limit, offset }: Part): Read<ReadonlyArray<PaidBlock>> =>
  read(sql, sql`ORDER BY blocks.id DESC LIMIT ${limit} OFFSET ${offset}`)

export const readPaidBlock = (sql: SqlClient.SqlClient, hash: Uint8Array): Read<PaidBlock | undefined> =>
  Effect.map(read(sql, sql`WHERE blocks.hash = ${hash}`), ([block]) => block)

const read = (sql: SqlClient.SqlClient, which: Statement.Fragment): Read<ReadonlyArray<PaidBlock>> =>
  Effect.map(
    sql<Omit<PaidBlock, "reward" | "scheme" | "paid"> & { reward: number; scheme: string | null; paid: number | null }>`
      SELECT blocks.id, blocks.hash, blocks.height, blocks.at, blocks.reward,
        (SELECT state FROM block_states WHERE block_id = blocks.id ORDER BY block_states.id DESC LIMIT 1) AS state,
        ${jsonText(sql, "settlements.policy", "scheme")} AS scheme,
        (SELECT count(*) FROM entries WHERE settlement_id = settlements.id AND kind = 'paid' AND user_id <> 0) AS users,
        (SELECT -sum(amount) FROM entries WHERE settlement_id = settlements.id AND kind = 'paid' AND user_id <> 0) AS paid
      FROM blocks
      LEFT JOIN settlements ON settlements.id = (SELECT min(id) FROM settlements WHERE block_id = blocks.id) ${which}`,
    (rows) =>
      rows.map(({ paid, reward, scheme, ...row }) => ({
        ...row,
        reward: BigInt(reward),
        scheme: scheme ?? undefined,
        paid: BigInt(paid ?? 0)
      }))
  )

/** What the first settlement of a block earned and paid to each account, the largest payment first. */
export const readPayments = (
  sql: SqlClient.SqlClient,
  blockId: number
): Read<ReadonlyArray<{ readonly account: string; readonly earned: bigint; readonly paid: bigint }>> =>
  Effect.map(
    sql<{ account: string; earned: number; paid: number }>`
      SELECT users.name AS account, coalesce(sum(CASE WHEN kind = 'earned' THEN amount END), 0) AS earned,
        coalesce(-sum(CASE WHEN kind = 'paid' THEN amount END), 0) AS paid
      FROM entries JOIN users ON users.id = entries.user_id
      WHERE settlement_id = (SELECT min(id) FROM settlements WHERE block_id = ${blockId})
      GROUP BY users.id ORDER BY paid DESC, earned DESC, account`,
    (rows) => rows.map(({ account, earned, paid }) => ({ account, earned: BigInt(earned), paid: BigInt(paid) }))
  )

/** Some lines of an account, newest first, with their blocks. */
export const readAccountEntries = (
  sql: SqlClient.SqlClient,
  account: string,
  { limit, offset }: Part
): Read<Numbered<Entry & { readonly height: number | undefined; readonly hash: Uint8Array | undefined }>> =>
  Effect.gen(function* () {
    const [user] = yield* sql<{ id: number }>`SELECT id FROM users WHERE name = ${account}`
    if (user === undefined) return { total: 0, items: [] }
    const [counted] = yield* sql<{ total: number }>`SELECT count(*) AS total FROM entries WHERE user_id = ${user.id}`
    const total = counted!.total
    if (offset >= total) return { total, items: [] }
    const rows = yield* sql<EntryRow>`
      SELECT entries.*, blocks.height, blocks.hash FROM entries
      LEFT JOIN settlements ON settlements.id = entries.settlement_id
      LEFT JOIN blocks ON blocks.id = settlements.block_id
      WHERE entries.user_id = ${user.id} ORDER BY entries.id DESC LIMIT ${limit} OFFSET ${offset}`
    const items = rows.map(
      ({ amount, at, hash, height, id, kind, payment_id, purchase_id, reason, settlement_id }) => ({
        id,
        settlementId: settlement_id ?? undefined,
        paymentId: payment_id ?? undefined,
        purchaseId: purchase_id ?? undefined,
        account,
        kind,
        amount: BigInt(amount),
        at,
        reason,
        height: height ?? undefined,
        hash: hash ?? undefined
      })
    )
    return { total, items }
  })

interface EntryRow {
  readonly id: number
  readonly settlement_id: number | null
  readonly payment_id: number | null
  readonly purchase_id: number | null
  readonly kind: Entry["kind"]
  readonly amount: number
  readonly at: number
  readonly reason: string
  readonly height: number | null
  readonly hash: Uint8Array | null
}
