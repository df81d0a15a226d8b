/** What a swarm has measured, declared once: the type, the JSON that is written, and what its numbers mean. */
import { Schema } from "effect"
import { Latency } from "./latency.ts"

const Count = Schema.Int
/** Counts by the protocol's error code, or by the kind of an error. */
const CountBy = Schema.Record(Schema.String, Count)
const Bad = Schema.Struct({
  sent: Count,
  /** Accepted all the same: a good server has none. */
  accepted: Count
})

export const SwarmReport = Schema.Struct({
  /** Milliseconds since 1970. */
  startedAt: Schema.Number,
  seconds: Schema.Number,
  /** What was asked for. */
  plan: Schema.Struct({
    connections: Count,
    channels: Count,
    kind: Schema.Literals(["standard", "extended"]),
    sharesPerMinute: Schema.Number,
    nominalHashRate: Schema.Number
  }),
  connections: Schema.Struct({
    /** Now. */
    open: Count,
    /** In all, so above `plan.connections` where some were lost and came again. */
    opened: Count,
    /** Ended without our doing, by the kind of the error. */
    lost: CountBy,
    /** Ended by the server after garbage. */
    endedForGarbage: Count,
    /** Never came about, by the kind of the error. */
    failed: CountBy,
    /** From the start until all channels that were asked for had work at once, in seconds; 0 if they never had. */
    allWorkingAfterSeconds: Schema.Number
  }),
  channels: Schema.Struct({ open: Count, opened: Count, working: Count, closed: CountBy, refused: CountBy }),
  shares: Schema.Struct({
    /** Good ones, as an honest miner sends them. */
    submitted: Count,
    accepted: Count,
    /** By error code. */
    refused: CountBy,
    /** Sent, and the connection ended before an answer. */
    unanswered: Count,
    /** Sent, and an answer may yet come. */
    pending: Count,
    /** Found, and the block was over: not sent. */
    tooLate: Count,
    /** Sent a second or more after their time, because this machine had not found them. */
    behind: Count,
    /** As the server counts, in units of difficulty. */
    difficultySum: Schema.Number,
    perSecond: Schema.Number
  }),
  /** Misbehaviour that was asked for. */
  bad: Schema.Struct({ stale: Bad, duplicate: Bad, lowDifficulty: Bad, garbage: Bad }),
  jobs: Count,
  prevHashes: Count,
  /** Rules of the specification that the server broke, by name. */
  violations: CountBy,
  latency: Schema.Struct({
    /** From the dial until SetupConnection.Success: TCP, Noise and setup. */
    connect: Latency,
    /** From the write of a good share until its acknowledgement was read. */
    acknowledgement: Latency,
    /** A job's arrival, after its arrival on the first connection that had it. */
    job: Latency,
    /** A SetNewPrevHash's arrival, after its arrival on the first connection that had it. */
    prevHash: Latency
  }),
  /** Of the swarm itself. What delays its event loop is in its latencies too. */
  process: Schema.Struct({
    cpuSeconds: Schema.Number,
    rssBytes: Schema.Number,
    eventLoopDelay: Schema.Struct({ p50: Schema.Number, p99: Schema.Number, max: Schema.Number })
  })
})
export type SwarmReport = typeof SwarmReport.Type
