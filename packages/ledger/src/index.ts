export * from "./scheme/coinbase-payments.ts"
export * from "./scheme/divide.ts"
export * from "./scheme/policy.ts"
export * from "./scheme/settlement.ts"
export * from "./scheme/share-value.ts"
export * from "./scheme/window.ts"
export * from "./scheme/work.ts"
export * from "./ledger-error.ts"
export {
  type Acknowledge,
  layerReading,
  Ledger,
  type LedgerCalls,
  ledgerDefaults,
  type LedgerOptions,
  type LedgerSettings
} from "./ledger.ts"
export type { SpoolOptions } from "./spool/spool.ts"
export { handOverSpool, hasSpooled } from "./spool/hand-over.ts"
export { followBooks } from "./follow-books.ts"
export { makeShareOf, shareOfLogged } from "./share-of.ts"
export {
  type Basis,
  type BlockState,
  type Books,
  type Entry,
  type FoundBlock,
  readBalances,
  readBlocks,
  readEntries,
  readSettlements,
  type StoredBlock,
  type StoredSettlement,
  type Totals
} from "./store/books.ts"
export {
  countBlocks,
  type Numbered,
  type PaidBlock,
  readAccountEntries,
  readPaidBlock,
  readPaidBlocks,
  readPayments
} from "./store/pages.ts"
export { type KnownShares, readKnownShares } from "./known-shares.ts"
export { sharesFrom } from "./store/read-shares.ts"
export { readWindow } from "./store/read-window.ts"
export type { NewShare, StoredShare } from "./store/share.ts"
export { LedgerSql, type LedgerSqlCalls } from "./store/ledger-sql.ts"
export { type LedgerPlace, nameOf as ledgerName } from "./place.ts"
export { LedgerPayouts } from "./payouts.ts"
export {
  type LedgerPayoutsCalls,
  ledgerPayoutsDefaults,
  type LedgerPayoutsOptions,
  type Plan
} from "./payouts-options.ts"
export { computeSettlement, type Computed, scriptOf } from "./settle.ts"
export { leaseServerId, type ServerLease, type ServerLeaseOptions } from "./server-lease.ts"
export { followRetention, makeRetention, type Retention, type RetentionOptions } from "./retention.ts"
export { WindowTracker } from "./window-tracker.ts"
export { audit, type AuditReport } from "./audit.ts"
export { type BlockChange, followBlocks, MATURITY } from "./follow-blocks.ts"
export { type Account, readAccounts } from "./accounts.ts"
export { replay, type Replay, type ReplayOptions } from "./replay.ts"
export {
  type AddressChange,
  addressesAt,
  changeAddress,
  readAddressChanges,
  type UserAddress
} from "./store/addresses.ts"
export { type PaymentState, readPayable, readWalletPayments, type StoredPayment } from "./store/payments.ts"
export {
  type Due,
  type DueOptions,
  type FollowedPayment,
  followPayments,
  isReplaced,
  type PayOptions,
  payOut,
  readDue,
  sendSigned,
  takeBack
} from "./pay/pay.ts"
export * from "./pay/wallet.ts"
export * as NodeWallet from "./pay/node-wallet.ts"
export { computePurchase, type Reserve, readReserve } from "./buying.ts"
export { readPurchases, readRemainders, type StoredPurchase } from "./store/purchases.ts"
