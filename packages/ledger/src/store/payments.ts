/**
 * Payments from the pool's wallet. A payment is one transaction for many users. It is written, with the balances that it takes, before
 * anything is sent, and its transaction is fixed then: sending it again cannot pay again.
 */
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { LedgerError } from "../ledger-error.ts"
import { POOL, sum } from "../scheme/divide.ts"
import { type Books, negated } from "./books.ts"

/**
 * `planned`: it is written, and may have been sent; `sent`: the node has its transaction; `confirmed`: its transaction is final;
 * `cancelled`: other transactions have spent its coins, so it can never be made, and users have their balances back.
 */
export type PaymentState = "planned" | "sent" | "confirmed" | "cancelled"

export interface PaymentOutput {
  readonly user: string
  readonly address: string
  /** Satoshis. */
  readonly amount: bigint
}

export interface NewPayment {
  /** In display order. */
  readonly txid: string
  /** The transaction without signatures, in base64 (BIP174). */
  readonly psbt: string
  /** What the pool pays for the transaction, in satoshis. */
  readonly fee: bigint
  /** The height of the chain before the payment. */
  readonly height: number
  readonly outputs: ReadonlyArray<PaymentOutput>
}

export interface StoredPayment extends NewPayment {
  readonly id: number
  readonly at: number
  readonly state: PaymentState
}

/** Payments, oldest first: all, or those that are not `confirmed` or `cancelled`. */
export const readWalletPayments = (
  sql: SqlClient.SqlClient,
  which: "all" | "open" = "all"
): Effect.Effect<ReadonlyArray<StoredPayment>, SqlError.SqlError> =>
  Effect.gen(function* () {
    const ids =
      which === "all"
        ? sql`1 = 1`
        : sql`payments.id NOT IN (SELECT payment_id FROM payment_states WHERE state IN ('confirmed', 'cancelled'))`
    const rows = yield* sql<PaymentRow>`
      SELECT payments.*, (
        SELECT state FROM payment_states WHERE payment_id = payments.id ORDER BY payment_states.id DESC LIMIT 1
      ) AS state FROM payments WHERE ${ids} ORDER BY payments.id`
    const outputs = yield* sql<{ payment_id: number; user: string; address: string; amount: number }>`
      SELECT payment_id, users.name AS user, address, amount FROM payment_outputs
      JOIN users ON users.id = payment_outputs.user_id JOIN payments ON payments.id = payment_outputs.payment_id
      WHERE ${ids} ORDER BY payment_id, position`
    const byPayment = Map.groupBy(outputs, ({ payment_id }) => payment_id)
    return rows.map(({ fee, ...row }) => ({
      ...row,
      fee: BigInt(fee),
      outputs: (byPayment.get(row.id) ?? []).map(({ address, amount, user }) => ({
        user,
        address,
        amount: BigInt(amount)
      }))
    }))
  })

interface PaymentRow {
  readonly id: number
  readonly at: number
  readonly height: number
  readonly txid: string
  readonly psbt: string
  readonly fee: number
  readonly state: PaymentState
}

/** What may be paid to each user: its balance, without what blocks have brought that are not final yet. */
export const readPayable = (sql: SqlClient.SqlClient): Effect.Effect<ReadonlyMap<string, bigint>, SqlError.SqlError> =>
  Effect.gen(function* () {
    const balances = yield* sql<{ name: string; amount: number }>`
      SELECT users.name, sum(amount) AS amount FROM entries JOIN users ON users.id = entries.user_id
      WHERE user_id <> 0 GROUP BY users.name HAVING sum(amount) > 0`
    // Negative ones count at once: a block that paid too much must not pay again before it is final.
    const unripe = yield* sql<{ name: string; amount: number }>`
      SELECT users.name, sum(amount) AS amount FROM entries
      JOIN users ON users.id = entries.user_id
      JOIN settlements ON settlements.id = entries.settlement_id
      WHERE NOT EXISTS (
        SELECT 1 FROM block_states WHERE block_states.block_id = settlements.block_id AND state = 'confirmed'
      )
      GROUP BY users.name, settlements.block_id HAVING sum(amount) > 0`
    const payable = new Map(balances.map(({ amount, name }) => [name, BigInt(amount)]))
    for (const { amount, name } of unripe) {
      const balance = payable.get(name)
      if (balance !== undefined) payable.set(name, balance - BigInt(amount))
    }
    return payable
  })

/** Writes a payment that will be sent, and takes its amounts from balances, inside a transaction. Returns its id. */
export const planPayment = (
  sql: SqlClient.SqlClient,
  books: Books,
  { fee, height, outputs, psbt, txid }: NewPayment,
  at: number
): Effect.Effect<number, SqlError.SqlError | LedgerError> =>
  Effect.gen(function* () {
    const open = (yield* readWalletPayments(sql, "open")).find(({ state }) => state === "planned")
    if (open !== undefined) return yield* new LedgerError({ message: `payment ${open.id} is not sent yet` })
    // Another program may have paid since the amounts were read.
    const payable = yield* readPayable(sql)
    const lacking = outputs.find(({ amount, user }) => (payable.get(user) ?? 0n) < amount)
    if (lacking !== undefined) {
      return yield* new LedgerError({
        message: `${lacking.user} was due ${lacking.amount} satoshis and is due ${payable.get(lacking.user) ?? 0n} now: pay again`
      })
    }
    const [row] = yield* sql<{ id: number }>`
      INSERT INTO payments (at, height, txid, psbt, fee) VALUES (${at}, ${height}, ${txid}, ${psbt}, ${Number(fee)})
      RETURNING id`
    const id = Number(row!.id)
    for (const [position, { address, amount, user }] of outputs.entries()) {
      yield* sql`INSERT INTO payment_outputs (payment_id, position, user_id, address, amount)
        VALUES (${id}, ${position}, ${yield* books.accountId(user)}, ${address}, ${Number(amount)})`
    }
    yield* books.enter({ paymentId: id }, "sent", changesOf(outputs), at, "")
    yield* setPaymentState(sql, id, "planned", at, "")
    return id
  })

/** How a payment changes balances. */
export const changesOf = (outputs: ReadonlyArray<PaymentOutput>): ReadonlyMap<string, bigint> => {
  const changes = new Map(outputs.map(({ amount, user }) => [user, -amount]))
  return changes.set(POOL, -sum(changes.values()))
}

export const setPaymentState = (
  sql: SqlClient.SqlClient,
  paymentId: number,
  state: PaymentState,
  at: number,
  reason: string
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(
    sql`INSERT INTO payment_states (payment_id, state, at, reason) VALUES (${paymentId}, ${state}, ${at}, ${reason})`
  )

/** Gives the amounts of a payment that cannot be made any more back to balances, inside a transaction. */
export const cancelPayment = (
  sql: SqlClient.SqlClient,
  books: Books,
  { id, outputs }: StoredPayment,
  at: number,
  reason: string
): Effect.Effect<void, SqlError.SqlError | LedgerError> =>
  Effect.gen(function* () {
    const isOpen = (yield* readWalletPayments(sql, "open")).some((payment) => payment.id === id)
    if (!isOpen) return yield* new LedgerError({ message: `payment ${id} is confirmed or cancelled already` })
    yield* books.enter({ paymentId: id }, "sent", negated(changesOf(outputs)), at, reason)
    yield* setPaymentState(sql, id, "cancelled", at, reason)
  })
