/**
 * A session with one of the sources in a proxy's list, as the machine uses it: `UpstreamSession` mines the pool's jobs, the sessions of
 * `declared/` mine jobs of the proxy's own templates.
 */
import type { SourceShare } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import type { UpstreamFault } from "./fault.ts"
import type { JobSession, PlacedUpstreamJob, UpstreamJob } from "./upstream-job.ts"

export type SessionEvent =
  /** The channel is open; work follows. */
  | { readonly _tag: "Opened" }
  | { readonly _tag: "FutureJob"; readonly job: UpstreamJob; readonly isUnproven?: boolean }
  /**
   * A job to mine. `isUnproven` says that the source cannot be used, or is not known to be usable again: miners get the job only while
   * there is no other source.
   */
  | {
      readonly _tag: "NewJob" | "NewPrevHash"
      readonly placed: PlacedUpstreamJob
      readonly isUnproven?: boolean
    }
  /** The source took a job of the proxy's own, so it can be used. */
  | { readonly _tag: "Proven"; readonly placed: PlacedUpstreamJob }
  /** The source cannot be used for now, but takes shares of the jobs that it knows. */
  | { readonly _tag: "Unwell"; readonly message: string }
  /** Shares that were kept until the source took their job: sent now, or not to be sent any more. */
  | { readonly _tag: "KeptSent" | "KeptLost"; readonly count: number }
  /** Answers to shares; the difficulty is the sum of the targets that they had to meet. */
  | { readonly _tag: "Accepted"; readonly count: number; readonly difficulty: number }
  | { readonly _tag: "Refused"; readonly errorCode: string }
  /** As in the message (3.6.5): an empty host or port 0 is the present one. */
  | { readonly _tag: "Reconnect"; readonly host: string; readonly port: number }
  | { readonly _tag: "Failed"; readonly fault: UpstreamFault }

/**
 * The fate of a share: sent to the source, kept until the source takes its job, not wanted there because it misses the target, or late
 * because its previous hash is no longer in force.
 */
export type Submitted = "sent" | "kept" | "unwanted" | "late"

/** A share that was found for a job that its source did not know yet, or while the source was away. */
export interface KeptShare {
  readonly found: SourceShare
  readonly placed: PlacedUpstreamJob
}

export interface SourceSession extends JobSession {
  /** The first fault. The session does nothing after it. */
  readonly fault: UpstreamFault | undefined
  /** When it began, in milliseconds. */
  readonly openedAt: number
  readonly isOpen: boolean
  /** Whether the channel serves any hash rate. If not, one that states more takes its place when its turn comes. */
  readonly keepsChannel: boolean
  /** The hash rate that was stated last. */
  readonly statedRate: number
  /** The job to mine now; `undefined` before the first, and after a fault. */
  readonly current: PlacedUpstreamJob | undefined
  readonly futureJobs: Iterable<UpstreamJob>
  /** Shares that the source has not answered. */
  readonly pendingCount: number
  readonly hasMessages: boolean
  readonly takeMessages: () => Array<Mining.ToServer>
  readonly receive: (messages: ReadonlyArray<Mining.ToClient>, now: number) => ReadonlyArray<SessionEvent>
  /** Ends the session for a reason that its messages do not show, such as silence. */
  readonly fail: (fault: UpstreamFault) => void
  /** States the hash rate of all miners below (5.3.7), if it was not stated last. */
  readonly update: (hashRate: number) => void
  /** Closes the channel (5.3.9). */
  readonly close: (reason: string) => void
  /** Miners mine the jobs of this session from now on, or do not any more. */
  readonly use: (isInUse: boolean, now: number) => ReadonlyArray<SessionEvent>
  /** Submits a share for one of this session's jobs. */
  readonly submit: (found: SourceShare, now: number) => Submitted
  /** Submits a share for a job of an earlier session. `undefined` if no job of this one has the same headers. */
  readonly resubmit: (share: KeptShare, now: number) => Submitted | undefined
  /** Gives up the shares that wait for the source to take their job. */
  readonly takeKept: () => ReadonlyArray<KeptShare>
}
