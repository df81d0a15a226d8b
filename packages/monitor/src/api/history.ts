/** Series over time. Times in milliseconds since 1970. */
import { Schema } from "effect"
import { queryNumber } from "./page.ts"

export const RESOLUTIONS = ["10s", "1m", "10m", "1d"] as const
export const Resolution = Schema.Literals(RESOLUTIONS)
export type Resolution = typeof Resolution.Type

/**
 * The columns of a sample. Rates and latencies are of the time of the sample; `connections` and `workers` are of its end.
 */
export const COLUMNS = [
  "hashRate",
  "accepted",
  "refused",
  "connections",
  "workers",
  "jobLatencyMs",
  "replyLatencyMs",
  "effort",
  "blocks",
  "fees"
] as const
export type Column = (typeof COLUMNS)[number]

const series = Schema.Array(Schema.NullOr(Schema.Finite))

/** `at[i]` is the beginning of sample i. A sample without data is null in all series: nothing is known, which is not zero. */
export const History = Schema.Struct({
  resolution: Resolution,
  stepSeconds: Schema.Finite,
  at: Schema.Array(Schema.Finite),
  hashRate: series,
  accepted: series,
  refused: series,
  connections: series,
  workers: series,
  jobLatencyMs: series,
  replyLatencyMs: series,
  effort: series,
  blocks: series,
  /** The fees of the template, in satoshis. */
  fees: series
})
export type History = typeof History.Type

/** The history of one worker, in steps of ten minutes. */
export const WorkerHistory = Schema.Struct({
  worker: Schema.String,
  stepSeconds: Schema.Finite,
  at: Schema.Array(Schema.Finite),
  hashRate: series,
  accepted: series,
  refused: series
})
export type WorkerHistory = typeof WorkerHistory.Type

/**
 * The difficulty of a channel over time, with the hash rate that its shares showed. A point is added with each change of the
 * difficulty, and every half a minute; the last 240 are kept while the channel is open.
 */
export const ChannelHistory = Schema.Struct({
  worker: Schema.String,
  at: Schema.Array(Schema.Finite),
  difficulty: Schema.Array(Schema.Finite),
  /** Of the last minute. Null at a change of the difficulty. */
  hashRate: series
})
export type ChannelHistory = typeof ChannelHistory.Type

/** Refused shares of each sample by error code. */
export const RefusedHistory = Schema.Struct({
  resolution: Resolution,
  stepSeconds: Schema.Finite,
  at: Schema.Array(Schema.Finite),
  byCode: Schema.Record(Schema.String, series)
})
export type RefusedHistory = typeof RefusedHistory.Type

const time = queryNumber("from")

export const historyQuery = {
  resolution: Schema.optionalKey(Resolution),
  from: Schema.optionalKey(time),
  to: Schema.optionalKey(time)
}
export const workerHistoryQuery = { from: Schema.optionalKey(time), to: Schema.optionalKey(time) }
