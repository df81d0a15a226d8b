/** Announces new work to all connections: in one write each, some connections in each turn of the event loop. */
import { hashToDisplay } from "@sluice/bitcoin"
import type { ShareValidator } from "@sluice/channels"
import { Mining } from "@sluice/protocol"
import type { ThrottledLog } from "@sluice/transport"
import { type Clock, Effect } from "effect"
import type { MiningServerEvent } from "../event.ts"
import type { Recorder } from "../shares/recorder.ts"
import type { MiningServerMetrics } from "../statistics/metrics.ts"
import type { Work, WorkChange, WorkNews } from "../work-source/work-source.ts"
import type { Downstream } from "./downstream.ts"
import { inParts } from "./turns.ts"

/** Announcing to this many channels with jobs of their own costs as much as announcing one group job. */
const OWN_JOBS = 4

export interface AnnouncerOptions {
  readonly downstreams: ReadonlyMap<number, Downstream>
  readonly work: Work
  readonly validator: ShareValidator
  readonly recorder: Recorder
  readonly metrics: MiningServerMetrics
  readonly throttled: ThrottledLog
  readonly clock: Clock.Clock
  readonly sourceName: string
}

/** Returns the function that announces a batch of changes to all connections, and completes when all are written to. */
export const makeAnnouncer = ({
  clock,
  validator,
  metrics,
  throttled,
  recorder,
  downstreams,
  sourceName,
  work
}: AnnouncerOptions) => {
  const log = (event: MiningServerEvent, change: WorkChange): Effect.Effect<void> => {
    if (change._tag !== "Ignored") return Effect.logDebug(event._tag, event)
    const message = `The ${sourceName} sent a message that makes no work: ${change.reason}`
    // Miners stay on the previous block, so all their work may be in vain.
    const [kind, level] = change.isNewBlock
      ? (["ignored SetNewPrevHash", "Error"] as const)
      : (["ignored NewTemplate", "Warn"] as const)
    return throttled.log(kind, message, level)
  }

  return Effect.fnUntraced(function* ({ arrivedAtNanos, changes }: WorkNews) {
    const parts = inParts(downstreams.values(), (downstream) => 1 + ownJobs(downstream) / OWN_JOBS)
    for (const [index, some] of parts.entries()) {
      if (index > 0) yield* Effect.yieldNow
      prepareMerkleRoots(some, work, validator)
      for (const downstream of some) downstream.send()
    }
    const latencyMs = Number(clock.monotonicTimeNanosUnsafe() - arrivedAtNanos) / 1e6
    metrics.jobSent(latencyMs / 1000)
    const events = changes.map((change) => eventOf(change, downstreams.size, latencyMs))
    yield* recorder.record(events)
    yield* Effect.forEach(events, (event, index) => log(event, changes[index]!), { discard: true })
  })
}

/** How many of the connection's channels get jobs of their own. */
const ownJobs = ({ connection, machine }: Downstream): number =>
  (connection.setup.flags & Mining.REQUIRES_STANDARD_JOBS) === 0 ? 0 : machine.channelCount

/**
 * Computes the merkle roots that channels with jobs of their own need, for several connections at once: they are most of the cost
 * of such jobs.
 */
const prepareMerkleRoots = (downstreams: ReadonlyArray<Downstream>, work: Work, validator: ShareValidator): void => {
  for (const [group, together] of Map.groupBy(downstreams, ({ group }) => group)) {
    const channels = together.flatMap(({ machine }) => Array.from(machine.ownJobChannels))
    if (channels.length === 0) continue
    for (const change of work.changesSince(group, 0)) {
      if (change._tag === "FutureJob" || change._tag === "NewJob") validator.prepareMerkleRoots(channels, change.job)
    }
  }
}

const eventOf = (change: WorkChange, connections: number, latencyMs: number): MiningServerEvent => {
  if (change._tag === "Ignored") return { _tag: "WorkIgnored", reason: change.reason }
  const { height, id } = change.job
  const common = { jobId: id, height, connections, latencyMs }
  return change._tag === "NewPrevHash"
    ? { _tag: "PrevHashSent", ...common, prevHash: hashToDisplay(change.message.prevHash), nbits: change.message.nbits }
    : { _tag: "JobSent", ...common, future: change._tag === "FutureJob" }
}
