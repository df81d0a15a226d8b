/** What the server's machine tells its shell, in the order in which it happened. Plain data. */
import type { Mining } from "@sluice/protocol"
import type { SourceShare } from "../jobs/source-share.ts"
import type { Outbox } from "../outbox.ts"

/** Which channel an event is about. The same object in all events of a channel. */
export interface ChannelInfo {
  /** The number that the shell gave to the connection. */
  readonly connectionId: number
  /** Unique on its connection. */
  readonly channelId: number
  readonly kind: "standard" | "extended"
  readonly userIdentity: string
}

export interface ChannelOpened {
  readonly _tag: "ChannelOpened"
  readonly channel: ChannelInfo
  /** Hashes a second, as the client said. */
  readonly nominalHashRate: number
  /** Of its first target. */
  readonly difficulty: number
}

export interface ChannelRefused {
  readonly _tag: "ChannelRefused"
  readonly connectionId: number
  /** As the client said, but for control characters. */
  readonly userIdentity: string
  readonly errorCode: string
}

export interface ChannelClosed {
  readonly _tag: "ChannelClosed"
  readonly channel: ChannelInfo
  /** The client's reason code but for control characters, or that its connection ended. */
  readonly reason: string
}

/** A share was accepted; its acknowledgement follows what is done with this event. */
export interface ShareAccepted {
  readonly _tag: "ShareAccepted"
  readonly channel: ChannelInfo
  readonly sequenceNumber: number
  readonly jobId: number
  /** Height of the block it could have been. */
  readonly height: number
  /** What it counts: the difficulty of the target that it had to meet. */
  readonly difficulty: number
  /** What it is: the difficulty of its hash. */
  readonly hashDifficulty: number
  /** Of its header, 32 bytes in internal order: what makes two shares the same. */
  readonly hash: Uint8Array
  /** Who found it, where the client says so: behind one channel there may be many workers (extension 0x0002). */
  readonly worker: string | undefined
  /** Whether it is a block too; `BlockFound` follows. */
  readonly isBlock: boolean
}

export interface ShareRefused {
  readonly _tag: "ShareRefused"
  readonly connectionId: number
  readonly channelId: number
  /** Not there if there is no such channel. */
  readonly channel: ChannelInfo | undefined
  readonly sequenceNumber: number
  readonly errorCode: string
}

/** The header of a share meets its network's target. */
export interface BlockFound {
  readonly _tag: "BlockFound"
  /** Where the share was submitted; the channel may be closed by now. */
  readonly channel: ChannelInfo
  /** The error code where the share was refused all the same: its previous hash, say, is no longer in force. */
  readonly refusal: string | undefined
  readonly height: number
  /** The block's hash, 64 hex digits in display order. */
  readonly hash: string
  /** For the source of the job. */
  readonly found: SourceShare
}

/** An accepted share meets the target at which the source of its job wants shares, and is no block. */
export interface ShareForSource {
  readonly _tag: "ShareForSource"
  readonly channel: ChannelInfo
  readonly found: SourceShare
}

/** The channel was sent a new target, for its later jobs. */
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

export type ServerOutbox = Outbox<Mining.ToClient, ChannelEvent>
