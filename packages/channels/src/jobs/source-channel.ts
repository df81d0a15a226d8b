/**
 * A channel at the source of work that stands behind one channel here, as at a proxy that opens a channel with its upstream server for
 * each channel of its clients (specification, section 5.2). The source decides on its jobs, target and prefix, and on each share that
 * this end finds valid.
 */
import type { ForeignMessage, Mining } from "@sluice/protocol"
import type { ExtranonceLease } from "../extranonce.ts"
import type { Announcement, Jobs } from "./jobs.ts"

export interface SourceChannel {
  /** The jobs of this channel alone. */
  readonly jobs: Jobs
  /** Its prefix, and the bytes that an extended channel rolls, when it was opened. */
  readonly lease: ExtranonceLease
  /** Its target when it was opened: 32 bytes, little-endian. */
  readonly target: Uint8Array
  /** The server of the channel sets this function; the source calls it when there are changes to take. */
  onChange: () => void
  /** The changes since the last call, in order. */
  readonly takeChanges: () => ReadonlyArray<SourceChange>
  /** Passes the client's UpdateChannel on. The answers are `NewTarget` and `UpdateRefused`. */
  readonly update: (nominalHashRate: number, maxTarget: Uint8Array) => void
  /** Closes the channel at the source. Does nothing if the source has closed it. */
  readonly close: (reasonCode: string) => void
  /** Passes a message of an unknown extension on (3.4.1). */
  readonly forward: (message: ForeignMessage) => void
}

/** A change that the source made to one channel. */
export type SourceChange =
  | Announcement
  /** `since` is the number of activated jobs that it does not hold for, `Jobs.activations` (5.3.21). */
  | { readonly _tag: "NewTarget"; readonly target: Uint8Array; readonly since: number }
  /** The full extranonce may have another size. `fromJobId` is the first job with the prefix (5.3.10). */
  | { readonly _tag: "NewPrefix"; readonly prefix: Uint8Array; readonly fromJobId: number }
  /** Verdicts on shares, by the keys of their `Via`, in any order. The first one about a share counts. */
  | { readonly _tag: "SharesAccepted"; readonly keys: ReadonlyArray<number> }
  | { readonly _tag: "ShareRefused"; readonly key: number; readonly errorCode: string }
  | { readonly _tag: "UpdateRefused"; readonly errorCode: string }
  /** The source has closed the channel. */
  | { readonly _tag: "Closed"; readonly reasonCode: string }
  | { readonly _tag: "Forwarded"; readonly message: ForeignMessage }
  /** Messages of unknown extensions go to another end from now on (3.6.4). */
  | { readonly _tag: "EndpointChanged" }

/** How a share gets to the channel at the source, and its verdict back. */
export interface Via {
  readonly channel: SourceChannel
  /** `undefined` if nobody waits for the verdict, because the share is refused here. */
  readonly key: number | undefined
  /** The share as the client sent it. */
  readonly message: Mining.SubmitSharesStandard | Mining.SubmitSharesExtended
}

/** Channels at the source, as the server of one connection uses them. */
export interface SourceChannels {
  /** The channel that was opened for this request, or the source's error code. */
  readonly opened: (
    request: Mining.OpenStandardMiningChannel | Mining.OpenExtendedMiningChannel
  ) => SourceChannel | string
  /** Called when a channel of the connection has changes: `ChannelServer.receive` takes them. */
  readonly onChange: () => void
}

/** Not in the specification: the upstream server or the channel there was lost before it answered the share. */
export const NO_VERDICT = "no-verdict"
