/**
 * Where work comes from, as a server of miners sees it: jobs and previous hashes for its channels, the extranonce space
 * below the source's own prefix, and the way back for found work that the source wants. `Templates` makes work of a
 * template provider's messages; a proxy makes it of its upstream's jobs. The server and its channels do not know which.
 *
 * Connections whose jobs have the same coinbase share a `WorkGroup`: a pool with one payout has one group, solo mining has
 * one for each address. Changes of work are numbered, because ten thousand connections are not told in one turn of the event
 * loop: each connection knows how many changes it was told of, and is told of the others before anything else happens to it.
 */
import type { Announcement, ExtranonceSpace, Jobs, SourceShare } from "@sluice/channels"
import { Context, type Effect, type Stream } from "effect"

/** One change for a group: an announcement to its channels, or the reason why a message of the source makes no work. */
export type WorkChange = Announcement | IgnoredWork

export interface IgnoredWork {
  readonly _tag: "Ignored"
  readonly reason: string
  /** Whether the message was about a new block: then miners stay on the one before. */
  readonly isNewBlock: boolean
}

/** Connections that share their jobs. */
export interface WorkGroup {
  readonly jobs: Jobs
}

export interface Work {
  /** Gives the channels of all groups their extranonce prefixes. */
  readonly space: ExtranonceSpace
  /** Whether miners may roll the version bits of BIP323 (5.3.1). */
  readonly versionRollingAllowed: boolean
  /** The group of a connection until its first channel says whose it is; the only one where all are paid alike. */
  readonly common: WorkGroup
  readonly groupCount: number
  /** The group that a user's first channel puts its connection into; `undefined` leaves it where it is. Leave it once. */
  readonly join: (userIdentity: string) => WorkGroup | undefined
  readonly leave: (group: WorkGroup) => void
  /** Why a user gets no channel on a connection of this group; `undefined` lets it in (5.3.6). */
  readonly refusal: (group: WorkGroup, userIdentity: string) => "invalid-user-identity" | undefined
  /** How many changes there have been. */
  readonly changeCount: number
  /** The changes for a group after the first `seen` ones; only the latest batch of them is still known. */
  readonly changesSince: (group: WorkGroup, seen: number) => ReadonlyArray<WorkChange>
}

/** A batch of changes, as they are for the common group. */
export interface WorkNews {
  readonly changes: ReadonlyArray<WorkChange>
  /** When the source's messages came, by the monotonic clock. */
  readonly arrivedAtNanos: bigint
}

/** The connection behind a source; `server` is its address as people write it. */
export type WorkSourceState =
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Connected"; readonly server: string }
  | { readonly _tag: "Disconnected"; readonly server: string; readonly reason: string }

export class WorkSource extends Context.Service<
  WorkSource,
  {
    /** What operators call it, such as "template provider". */
    readonly name: string
    readonly work: Work
    /**
     * Changes of `work`, made when they are pulled: one server pulls the next batch when all its connections know the one
     * before. It never ends and never fails.
     */
    readonly news: Stream.Stream<WorkNews>
    /** Takes a block, or a share that meets the job's `submitTarget`. It is kept while the source is away. */
    readonly submit: (found: SourceShare) => Effect.Effect<void>
    /** The state of the source now, and each change of it. */
    readonly state: Stream.Stream<WorkSourceState>
  }
>()("sluice/mining-server/WorkSource") {}
