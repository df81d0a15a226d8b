/** Connections, channels, users and workers. Names are those that miners chose. Times in milliseconds since 1970. */
import { Schema } from "effect"
import { HashRate } from "./hash-rate.ts"
import { AccountView } from "./ledger.ts"
import { pageOf, queryNumber, sortedQuery } from "./page.ts"

const counts = {
  accepted: Schema.Finite,
  acceptedDifficulty: Schema.Finite,
  /** All refused shares. */
  refused: Schema.Finite,
  /** Refused shares by error code. */
  refusedByCode: Schema.Record(Schema.String, Schema.Finite),
  blocks: Schema.Finite,
  bestDifficulty: Schema.Finite,
  /** Over the last five minutes. */
  hashRate: HashRate,
  /** Over the last hour, in hashes a second. */
  hashRateHour: Schema.Finite
}

export const ConnectionView = Schema.Struct({
  connectionId: Schema.Finite,
  /** Null if the monitor started after the connection. */
  openedAt: Schema.NullOr(Schema.Finite),
  remote: Schema.NullOr(Schema.String),
  vendor: Schema.NullOr(Schema.String),
  hardware: Schema.NullOr(Schema.String),
  firmware: Schema.NullOr(Schema.String),
  channels: Schema.Finite,
  hashesPerSecond: Schema.Finite
})
export type ConnectionView = typeof ConnectionView.Type

export const ChannelView = Schema.Struct({
  connectionId: Schema.Finite,
  channelId: Schema.Finite,
  kind: Schema.Literals(["standard", "extended"]),
  worker: Schema.String,
  openedAt: Schema.Finite,
  /** The difficulty of the target that was sent last. */
  difficulty: Schema.Finite,
  /** Over the last minute, in hashes a second. */
  hashRateMinute: Schema.Finite,
  ...counts
})
export type ChannelView = typeof ChannelView.Type

export const UserView = Schema.Struct({
  user: Schema.String,
  channels: Schema.Finite,
  firstSeenAt: Schema.Finite,
  /** 0 before the first share. */
  lastShareAt: Schema.Finite,
  ...counts
})
export type UserView = typeof UserView.Type

/** A worker is all open channels with the same identity, such as `alice.rig1`. */
export const WorkerView = Schema.Struct({
  worker: Schema.String,
  user: Schema.String,
  channels: Schema.Finite,
  accepted: Schema.Finite,
  refused: Schema.Finite,
  bestDifficulty: Schema.Finite,
  /** The highest difficulty of its channels. */
  difficulty: Schema.Finite,
  hashRate: HashRate,
  hashRateHour: Schema.Finite,
  connectedSince: Schema.Finite
})
export type WorkerView = typeof WorkerView.Type

export const ConnectionPage = pageOf(ConnectionView)
export const connectionQuery = sortedQuery(["connectionId", "openedAt", "channels", "hashesPerSecond", "vendor"])
export const ChannelPage = pageOf(ChannelView)
export const channelQuery = {
  ...sortedQuery(["worker", "hashRate", "accepted", "refused", "difficulty", "openedAt"]),
  /** Channels of this connection only. */
  connectionId: Schema.optionalKey(queryNumber("connectionId"))
}
export const UserPage = pageOf(UserView)
export const userQuery = sortedQuery(["user", "hashRate", "accepted", "refused", "channels", "lastShareAt"])
export const WorkerPage = pageOf(WorkerView)
export const workerQuery = sortedQuery(["worker", "hashRate", "accepted", "refused", "difficulty", "connectedSince"])

/** A user with its workers of now, and its account where a ledger keeps one. */
export const UserPageView = Schema.Struct({
  ...UserView.fields,
  workers: WorkerPage,
  account: Schema.NullOr(AccountView),
  /** What the next block would pay it, in satoshis. Null without a plan. */
  nextPayment: Schema.NullOr(Schema.Finite)
})
