/** What the template provider sent, to all connections: in one write each, some connections in each turn of the event loop. */
import { hashToDisplay } from "@sluice/bitcoin"
import { type Announcement, type Ignored, type Server, templateOf } from "@sluice/channels"
import { Mining } from "@sluice/protocol"
import type { TemplateMessage } from "@sluice/template-provider"
import type { Notices } from "@sluice/transport"
import { type Clock, Effect } from "effect"
import type { PoolEvent } from "./event.ts"
import type { PoolMetrics } from "./metrics.ts"
import type { Recorder } from "./recorder.ts"
import type { Session } from "./session.ts"
import { inParts } from "./turns.ts"
import type { Work } from "./work.ts"

/** Of channels that get a job of their own, how many cost as much as a connection that gets the one for all. */
const OWN_JOBS = 4

export interface AnnouncingOptions {
  readonly sessions: ReadonlyMap<number, Session>
  readonly work: Work
  readonly validator: Server.ShareValidator
  readonly recorder: Recorder
  readonly metrics: PoolMetrics
  readonly notices: Notices
  readonly clock: Clock.Clock
}

/** Takes messages of the template provider and tells all connections; ends when all of them were written to. */
export const makeAnnouncing = ({ clock, validator, metrics, notices, recorder, sessions, work }: AnnouncingOptions) => {
  const logOf = (event: PoolEvent, { _tag }: TemplateMessage): Effect.Effect<void> => {
    if (event._tag !== "TemplateIgnored") return Effect.logDebug(event._tag, event)
    const message = `The template provider sent something that cannot be used: ${event.reason}`
    // Without the block that a SetNewPrevHash is for, all work may be in vain.
    return notices.note(`ignored ${_tag}`, message, _tag === "SetNewPrevHash" ? "Error" : "Warn")
  }

  return Effect.fnUntraced(function* (batch: ReadonlyArray<TemplateMessage>) {
    const arrived = clock.monotonicTimeNanosUnsafe()
    const made = work.onMessages(batch, clock.currentTimeMillisUnsafe())
    const parts = inParts(sessions.values(), (session) => 1 + ownJobs(session) / OWN_JOBS)
    for (const [index, some] of parts.entries()) {
      if (index > 0) yield* Effect.yieldNow
      prepareMerkleRoots(some, work, validator)
      for (const session of some) session.send()
    }
    const latencyMs = Number(clock.monotonicTimeNanosUnsafe() - arrived) / 1e6
    metrics.jobSent(latencyMs / 1000)
    const happened = made.map((announcement) => eventOf(announcement, sessions.size, latencyMs))
    yield* recorder.record(happened)
    yield* Effect.forEach(happened, (event, index) => logOf(event, batch[index]!), { discard: true })
  })
}

/** How many of its channels get jobs of their own. */
const ownJobs = ({ connection, machine }: Session): number =>
  (connection.setup.flags & Mining.REQUIRES_STANDARD_JOBS) === 0 ? 0 : machine.channelCount

/** Of the channels that get jobs of their own, those of several connections together: that is most of what such a job costs. */
const prepareMerkleRoots = (sessions: ReadonlyArray<Session>, work: Work, validator: Server.ShareValidator): void => {
  for (const [payee, together] of Map.groupBy(sessions, ({ payee }) => payee)) {
    const channels = together.flatMap(({ machine }) => Array.from(machine.ownJobChannels))
    if (channels.length === 0) continue
    for (const announcement of work.newsFor(payee, 0)) {
      if (announcement._tag === "FutureJob" || announcement._tag === "NewJob") {
        validator.prepareMerkleRoots(channels, announcement.job)
      }
    }
  }
}

const eventOf = (announcement: Announcement | Ignored, connections: number, latencyMs: number): PoolEvent => {
  if (announcement._tag === "Ignored") return { _tag: "TemplateIgnored", reason: announcement.reason }
  const { height, id } = announcement.job
  const common = { jobId: id, height, connections, latencyMs }
  return announcement._tag === "NewPrevHash"
    ? { _tag: "PrevHashSent", ...common, prevHash: hashToDisplay(announcement.message.prevHash) }
    : {
        _tag: "JobSent",
        ...common,
        templateId: templateOf(announcement.job).templateId,
        future: announcement._tag === "FutureJob"
      }
}
