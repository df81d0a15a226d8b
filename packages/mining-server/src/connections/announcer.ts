/** Tells all connections of new work: in one write each, some connections in each turn of the event loop. */
import { hashToDisplay } from "@sluice/bitcoin"
import type { ShareValidator } from "@sluice/channels"
import { Mining } from "@sluice/protocol"
import type { Notices } from "@sluice/transport"
import { type Clock, Effect } from "effect"
import type { MiningServerEvent } from "../event.ts"
import type { Recorder } from "../shares/recorder.ts"
import type { PoolMetrics } from "../statistics/metrics.ts"
import type { Work, WorkChange, WorkNews } from "../work/work-source.ts"
import type { Session } from "./session.ts"
import { inParts } from "./turns.ts"

/** This many channels with jobs of their own cost as much as one connection that gets the job for all. */
const OWN_JOBS = 4

export interface AnnouncerOptions {
  readonly sessions: ReadonlyMap<number, Session>
  readonly work: Work
  readonly validator: ShareValidator
  readonly recorder: Recorder
  readonly metrics: PoolMetrics
  readonly notices: Notices
  readonly clock: Clock.Clock
  readonly sourceName: string
}

/** Tells all connections of a batch of changes; ends when all of them were written to. */
export const makeAnnouncer = ({
  clock,
  validator,
  metrics,
  notices,
  recorder,
  sessions,
  sourceName,
  work
}: AnnouncerOptions) => {
  const log = (event: MiningServerEvent, change: WorkChange): Effect.Effect<void> => {
    if (change._tag !== "Ignored") return Effect.logDebug(event._tag, event)
    const message = `The ${sourceName} sent something that cannot be used: ${change.reason}`
    // Without the block that it is about, all work may be in vain.
    const [kind, level] = change.isNewBlock
      ? (["ignored SetNewPrevHash", "Error"] as const)
      : (["ignored NewTemplate", "Warn"] as const)
    return notices.note(kind, message, level)
  }

  return Effect.fnUntraced(function* ({ arrivedAtNanos, changes }: WorkNews) {
    const parts = inParts(sessions.values(), (session) => 1 + ownJobs(session) / OWN_JOBS)
    for (const [index, some] of parts.entries()) {
      if (index > 0) yield* Effect.yieldNow
      prepareMerkleRoots(some, work, validator)
      for (const session of some) session.send()
    }
    const latencyMs = Number(clock.monotonicTimeNanosUnsafe() - arrivedAtNanos) / 1e6
    metrics.jobSent(latencyMs / 1000)
    const events = changes.map((change) => eventOf(change, sessions.size, latencyMs))
    yield* recorder.record(events)
    yield* Effect.forEach(events, (event, index) => log(event, changes[index]!), { discard: true })
  })
}

/** How many of its channels get jobs of their own. */
const ownJobs = ({ connection, machine }: Session): number =>
  (connection.setup.flags & Mining.REQUIRES_STANDARD_JOBS) === 0 ? 0 : machine.channelCount

/** Hashes the merkle roots of jobs for single channels of several connections together: they are most of the cost of such jobs. */
const prepareMerkleRoots = (sessions: ReadonlyArray<Session>, work: Work, validator: ShareValidator): void => {
  for (const [group, together] of Map.groupBy(sessions, ({ group }) => group)) {
    const channels = together.flatMap(({ machine }) => Array.from(machine.ownJobChannels))
    if (channels.length === 0) continue
    for (const change of work.changesSince(group, 0)) {
      if (change._tag === "FutureJob" || change._tag === "NewJob") validator.prepareMerkleRoots(channels, change.job)
    }
  }
}

const eventOf = (change: WorkChange, connections: number, latencyMs: number): MiningServerEvent => {
  if (change._tag === "Ignored") return { _tag: "TemplateIgnored", reason: change.reason }
  const { height, id } = change.job
  const common = { jobId: id, height, connections, latencyMs }
  return change._tag === "NewPrevHash"
    ? { _tag: "PrevHashSent", ...common, prevHash: hashToDisplay(change.message.prevHash) }
    : { _tag: "JobSent", ...common, future: change._tag === "FutureJob" }
}
