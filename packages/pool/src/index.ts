export { customWorkOf, type CustomWorkOptions, DEFAULT_MIN_PAYOUT_PERCENT } from "./custom-work.ts"
export * from "./pool.ts"
