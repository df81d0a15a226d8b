/** The measurements of a swarm, declared once as a Schema: its type, its JSON, and the meaning of its numbers. */
import { Schema } from "effect"
import { Latency } from "./latency.ts"

const Count = Schema.Int
/** Counts by the protocol's error code, or by the kind of an error. */
const CountBy = Schema.Record(Schema.String, Count)
const Bad = Schema.Struct({
  sent: Count,
  /** Bad shares that the server accepted: 0 with a correct server. */
  accepted: Count
})

export const SwarmReport = Schema.Struct({
  /** Milliseconds since 1970. */
  startedAt: Schema.Number,
  seconds: Schema.Number,
  /** The requested load. */
  plan: Schema.Struct({
    connections: Count,
    channels: Count,
    kind: Schema.Literals(["standard", "extended"]),
    sharesPerMinute: Schema.Number,
    nominalHashRate: Schema.Number
  }),
  connections: Schema.Struct({
    /** Connections that are open now. */
    open: Count,
    /** All connections that were opened: more than `plan.connections` if some were lost. */
    opened: Count,
    /** Connections that failed or that the server ended, by the kind of the error. */
    lost: CountBy,
    /** Connections that the server ended after garbage. */
    endedForGarbage: Count,
    /** Connections that could not be made, by the kind of the error. */
    failed: CountBy,
    /** Seconds from the start until all requested channels had work at the same time; 0 if they never had. */
    allWorkingAfterSeconds: Schema.Number
  }),
  channels: Schema.Struct({ open: Count, opened: Count, working: Count, closed: CountBy, refused: CountBy }),
  shares: Schema.Struct({
    /** Valid shares that were submitted. */
    submitted: Count,
    accepted: Count,
    /** Refused shares by error code. */
    refused: CountBy,
    /** Shares whose connection ended before the answer. */
    unanswered: Count,
    /** Shares that still wait for an answer. */
    pending: Count,
    /** Shares that were found after their block was over, and not submitted. */
    tooLate: Count,
    /** Shares submitted more than a second late, because this machine had not found them in time. */
    behind: Count,
    /** The sum of difficulties that the server acknowledged. */
    difficultySum: Schema.Number,
    perSecond: Schema.Number
  }),
  /** The requested misbehaviour. */
  bad: Schema.Struct({ stale: Bad, duplicate: Bad, lowDifficulty: Bad, garbage: Bad }),
  jobs: Count,
  prevHashes: Count,
  /** Rules of the specification that the server broke, by name. */
  violations: CountBy,
  latency: Schema.Struct({
    /** From the dial to SetupConnection.Success: TCP, Noise and setup. */
    connect: Latency,
    /** From the write of a valid share to the read of its acknowledgement. */
    acknowledgement: Latency,
    /** From a job's first arrival on any connection to its arrival on each other connection. */
    job: Latency,
    /** From a SetNewPrevHash's first arrival on any connection to its arrival on each other connection. */
    prevHash: Latency
  }),
  /** Load of the swarm's own process. Delays of its event loop add to the latencies. */
  process: Schema.Struct({
    cpuSeconds: Schema.Number,
    rssBytes: Schema.Number,
    eventLoopDelay: Schema.Struct({ p50: Schema.Number, p99: Schema.Number, max: Schema.Number })
  })
})
export type SwarmReport = typeof SwarmReport.Type
