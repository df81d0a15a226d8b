/**
 * The source of work of a server of miners: it gives jobs and previous hashes for the channels and the extranonce space below its
 * own prefix, and takes the shares that it wants. `Templates` makes work of a template provider's messages; a proxy makes it of its
 * upstream's jobs. The server and its channels do not know which. packages/testing has a test suite for implementations.
 *
 * Connections whose jobs have the same coinbase share a `WorkGroup`: a pool with one payout has one group, solo mining has one for
 * each address. Changes of work are numbered, because announcing to ten thousand connections takes several turns of the event loop:
 * each connection counts the changes that it was told of, and gets the others before it handles anything else.
 */
import type { Announcement, ExtranonceSpace, Jobs, SourceChannel, SourceShare } from "@sluice/channels"
import type { Mining } from "@sluice/protocol"
import { Context, type Effect, type Stream } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"

/** A change for a group: an announcement to its channels, or the reason why a message of the source makes no work. */
export type WorkChange = Announcement | IgnoredWork

export interface IgnoredWork {
  readonly _tag: "Ignored"
  readonly reason: string
  /** Whether the message was about a new block; miners then stay on the previous block. */
  readonly isNewBlock: boolean
}

/** Connections that share their jobs. */
export interface WorkGroup {
  readonly jobs: Jobs
}

export interface Work {
  /** Gives the channels of all groups their extranonce prefixes. `undefined` with `openChannel`, which gives each channel its own. */
  readonly space: ExtranonceSpace | undefined
  /** Whether miners may roll the version bits of BIP323 (5.3.1). */
  readonly versionRollingAllowed: boolean
  /** The group of a connection before its first channel; the only group if all blocks pay the same outputs. */
  readonly common: WorkGroup
  readonly groupCount: number
  /**
   * Joins the group of the user that opens a connection's first channel; `undefined` if the connection stays in its group. Call
   * `leave` once for each group that it returns.
   */
  readonly join: (userIdentity: string) => WorkGroup | undefined
  readonly leave: (group: WorkGroup) => void
  /** Why a user gets no channel on a connection of this group; `undefined` admits it (5.3.6). */
  readonly refusal: (group: WorkGroup, userIdentity: string) => "invalid-user-identity" | undefined
  /** How many changes were made so far; messages that make no work do not count. */
  readonly changeCount: number
  /** The changes for a group after the first `seen` ones; only the latest batch of them is still known. */
  readonly changesSince: (group: WorkGroup, seen: number) => ReadonlyArray<WorkChange>
  /**
   * Opens a channel at the source for a channel of a client, or fails with the error code that the client gets. A source that has it
   * decides on jobs, target and prefix of each channel, and on its shares: groups then have no jobs. Each batch of news makes
   * the changes of any number of channels. If the effect is interrupted, the source closes the channel.
   */
  readonly openChannel?: (
    request: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel
  ) => Effect.Effect<SourceChannel, string>
}

/** A batch of changes, as the common group sees them. */
export interface WorkNews {
  readonly changes: ReadonlyArray<WorkChange>
  /** When the messages of the source arrived, by the monotonic clock. */
  readonly arrivedAtNanos: bigint
}

/** The open channels of a server together. */
export interface DownstreamLoad {
  readonly channels: number
  /** Hashes a second, as the channels' difficulties assume them and their shares bear it out (`HashRateSum`). */
  readonly hashRate: number
}

/** The state of the source's connection; `server` is its address for people. */
export type WorkSourceState =
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Connected"; readonly server: string }
  | { readonly _tag: "Disconnected"; readonly server: string; readonly reason: string }

export class WorkSource extends Context.Service<
  WorkSource,
  {
    /** The source's name in log lines, such as "template provider". */
    readonly name: string
    readonly work: Work
    /**
     * Batches of changes. A batch is applied to `work` when it is pulled: one server pulls the next one when all its connections
     * know the one before. The stream never ends and never fails.
     */
    readonly news: Stream.Stream<WorkNews>
    /**
     * Submits the shares of one read of a connection, in their order: blocks, and shares that meet the `submitTarget` of their job.
     * They are kept while the source is away. With `openChannel` it gets every share that is valid here, and gives each a verdict,
     * also when the source is lost.
     */
    readonly submit: (found: NonEmptyReadonlyArray<SourceShare>) => Effect.Effect<void>
    /** Takes the load of the server every few seconds. A source that tells nobody its hash rate omits it. */
    readonly report?: (load: DownstreamLoad) => Effect.Effect<void>
    /** The present state of the source's connection, then each change. */
    readonly state: Stream.Stream<WorkSourceState>
  }
>()("sluice/mining-server/WorkSource") {}
