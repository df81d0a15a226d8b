/** Where work comes from and what became of it. Times in milliseconds since 1970. */
import { Schema } from "effect"
import { FoundBlock } from "./overview.ts"
import { pageOf } from "./page.ts"

/** A template provider, a pool of a proxy, the job declarator of such a pool, or solo mining while no pool can be used. */
export const UpstreamView = Schema.Struct({
  kind: Schema.Literals(["template-provider", "pool", "declarator", "solo"]),
  name: Schema.String,
  state: Schema.Literals(["active", "reserve", "connecting", "disconnected"]),
  /** Where it is connected, if a server sent it elsewhere. */
  connectedTo: Schema.NullOr(Schema.String),
  reason: Schema.NullOr(Schema.String),
  accepted: Schema.NullOr(Schema.Finite),
  refused: Schema.NullOr(Schema.Finite),
  /** Shares without an answer so far. */
  pending: Schema.NullOr(Schema.Finite),
  /** More about the shares of a pool of a proxy. */
  shares: Schema.NullOr(
    Schema.Struct({
      passedOn: Schema.Finite,
      acceptedDifficulty: Schema.Finite,
      refusedByCode: Schema.Record(Schema.String, Schema.Finite),
      /** Without an answer when a connection ended. */
      unanswered: Schema.Finite,
      /** Not sent, because their block was over at the pool. */
      late: Schema.Finite,
      /** Found while the pool was away, and not to be sent later. */
      lost: Schema.Finite
    })
  ),
  /** Of a declarator, its pool. */
  pool: Schema.NullOr(Schema.String),
  /** Only of a declarator: jobs that were declared, those that it took and those that it refused, and blocks that it got. */
  declared: Schema.NullOr(
    Schema.Struct({
      jobs: Schema.Finite,
      acknowledged: Schema.Finite,
      refused: Schema.Finite,
      refusedByCode: Schema.Record(Schema.String, Schema.Finite),
      pushed: Schema.Finite
    })
  )
})
export type UpstreamView = typeof UpstreamView.Type

export const JobView = Schema.Struct({
  at: Schema.Finite,
  jobId: Schema.Finite,
  height: Schema.Finite,
  /** A job, or the previous hash with which a future job became the present one. */
  kind: Schema.Literals(["job", "future-job", "new-block"]),
  connections: Schema.Finite,
  /** From the arrival of the work until it was handed to the sockets of all connections. */
  latencyMs: Schema.Finite,
  /** Only of `new-block`, 64 hex digits. */
  prevHash: Schema.NullOr(Schema.String)
})
export type JobView = typeof JobView.Type

/** Shares since the start, by how they ended. */
export const ShareCount = Schema.Struct({
  /** `accepted`, or the error code. */
  code: Schema.String,
  shares: Schema.Finite
})
export type ShareCount = typeof ShareCount.Type

export const Upstreams = pageOf(UpstreamView)
export const Jobs = pageOf(JobView)
export const Blocks = pageOf(FoundBlock)
export const Shares = pageOf(ShareCount)
