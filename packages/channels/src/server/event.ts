/** The events that the server's machine emits, as plain data. */
import type { Mining } from "@sluice/protocol"
import type { SourceShare } from "../jobs/source-share.ts"
import type { Outbox } from "../outbox.ts"

/** Identifies a channel. All events of a channel have the same object. */
export interface ChannelInfo {
  /** The number that the shell gave the connection. */
  readonly connectionId: number
  /** Unique on its connection. */
  readonly channelId: number
  readonly kind: "standard" | "extended"
  readonly userIdentity: string
}

export interface ChannelOpened {
  readonly _tag: "ChannelOpened"
  readonly channel: ChannelInfo
  /** Hashes a second, as stated by the client. */
  readonly nominalHashRate: number
  /** The difficulty of the first target. */
  readonly difficulty: number
}

export interface ChannelRefused {
  readonly _tag: "ChannelRefused"
  readonly connectionId: number
  /** As sent by the client, without control characters. */
  readonly userIdentity: string
  readonly errorCode: string
}

export interface ChannelClosed {
  readonly _tag: "ChannelClosed"
  readonly channel: ChannelInfo
  /** The reason code of the client, without control characters, or of the server. */
  readonly reason: string
}

/** A share was accepted. The event comes with its acknowledgement, and the shell handles it before it sends that. */
export interface ShareAccepted {
  readonly _tag: "ShareAccepted"
  readonly channel: ChannelInfo
  /** When it was accepted, in milliseconds since 1970. */
  readonly at: number
  readonly sequenceNumber: number
  readonly jobId: number
  /** Height of the block that the job is for. */
  readonly height: number
  /** The difficulty that the share is credited with: that of the target it had to meet. */
  readonly difficulty: number
  /** The difficulty of the share's hash. */
  readonly hashDifficulty: number
  /** Hash of the header, 32 bytes in internal order. Shares with the same hash are the same share. */
  readonly hash: Uint8Array
  /** The worker that found it, if the client names one (extension 0x0002). */
  readonly worker: string | undefined
  /** Whether the share is also a block. Then `BlockFound` follows. */
  readonly isBlock: boolean
}

export interface ShareRefused {
  readonly _tag: "ShareRefused"
  readonly connectionId: number
  readonly channelId: number
  /** `undefined` if the share names a channel that is not open. */
  readonly channel: ChannelInfo | undefined
  readonly sequenceNumber: number
  readonly errorCode: string
}

/** The header of a share meets its network's target. */
export interface BlockFound {
  readonly _tag: "BlockFound"
  /** The channel of the share. It may be closed by now. */
  readonly channel: ChannelInfo
  /** The error code if the share was refused, for example because its previous hash is no longer in force. */
  readonly refusal: string | undefined
  readonly height: number
  /** The block's hash, 64 hex digits in display order. */
  readonly hash: string
  /** The share as the source of its job takes it. */
  readonly found: SourceShare
}

/** An accepted share meets the target at which the source of its job wants shares, and is no block. */
export interface ShareForSource {
  readonly _tag: "ShareForSource"
  readonly channel: ChannelInfo
  readonly found: SourceShare
}

/** The client set a job of its own (5.3.18), and the server accepted it. */
export interface CustomJobSet {
  readonly _tag: "CustomJobSet"
  /** The channel, or the first one of its group. */
  readonly channel: ChannelInfo
  /** For how many channels the job is. */
  readonly channels: number
  /** Unique on the connection only. */
  readonly jobId: number
  readonly height: number
}

/** The server refused a job that the client wanted to set. */
export interface CustomJobRefused {
  readonly _tag: "CustomJobRefused"
  readonly connectionId: number
  readonly channelId: number
  /** `undefined` if the message names no channel that is open. */
  readonly channel: ChannelInfo | undefined
  readonly errorCode: string
  /** What was expected and what came, for people. */
  readonly reason: string
}

/** The server sent the channel a new target for its later jobs. */
export interface TargetChanged {
  readonly _tag: "TargetChanged"
  readonly channel: ChannelInfo
  readonly difficulty: number
}

export type ChannelEvent =
  | ChannelOpened
  | ChannelRefused
  | ChannelClosed
  | ShareAccepted
  | ShareRefused
  | BlockFound
  | ShareForSource
  | TargetChanged
  | CustomJobSet
  | CustomJobRefused

export type ServerOutbox = Outbox<Mining.ToClient, ChannelEvent>
