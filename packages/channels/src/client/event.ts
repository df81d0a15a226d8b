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

/** A job came; `channelId` is as addressed, so it may be a group's (5.3.15, 5.3.16). */
export interface JobReceived {
  readonly _tag: "JobReceived"
  readonly channelId: number
  readonly jobId: number
  /** It waits for a SetNewPrevHash that names it. */
  readonly future: boolean
}

/** The channel mines this work from now on. */
export interface WorkChanged {
  readonly _tag: "WorkChanged"
  readonly channelId: number
  readonly work: ChannelWork
  /** There is a new previous hash: shares of every earlier job are stale (5.3.17). */
  readonly newPrevHash: boolean
}

/** The target of later jobs changed, and of future jobs already sent; the active one keeps its own (5.3.21). */
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

/** The channel belongs to another group (5.3.22). */
export interface GroupChanged {
  readonly _tag: "GroupChanged"
  readonly channelId: number
  readonly groupChannelId: number
}

/** The server closed the channel (5.3.9); it mines no more. */
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

/** Shares were accepted (5.3.13). */
export interface SharesAccepted {
  readonly _tag: "SharesAccepted"
  readonly channelId: number
  /** The shares that it answers, oldest first. */
  readonly shares: ReadonlyArray<PendingShare>
  /** As the server counts. */
  readonly acceptedCount: number
  /** Sum of their difficulties, as the server counts. */
  readonly difficultySum: bigint
}

/** A share was refused (5.3.14). */
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

/** A message that had no effect, and why. */
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
  | SharesAccepted
  | ShareRefused
  | Reconnect
  | Ignored
  | ProtocolViolation

export type ClientOutbox = Outbox<Mining.ToServer, ClientEvent>
