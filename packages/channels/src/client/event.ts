/** Events of the client's machine: the results of the server's messages, in order. */
import type { Mining } from "@sluice/protocol"
import type { Outbox } from "../outbox.ts"
import type { PendingShare } from "./pending-shares.ts"
import type { ProtocolViolation } from "./protocol-violation.ts"
import type { ChannelWork } from "./channel-work.ts"

/** A channel is open; work follows (5.3.3, 5.3.5). */
export interface ChannelOpened {
  readonly _tag: "ChannelOpened"
  readonly requestId: number
  readonly channelId: number
  readonly kind: "standard" | "extended"
  readonly target: Uint8Array
  readonly extranoncePrefix: Uint8Array
  /** Bytes that this end may roll; 0 for a standard channel. */
  readonly extranonceSize: number
  readonly groupChannelId: number
}

/** The server did not open the channel (5.3.6). */
export interface OpenRefused {
  readonly _tag: "OpenRefused"
  readonly requestId: number
  readonly errorCode: string
}

/** A job came (5.3.15, 5.3.16). `channelId` is the addressee: a channel or a group. */
export interface JobReceived {
  readonly _tag: "JobReceived"
  readonly channelId: number
  readonly jobId: number
  /** Whether the job waits for a SetNewPrevHash that names it. */
  readonly future: boolean
}

/** The channel mines this work from now on. */
export interface WorkChanged {
  readonly _tag: "WorkChanged"
  readonly channelId: number
  readonly work: ChannelWork
  /** Whether the previous hash is new: shares of every earlier job are then stale (5.3.17). */
  readonly newPrevHash: boolean
}

/** The target of later jobs changed, and of future jobs already sent. The active job keeps its own (5.3.21). */
export interface TargetChanged {
  readonly _tag: "TargetChanged"
  readonly channelId: number
  readonly target: Uint8Array
}

/** Later jobs have another extranonce prefix (5.3.10). */
export interface ExtranoncePrefixChanged {
  readonly _tag: "ExtranoncePrefixChanged"
  readonly channelId: number
  readonly extranoncePrefix: Uint8Array
}

/** The server moved the channel to another group (5.3.22). */
export interface GroupChanged {
  readonly _tag: "GroupChanged"
  readonly channelId: number
  readonly groupChannelId: number
}

/** The server closed the channel (5.3.9). Stop mining on it. */
export interface ChannelClosed {
  readonly _tag: "ChannelClosed"
  readonly channelId: number
  readonly reasonCode: string
}

/** The server refused an UpdateChannel (5.3.8). */
export interface UpdateRefused {
  readonly _tag: "UpdateRefused"
  readonly channelId: number
  readonly errorCode: string
}

/** The server takes shares of a job of the client's own (5.3.19), with the target and the prefix that the channel had then. */
export interface CustomJobAccepted {
  readonly _tag: "CustomJobAccepted"
  readonly channelId: number
  readonly requestId: number
  readonly jobId: number
  readonly target: Uint8Array
  readonly extranoncePrefix: Uint8Array
}

/** The server does not take shares of a job of the client's own (5.3.20). */
export interface CustomJobRefused {
  readonly _tag: "CustomJobRefused"
  readonly channelId: number
  readonly requestId: number
  readonly errorCode: string
}

/** The server accepted shares (5.3.13). */
export interface SharesAccepted {
  readonly _tag: "SharesAccepted"
  readonly channelId: number
  /** The shares that the message answers, oldest first. */
  readonly shares: ReadonlyArray<PendingShare>
  /** The number of shares as the server counts. */
  readonly acceptedCount: number
  /** Sum of their difficulties, as the server counts. */
  readonly difficultySum: bigint
}

/** The server refused a share (5.3.14). */
export interface ShareRefused {
  readonly _tag: "ShareRefused"
  readonly channelId: number
  readonly share: PendingShare
  readonly errorCode: string
}

/** The server asks to reconnect. An empty host or port 0 means the present one (3.6.5). Nothing else has changed yet. */
export interface Reconnect {
  readonly _tag: "Reconnect"
  readonly host: string
  readonly port: number
}

/** A message had no effect. */
export interface Ignored {
  readonly _tag: "Ignored"
  readonly messageTag: string
  readonly reason: "unknown-channel" | "unknown-share" | "unexpected-message"
}

export type ClientEvent =
  | ChannelOpened
  | OpenRefused
  | JobReceived
  | WorkChanged
  | TargetChanged
  | ExtranoncePrefixChanged
  | GroupChanged
  | ChannelClosed
  | UpdateRefused
  | CustomJobAccepted
  | CustomJobRefused
  | SharesAccepted
  | ShareRefused
  | Reconnect
  | Ignored
  | ProtocolViolation

export type ClientOutbox = Outbox<Mining.ToServer, ClientEvent>
