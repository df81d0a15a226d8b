/** Job Declaration (specification, section 6), both ends: miners choose the transactions of their blocks. */
export { DeclarationFault } from "./client/client-fault.ts"
export {
  type AllocatedToken,
  type Declaration,
  DeclarationClient,
  type DeclarationClientOptions,
  type DeclarationClientEvent
} from "./client/declaration-client.ts"
export { coinbaseOf, type DeclaredCoinbase, declaredCoinbase, wholeHalves } from "./client/declared-coinbase.ts"
export { type PoolOutputs } from "./client/pool-outputs.ts"
export {
  type DeclaredDigest,
  type DeclaredJob,
  digestOfJob,
  type Token,
  TOKEN_KEY_SIZE,
  TOKEN_SERIAL_SIZE,
  type TokenFault,
  TokenKey,
  type TokenMode,
  Tokens,
  tokenUser
} from "./token/tokens.ts"
export type { ChainTip } from "./server/blocks/block-check.ts"
export { DeclaredJobs } from "./server/blocks/declared-jobs.ts"
export { DeclarationSession } from "./server/connection/declaration-session.ts"
export { type SessionContext, sessionOutbox, type SessionOutbox } from "./server/connection/session-context.ts"
export { TransactionStore } from "./server/mempool/transaction-store.ts"
export { DeclarationServer, type FoundCustomWork } from "./server/declaration-server.ts"
export type { DeclarationEvent } from "./server/event.ts"
export { type DeclarationServerOptions, defaultDeclarationServerOptions } from "./server/options.ts"
export type { DeclarationStats } from "./server/statistics.ts"
export {
  AcceptCustomJobs,
  type AcceptCustomJobsOptions,
  type CustomJobLimits,
  defaultCustomJobLimits,
  TOO_MANY_CUSTOM_JOBS
} from "./custom-job/accept-custom-jobs.ts"
export { checkCustomJob, type CustomCoinbaseFields, customCoinbase } from "./custom-job/check-custom-job.ts"
export { type CustomBlock, customBlockOf } from "./custom-job/custom-block.ts"
export { FairLimit, type FairLimitOptions } from "./custom-job/fair-limit.ts"
export { allocatedOutputs, isPayoutPercent, type PayoutRules, whyUnpaid } from "./custom-job/payout-rules.ts"
export { type SerialsOwner, UsedSerials, type UsedSerialsOptions } from "./custom-job/used-serials.ts"
