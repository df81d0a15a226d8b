export { type ChannelAddress, type Control, ControlError } from "./control.ts"
export { defaultTrafficLimits, type TrafficLimits } from "./connections/traffic.ts"
export type { CustomWork } from "./custom-work.ts"
export * from "./event.ts"
export { MiningServer, type MiningServerCalls } from "./mining-server.ts"
export { OptionError } from "./option-error.ts"
export { defaultMiningServerOptions, leastSharesPerSecond, type MiningServerOptions } from "./options.ts"
export { openShareLog, LoggedShare, ShareLogError } from "./shares/share-log.ts"
export { Recording, type ShareSink, shareSink, ShareSinkError } from "./shares/share-sink.ts"
export { addCounts, addUsers, mergeStats, type MiningServerCounts, NO_COUNTS } from "./statistics/merge.ts"
export type { PresentJob } from "./statistics/present-job.ts"
export { type Page, type Statistics, UsersPage, UserWithChannels } from "./statistics/statistics.ts"
export { MiningServerStats } from "./statistics/stats.ts"
export { ChannelStats, UserStats } from "./statistics/users.ts"
export { HashRates } from "./statistics/work-windows.ts"
export * as JobIds from "./templates/job-ids.ts"
export {
  minerPayout,
  minerScript,
  outputConstraints,
  splitReward,
  splitSoloReward,
  payoutOf,
  type PayoutOptions,
  payoutScript,
  type PayoutShare,
  type SoloOptions,
  UnpayableError
} from "./templates/payout.ts"
export { Payouts, type PayoutsCalls, payoutScripts } from "./templates/payouts.ts"
export * as Templates from "./templates/templates.ts"
export { isUserIdentity, type UserRefusal, type ValidateUser } from "./user.ts"
export { parseUserIdentity, type UserIdentity } from "@sluice/channels"
export {
  type DownstreamLoad,
  type IgnoredWork,
  type Work,
  type WorkChange,
  type WorkGroup,
  type WorkNews,
  WorkSource,
  type WorkSourceState
} from "./work-source/work-source.ts"
