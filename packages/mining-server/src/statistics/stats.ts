/** The numbers of a server since it began, as people and programs read them. */
import { Schema } from "effect"
import { HashRates } from "./work-windows.ts"

/** `TemplateSourceState`, as `{"state": "Connected", "server": ...}` in JSON. */
const UpstreamState = Schema.Union([
  Schema.TaggedStruct("Connecting", {}).pipe(Schema.encodeKeys({ _tag: "state" })),
  Schema.TaggedStruct("Connected", { server: Schema.String }).pipe(Schema.encodeKeys({ _tag: "state" })),
  Schema.TaggedStruct("Disconnected", { server: Schema.String, reason: Schema.String }).pipe(
    Schema.encodeKeys({ _tag: "state" })
  )
])

/** Counts since the pool began, and what there is now. Times in milliseconds since 1970. */
export const MiningServerStats = Schema.Struct({
  startedAt: Schema.Finite,
  /** The template provider. */
  upstream: UpstreamState,
  /** Of the block that is mined now; 0 before the first template. */
  height: Schema.Finite,
  /** Connections that are open. */
  connections: Schema.Finite,
  /** Channels that are open. */
  channels: Schema.Struct({ standard: Schema.Finite, extended: Schema.Finite }),
  /** Users who are known: those who are connected, and those who were lately. */
  users: Schema.Finite,
  /** Templates that came, future ones too. */
  templates: Schema.Finite,
  prevHashes: Schema.Finite,
  accepted: Schema.Finite,
  /** Sum of the difficulties of accepted shares. */
  acceptedDifficulty: Schema.Finite,
  /** Refused shares by error code. */
  refused: Schema.Record(Schema.String, Schema.Finite),
  /** Blocks found, accepted by the node or not. */
  blocks: Schema.Finite,
  /** Difficulty of the best hash so far; 0 before the first share. */
  bestDifficulty: Schema.Finite,
  /** Of all channels, also those that are closed. */
  hashRates: HashRates,
  /** Milliseconds from a template's arrival until its job was written to the connections; 0 before the first. */
  latency: Schema.Struct({
    count: Schema.Finite,
    last: Schema.Finite,
    mean: Schema.Finite,
    max: Schema.Finite
  })
})
export type MiningServerStats = typeof MiningServerStats.Type
