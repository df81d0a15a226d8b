/** Money, where a ledger keeps it. Amounts in satoshis, times in milliseconds since 1970. */
import { Schema } from "effect"
import { pageOf, sortedQuery } from "./page.ts"

/** More than all that there will be. */
export const MAX_SATOSHIS = 2_100_000_000_000_000

export const AccountView = Schema.Struct({
  /** Null for the pool's own account. */
  user: Schema.NullOr(Schema.String),
  /** What blocks earned it, less what was taken back with orphans. */
  earned: Schema.Finite,
  /** What coinbases and payments from the wallet paid it, less what was taken back. */
  paid: Schema.Finite,
  /** Corrections by operators. */
  adjusted: Schema.Finite,
  /** What it is owed; negative if it owes. */
  balance: Schema.Finite
})
export type AccountView = typeof AccountView.Type

/** A line of an account, which is never changed: an orphan is taken back by another line. */
export const EntryView = Schema.Struct({
  id: Schema.Finite,
  at: Schema.Finite,
  /** `sent` is a payment from the wallet. */
  kind: Schema.Literals(["earned", "paid", "adjustment", "sent"]),
  /** What it adds to the balance: payments are negative. */
  satoshis: Schema.Finite,
  /** Of the block that brought it; null for other lines. */
  height: Schema.NullOr(Schema.Finite),
  hash: Schema.NullOr(Schema.String),
  reason: Schema.String
})
export type EntryView = typeof EntryView.Type

/** A block of the ledger with what its coinbase pays to users. */
export const PayoutView = Schema.Struct({
  height: Schema.Finite,
  hash: Schema.String,
  at: Schema.Finite,
  state: Schema.Literals(["found", "confirmed", "orphaned", "restored"]),
  /** All that the coinbase pays. */
  reward: Schema.Finite,
  /** How the reward was divided; null without a settlement. */
  scheme: Schema.NullOr(Schema.String),
  /** How many users it pays, and how much they get together. */
  users: Schema.Finite,
  paid: Schema.Finite
})
export type PayoutView = typeof PayoutView.Type

export const PaymentView = Schema.Struct({
  /** Null for the pool. */
  user: Schema.NullOr(Schema.String),
  earned: Schema.Finite,
  paid: Schema.Finite
})
export type PaymentView = typeof PaymentView.Type

/** Whom the next block would pay, if it were found now with the present job. */
export const PlanView = Schema.Struct({
  height: Schema.Finite,
  reward: Schema.Finite,
  scheme: Schema.String,
  /** How full the window is, from 0 to 1. Null for windows without a size. */
  windowFilled: Schema.NullOr(Schema.Finite),
  /** The least amount that is paid; smaller ones are carried to the next block. */
  minimum: Schema.Finite,
  /** What the pool's own outputs get. */
  pool: Schema.Finite,
  total: Schema.Finite,
  offset: Schema.Finite,
  /** The largest payment first. `earned` is of this block, `paid` has balances too. */
  items: Schema.Array(PaymentView)
})
export type PlanView = typeof PlanView.Type

export const Accounts = pageOf(AccountView)
export const accountQuery = sortedQuery(["user", "earned", "paid", "adjusted", "balance"])
export const AccountPage = Schema.Struct({ ...AccountView.fields, entries: pageOf(EntryView) })
export const LedgerBlocks = pageOf(PayoutView)
export const Payments = Schema.Struct({ ...PayoutView.fields, payments: pageOf(PaymentView) })

/** Moves an amount from the pool's account to a user's, or back if it is negative. */
export const Adjust = Schema.Struct({
  user: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(255)),
  /** Not 0. */
  satoshis: Schema.Union([
    Schema.Int.check(Schema.isBetween({ minimum: -MAX_SATOSHIS, maximum: -1 })),
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: MAX_SATOSHIS }))
  ]),
  /** Kept with the entry for ever. */
  reason: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(255))
})
export const Adjusted = Schema.Struct({ user: Schema.String, balance: Schema.Finite })
