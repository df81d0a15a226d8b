/** The totals of a server since its start, as people and programs read them. */
import { Schema } from "effect"
import { HashRates } from "./work-windows.ts"

/** `WorkSourceState`, as `{"state": "Connected", "server": ...}` in JSON. */
const UpstreamState = Schema.Union([
  Schema.TaggedStruct("Connecting", {}).pipe(Schema.encodeKeys({ _tag: "state" })),
  Schema.TaggedStruct("Connected", { server: Schema.String }).pipe(Schema.encodeKeys({ _tag: "state" })),
  Schema.TaggedStruct("Disconnected", { server: Schema.String, reason: Schema.String }).pipe(
    Schema.encodeKeys({ _tag: "state" })
  )
])

/** Counts since the start, and the present state. Times in milliseconds since 1970. */
export const MiningServerStats = Schema.Struct({
  startedAt: Schema.Finite,
  /** The connection of the source of work. */
  upstream: UpstreamState,
  /** The height of the block that miners work on; 0 before the first work. */
  height: Schema.Finite,
  /** Open connections. */
  connections: Schema.Finite,
  /** Open channels, by kind. */
  channels: Schema.Struct({ standard: Schema.Finite, extended: Schema.Finite }),
  /** Known users: those with a channel, and those that had one lately. */
  users: Schema.Finite,
  /** Jobs that the source made, future ones included: of templates in a pool. */
  templates: Schema.Finite,
  prevHashes: Schema.Finite,
  /** Jobs that clients set themselves; the refused ones by error code. */
  customJobs: Schema.Struct({ accepted: Schema.Finite, refused: Schema.Record(Schema.String, Schema.Finite) }),
  accepted: Schema.Finite,
  /** Sum of the difficulties of accepted shares. */
  acceptedDifficulty: Schema.Finite,
  /** Refused shares by error code. */
  refused: Schema.Record(Schema.String, Schema.Finite),
  /** Blocks found, accepted by the node or not. */
  blocks: Schema.Finite,
  /** Difficulty of the best hash so far; 0 before the first share. */
  bestDifficulty: Schema.Finite,
  /** Of all channels, closed ones included. */
  hashRates: HashRates,
  /** Milliseconds from the arrival of work until its job was written to the connections; 0 before the first. */
  latency: Schema.Struct({
    count: Schema.Finite,
    last: Schema.Finite,
    mean: Schema.Finite,
    max: Schema.Finite
  })
})
export type MiningServerStats = typeof MiningServerStats.Type
