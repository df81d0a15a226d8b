export { type CustomWorkOptions, customWorkOf, DEFAULT_MIN_PAYOUT_PERCENT, payoutRulesOf } from "./custom-work.ts"
export * from "./pool.ts"
