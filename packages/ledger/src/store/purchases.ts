/**
 * Purchases of shares in the database (PPS, FPPS): each covers the shares after the one before it, so every share is bought once. Shares that
 * another scheme has paid for are covered by a purchase without a price.
 */
import { Clock, Effect, Option, Schema, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { LedgerCalls } from "../ledger.ts"
import { LedgerError } from "../ledger-error.ts"
import type { Amounts } from "../scheme/divide.ts"
import { isBlockPolicy, Policy } from "../scheme/policy.ts"
import type { Books } from "./books.ts"

const Whole = Schema.BigIntFromString

/** What a purchase was computed from, beside its policy and the remainders of those before. */
export const PurchaseBasis = Schema.Struct({
  /** Shares after this sequence number, up to the other one. */
  afterSeq: Schema.Int,
  lastSeq: Schema.Int,
  /** The value of a block; absent for shares that are not paid. */
  price: Schema.optionalKey(Schema.Struct({ subsidy: Whole, fees: Whole, networkWork: Whole }))
})
export type PurchaseBasis = typeof PurchaseBasis.Type

const PolicyJson = Schema.fromJsonString(Policy)
const BasisJson = Schema.fromJsonString(PurchaseBasis)
const encodePolicy = Schema.encodeSync(PolicyJson)
const encodeBasis = Schema.encodeSync(BasisJson)

export interface StoredPurchase {
  readonly id: number
  readonly at: number
  readonly policy: Policy
  readonly basis: PurchaseBasis
}

interface PurchaseRow {
  readonly id: number
  readonly at: number
  readonly policy: string
  readonly basis: string
}

const PAGE = 1_000

/** All purchases, oldest first. */
export const readPurchases = (
  sql: SqlClient.SqlClient
): Stream.Stream<StoredPurchase, SqlError.SqlError | LedgerError> =>
  Stream.paginate(0, (after) =>
    Effect.map(
      sql<PurchaseRow>`SELECT id, at, policy, basis FROM purchases WHERE id > ${after} ORDER BY id LIMIT ${PAGE}`,
      (rows) => [rows, rows.length < PAGE ? Option.none() : Option.some(rows.at(-1)!.id)] as const
    )
  ).pipe(Stream.mapEffect(decodePurchase))

const decodePurchase = ({ at, basis, id, policy }: PurchaseRow): Effect.Effect<StoredPurchase, LedgerError> =>
  Effect.all([Schema.decodeEffect(PolicyJson)(policy), Schema.decodeEffect(BasisJson)(basis)]).pipe(
    Effect.map(([policy, basis]) => ({ id, at, policy, basis })),
    Effect.mapError(({ message }) => new LedgerError({ message: `purchase ${id} cannot be read: ${message}` }))
  )

/** The newest share that was bought; 0 before the first. */
export const readBought = (sql: SqlClient.SqlClient): Effect.Effect<number, SqlError.SqlError> =>
  Effect.map(sql<{ last: number | null }>`SELECT max(last_seq) AS last FROM purchases`, ([row]) =>
    Number(row?.last ?? 0)
  )

/** Parts of a satoshi by user that were earned and are not paid. */
export const readRemainders = (sql: SqlClient.SqlClient): Effect.Effect<Amounts, SqlError.SqlError> =>
  Effect.map(
    sql<{ name: string; parts: string }>`
      SELECT users.name, parts FROM remainders JOIN users ON users.id = remainders.user_id`,
    (rows) => new Map(rows.map(({ name, parts }) => [name, BigInt(parts)]))
  )

/** Adds a purchase with its entries and the remainders that change, inside a transaction. */
export const addPurchase = (
  sql: SqlClient.SqlClient,
  books: Books,
  { basis, policy }: Pick<StoredPurchase, "policy" | "basis">,
  { amounts, remainders }: { readonly amounts: Amounts; readonly remainders: Amounts },
  at: number
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.gen(function* () {
    const [row] = yield* sql<{ id: number }>`
      INSERT INTO purchases (at, after_seq, last_seq, policy, basis)
      VALUES (${at}, ${basis.afterSeq}, ${basis.lastSeq}, ${encodePolicy(policy)}, ${encodeBasis(basis)}) RETURNING id`
    yield* books.enter({ purchaseId: Number(row!.id) }, "earned", amounts, at, "")
    for (const [user, parts] of remainders) {
      yield* sql`INSERT INTO remainders (user_id, parts) VALUES (${yield* books.accountId(user)}, ${parts.toString()})
        ON CONFLICT (user_id) DO UPDATE SET parts = excluded.parts`
    }
  })

const SCHEME = "scheme"

/**
 * Notes the scheme that a pool pays by from now on. A scheme that buys shares buys those that come from now on, if another one was before
 * it. Returns the newest share that was bought.
 */
export const beginScheme = (
  { books, lastSeq, sql }: LedgerCalls,
  policy: Policy
): Effect.Effect<number, SqlError.SqlError | LedgerError> =>
  sql.withTransaction(
    Effect.gen(function* () {
      const [before] = yield* sql<{ value: string }>`SELECT value FROM state WHERE name = ${SCHEME}`
      yield* sql`INSERT INTO state (name, value) VALUES (${SCHEME}, ${policy.scheme})
        ON CONFLICT (name) DO UPDATE SET value = excluded.value`
      const at = yield* Clock.currentTimeMillis
      const bought = yield* readBought(sql)
      const wasBuying = before?.value === "fpps" || before?.value === "pps"
      if (isBlockPolicy(policy) || wasBuying || lastSeq() <= bought) return bought
      const nothing = { amounts: new Map<string, bigint>(), remainders: new Map<string, bigint>() }
      yield* addPurchase(sql, books, { policy, basis: { afterSeq: bought, lastSeq: lastSeq() } }, nothing, at)
      return lastSeq()
    })
  )
