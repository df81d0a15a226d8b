/** What the template provider sent, to all connections: in one write each, some connections in each turn of the event loop. */
import { hashToDisplay } from "@sluice/bitcoin"
import type { Server } from "@sluice/channels"
import type { TemplateMessage } from "@sluice/template-provider"
import { type Clock, Effect } from "effect"
import type { PoolEvent } from "./event.ts"
import type { PoolMetrics } from "./metrics.ts"
import type { Recorder } from "./recorder.ts"
import type { Session } from "./session.ts"
import type { Work } from "./work.ts"

/** Connections that are told in one turn of the event loop: a few milliseconds, between which shares are answered. */
const TOLD_AT_ONCE = 64

export interface AnnouncingOptions {
  readonly sessions: ReadonlyMap<number, Session>
  readonly work: Work
  readonly judge: Server.ShareJudge
  readonly recorder: Recorder
  readonly metrics: PoolMetrics
  readonly clock: Clock.Clock
}

/** Takes messages of the template provider and tells all connections; ends when all of them were written to. */
export const makeAnnouncing = ({ clock, judge, metrics, recorder, sessions, work }: AnnouncingOptions) =>
  Effect.fnUntraced(function* (batch: ReadonlyArray<TemplateMessage>) {
    const arrived = clock.monotonicTimeNanosUnsafe()
    const made = work.onMessages(batch, clock.currentTimeMillisUnsafe())
    const listeners = Array.from(sessions.values())
    for (let first = 0; first < listeners.length; first += TOLD_AT_ONCE) {
      if (first > 0) yield* Effect.yieldNow
      const some = listeners.slice(first, first + TOLD_AT_ONCE)
      prepareMerkleRoots(some, work, judge)
      for (const session of some) session.send()
    }
    const latencyMs = Number(clock.monotonicTimeNanosUnsafe() - arrived) / 1e6
    metrics.jobSent(latencyMs / 1000)
    const happened = made.map((announcement) => eventOf(announcement, sessions.size, latencyMs))
    yield* recorder.record(happened)
    yield* Effect.forEach(happened, logOf, { discard: true })
  })

/** Of the channels that get jobs of their own, those of several connections together: that is most of what such a job costs. */
const prepareMerkleRoots = (sessions: ReadonlyArray<Session>, work: Work, judge: Server.ShareJudge): void => {
  for (const [payee, together] of Map.groupBy(sessions, ({ payee }) => payee)) {
    const channels = together.flatMap(({ machine }) => Array.from(machine.ownJobChannels))
    if (channels.length === 0) continue
    for (const announcement of work.newsFor(payee, 0)) {
      if (announcement._tag === "FutureJob" || announcement._tag === "NewJob") {
        judge.prepareMerkleRoots(channels, announcement.job)
      }
    }
  }
}

const eventOf = (
  announcement: Server.Announcement | Server.Ignored,
  connections: number,
  latencyMs: number
): PoolEvent => {
  if (announcement._tag === "Ignored") return { _tag: "TemplateIgnored", reason: announcement.reason }
  const { height, id, templateId } = announcement.job
  const common = { jobId: id, height, connections, latencyMs }
  return announcement._tag === "NewPrevHash"
    ? { _tag: "PrevHashSent", ...common, prevHash: hashToDisplay(announcement.message.prevHash) }
    : { _tag: "JobSent", ...common, templateId, future: announcement._tag === "FutureJob" }
}

const logOf = (event: PoolEvent): Effect.Effect<void> =>
  event._tag === "TemplateIgnored"
    ? Effect.logWarning(`The template provider sent something that cannot be used: ${event.reason}`)
    : Effect.logDebug(event._tag, event)
