/** The state of the whole server in one answer: the first things that an operator looks at. Times in milliseconds since 1970. */
import { Schema } from "effect"
import { HashRate } from "./hash-rate.ts"

/** The program that is monitored. */
export const Role = Schema.Literals(["pool", "proxy", "declarator", "demo"])
export type Role = typeof Role.Type

/** A fault that an operator should look at now. */
export const Trouble = Schema.Literals([
  "no-upstream",
  "no-work",
  "no-miners",
  "many-refused",
  "alerts-firing",
  "history-not-written"
])
export type Trouble = typeof Trouble.Type

export const FoundBlock = Schema.Struct({
  at: Schema.Finite,
  height: Schema.Finite,
  /** 64 hex digits, as block explorers show it. */
  hash: Schema.String,
  /** The identity of the channel that found it. */
  worker: Schema.String,
  /** The error code if the share was refused all the same. */
  refusal: Schema.NullOr(Schema.String),
  /** The work that it took, in blocks that the work finds on average. Null if it is not known. */
  effort: Schema.NullOr(Schema.Finite)
})
export type FoundBlock = typeof FoundBlock.Type

export const Overview = Schema.Struct({
  role: Role,
  now: Schema.Finite,
  startedAt: Schema.Finite,
  /** Empty if all is well. */
  troubles: Schema.Array(Trouble),
  upstream: Schema.Struct({
    state: Schema.Literals(["connecting", "connected", "disconnected"]),
    server: Schema.NullOr(Schema.String),
    reason: Schema.NullOr(Schema.String)
  }),
  /** The height of the block that miners work on; 0 before the first work. */
  height: Schema.Finite,
  connections: Schema.Finite,
  channels: Schema.Struct({ standard: Schema.Finite, extended: Schema.Finite }),
  users: Schema.Finite,
  /** Over the last five minutes. */
  hashRate: HashRate,
  /** Hashes a second over other times. `day` is null until history has an hour of it. */
  hashRates: Schema.Struct({
    oneMinute: Schema.Finite,
    fiveMinutes: Schema.Finite,
    oneHour: Schema.Finite,
    day: Schema.NullOr(Schema.Finite)
  }),
  accepted: Schema.Finite,
  acceptedDifficulty: Schema.Finite,
  /** Refused shares since the start, by error code. */
  refused: Schema.Record(Schema.String, Schema.Finite),
  /** The part of the shares of the last five minutes that was refused, from 0 to 1. Null without a share. */
  refusedPart: Schema.NullOr(Schema.Finite),
  /** Jobs that clients set themselves, and those that were refused, by error code. */
  customJobs: Schema.Struct({ accepted: Schema.Finite, refused: Schema.Record(Schema.String, Schema.Finite) }),
  /**
   * The difficulty that miners were credited with, less the difficulty that the pools of a proxy credited. It wanders around zero; a
   * steady rise is work that nobody pays. Null for a pool.
   */
  uncreditedDifficulty: Schema.NullOr(Schema.Finite),
  blocks: Schema.Finite,
  lastBlock: Schema.NullOr(FoundBlock),
  bestDifficulty: Schema.Finite,
  /** Of the present previous hash. Null before the first one. */
  networkDifficulty: Schema.NullOr(Schema.Finite),
  /** The work since the last block, in blocks that it finds on average: 1 is what one block takes. Null as above. */
  effort: Schema.NullOr(Schema.Finite),
  /** Whether there is a ledger: `/api/ledger` has accounts and payouts then. */
  hasLedger: Schema.Boolean,
  jobs: Schema.Struct({ count: Schema.Finite, lastAt: Schema.NullOr(Schema.Finite) }),
  /** Milliseconds from the arrival of work until its job was written to all connections. */
  latency: Schema.Struct({ last: Schema.Finite, mean: Schema.Finite, max: Schema.Finite }),
  process: Schema.Struct({ residentBytes: Schema.Finite, cpuSeconds: Schema.Finite })
})
export type Overview = typeof Overview.Type
