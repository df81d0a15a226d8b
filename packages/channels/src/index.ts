export {
  ChannelClient,
  type ChannelClientOptions,
  type CustomJobFields,
  type ExtendedChannelRequest,
  type MinedShare,
  type StandardChannelRequest
} from "./client/channel-client.ts"
export { type ChannelWork, type ExtendedWork, latestNtime, type StandardWork } from "./client/channel-work.ts"
export type { ClientChannel } from "./client/channel.ts"
export type { ClientEvent, ClientOutbox } from "./client/event.ts"
export type { PendingShare } from "./client/pending-shares.ts"
export { ProtocolViolation, SERVER_RULES, type ServerRule } from "./client/protocol-violation.ts"
export {
  HASHES_PER_DIFFICULTY,
  hashRateToTarget,
  MAX_TARGET,
  targetToHashRate,
  u256FromBytes,
  u256ToBytes
} from "./difficulty/hash-rate.ts"
export { HashRateSum } from "./difficulty/hash-rate-sum.ts"
export { ProvenHashRate } from "./difficulty/proven-hash-rate.ts"
export { ShownRate, type ShownRates, type ShownWork } from "./difficulty/shown-rate.ts"
export { Vardiff } from "./difficulty/vardiff.ts"
export {
  defaultExtranonceLayout,
  type ExtranonceLayout,
  ExtranonceLayoutError,
  type ExtranonceLease,
  ExtranonceSpace
} from "./extranonce.ts"
export { MAX_CUSTOM_JOBS } from "./jobs/custom-channel-jobs.ts"
export {
  type CustomJob,
  CustomJobOrigin,
  type CustomJobRefusal,
  type CustomJobRequest,
  type CustomJobs,
  type CustomJobTip
} from "./jobs/custom-job.ts"
export type { Job } from "./jobs/job.ts"
export {
  type ActiveJob,
  type Announcement,
  GROUP_CHANNEL_ID,
  type JobKey,
  Jobs,
  type JobsOptions,
  type PlacedJob,
  type PrevHash
} from "./jobs/jobs.ts"
export type { SourceShare } from "./jobs/source-share.ts"
export { Outbox } from "./outbox.ts"
export { ChannelServer, type ChangePrefixRefusal, type SetGroupRefusal } from "./server/channel-server.ts"
export type { ChannelServerContext, ChannelSpace } from "./server/connection-state.ts"
export type {
  BlockFound,
  ChannelClosed,
  ChannelEvent,
  ChannelInfo,
  ChannelOpened,
  ChannelRefused,
  CustomJobRefused,
  CustomJobSet,
  ServerOutbox,
  ShareAccepted,
  ShareForSource,
  ShareRefused,
  TargetChanged
} from "./server/event.ts"
export {
  EXTRANONCE_SPACE_EXHAUSTED,
  NO_WORK_YET,
  isHashRate,
  isMaxTarget,
  refusalToOpen,
  TOO_MANY_CHANNELS,
  VERSION_ROLLING_NOT_SUPPORTED
} from "./server/open.ts"
export {
  NO_VERDICT,
  type SourceChange,
  type SourceChannel,
  type SourceChannels,
  type Via
} from "./jobs/source-channel.ts"
export { type ChannelPolicy, defaultChannelPolicy } from "./server/policy.ts"
export { ShareValidator, TOO_MANY_SHARES, TOO_MANY_SHARES_PER_SECOND } from "./shares/share-validator.ts"
export { solutionOf } from "./templates/solution.ts"
export {
  checkCoinbaseRoom,
  type CoinbaseRules,
  jobFromTemplate,
  templateOf,
  type TemplateOrigin,
  withJobId
} from "./templates/template-job.ts"
export { type Ignored, TemplateJobs, type TemplateJobsOptions } from "./templates/template-jobs.ts"
export { parseUserIdentity, type UserIdentity } from "./user-identity.ts"
