/**
 * The Mining Protocol (specification, section 5.3). Targets, hashes and merkle nodes are 32 bytes as on the wire,
 * little-endian; times are seconds since 1970.
 */
import { ChannelEndpointChanged, Reconnect } from "./common.ts"
import { Message } from "../message.ts"
import { type MessagesTo, Protocol } from "../protocol.ts"
import {
  B0_255,
  B0_32,
  B0_64K,
  Bool,
  F32,
  Option,
  Seq0_255,
  Seq0_64K,
  Str0_255,
  U16,
  U256,
  U32,
  U64
} from "../codec/wire.ts"

/** Flags of SetupConnection and SetupConnection.Error (section 5.3.1). */
export const REQUIRES_STANDARD_JOBS = 1 << 0
export const REQUIRES_WORK_SELECTION = 1 << 1
export const REQUIRES_VERSION_ROLLING = 1 << 2

/** Flags of SetupConnection.Success (section 5.3.1). */
export const REQUIRES_FIXED_VERSION = 1 << 0
export const REQUIRES_EXTENDED_CHANNELS = 1 << 1

/** The most bytes that a full extranonce has, its prefix included (section 5.1). */
export const MAX_EXTRANONCE_SIZE = 32

export const OpenStandardMiningChannel = Message.make("OpenStandardMiningChannel", {
  type: 0x10,
  to: "server",
  channel: false,
  spec: "5.3.2",
  fields: { requestId: U32, userIdentity: Str0_255, nominalHashRate: F32, maxTarget: U256 }
})
export type OpenStandardMiningChannel = typeof OpenStandardMiningChannel.Type

export const OpenStandardMiningChannelSuccess = Message.make("OpenStandardMiningChannel.Success", {
  type: 0x11,
  to: "client",
  channel: false,
  spec: "5.3.3",
  fields: { requestId: U32, channelId: U32, target: U256, extranoncePrefix: B0_32, groupChannelId: U32 }
})
export type OpenStandardMiningChannelSuccess = typeof OpenStandardMiningChannelSuccess.Type

export const OpenExtendedMiningChannel = Message.make("OpenExtendedMiningChannel", {
  type: 0x13,
  to: "server",
  channel: false,
  spec: "5.3.4",
  fields: { ...OpenStandardMiningChannel.fields, minExtranonceSize: U16 }
})
export type OpenExtendedMiningChannel = typeof OpenExtendedMiningChannel.Type

export const OpenExtendedMiningChannelSuccess = Message.make("OpenExtendedMiningChannel.Success", {
  type: 0x14,
  to: "client",
  channel: false,
  spec: "5.3.5",
  fields: {
    requestId: U32,
    channelId: U32,
    target: U256,
    extranonceSize: U16,
    extranoncePrefix: B0_32,
    groupChannelId: U32
  }
})
export type OpenExtendedMiningChannelSuccess = typeof OpenExtendedMiningChannelSuccess.Type

export const OpenMiningChannelError = Message.make("OpenMiningChannel.Error", {
  type: 0x12,
  to: "client",
  channel: false,
  spec: "5.3.6",
  fields: { requestId: U32, errorCode: Str0_255 }
})
export type OpenMiningChannelError = typeof OpenMiningChannelError.Type

export const UpdateChannel = Message.make("UpdateChannel", {
  type: 0x16,
  to: "server",
  channel: true,
  spec: "5.3.7",
  fields: { channelId: U32, nominalHashRate: F32, maximumTarget: U256 }
})
export type UpdateChannel = typeof UpdateChannel.Type

export const UpdateChannelError = Message.make("UpdateChannel.Error", {
  type: 0x17,
  to: "client",
  channel: true,
  spec: "5.3.8",
  fields: { channelId: U32, errorCode: Str0_255 }
})
export type UpdateChannelError = typeof UpdateChannelError.Type

export const CloseChannel = Message.make("CloseChannel", {
  type: 0x18,
  to: "both",
  channel: true,
  spec: "5.3.9",
  fields: { channelId: U32, reasonCode: Str0_255 }
})
export type CloseChannel = typeof CloseChannel.Type

export const SetExtranoncePrefix = Message.make("SetExtranoncePrefix", {
  type: 0x19,
  to: "client",
  channel: true,
  spec: "5.3.10",
  fields: { channelId: U32, extranoncePrefix: B0_32 }
})
export type SetExtranoncePrefix = typeof SetExtranoncePrefix.Type

export const SubmitSharesStandard = Message.make("SubmitSharesStandard", {
  type: 0x1a,
  to: "server",
  channel: true,
  spec: "5.3.11",
  fields: { channelId: U32, sequenceNumber: U32, jobId: U32, nonce: U32, ntime: U32, version: U32 }
})
export type SubmitSharesStandard = typeof SubmitSharesStandard.Type

export const SubmitSharesExtended = Message.make("SubmitSharesExtended", {
  type: 0x1b,
  to: "server",
  channel: true,
  spec: "5.3.12",
  fields: { ...SubmitSharesStandard.fields, extranonce: B0_32 }
})
export type SubmitSharesExtended = typeof SubmitSharesExtended.Type

/** Acknowledges a batch of shares: the last sequence number, the number of shares, and the sum of their difficulties. */
export const SubmitSharesSuccess = Message.make("SubmitShares.Success", {
  type: 0x1c,
  to: "client",
  channel: true,
  spec: "5.3.13",
  fields: { channelId: U32, lastSequenceNumber: U32, newSubmitsAcceptedCount: U32, newSharesSum: U64 }
})
export type SubmitSharesSuccess = typeof SubmitSharesSuccess.Type

export const SubmitSharesError = Message.make("SubmitShares.Error", {
  type: 0x1d,
  to: "client",
  channel: true,
  spec: "5.3.14",
  fields: { channelId: U32, sequenceNumber: U32, errorCode: Str0_255 }
})
export type SubmitSharesError = typeof SubmitSharesError.Type

/** A job for a standard channel. Without `minNtime` it is a future job. */
export const NewMiningJob = Message.make("NewMiningJob", {
  type: 0x15,
  to: "client",
  channel: true,
  spec: "5.3.15",
  fields: { channelId: U32, jobId: U32, minNtime: Option(U32), version: U32, merkleRoot: U256 }
})
export type NewMiningJob = typeof NewMiningJob.Type

/** A job for an extended or group channel. The coinbase has no witness fields (BIP141). */
export const NewExtendedMiningJob = Message.make("NewExtendedMiningJob", {
  type: 0x1f,
  to: "client",
  channel: true,
  spec: "5.3.16",
  shared: true,
  fields: {
    channelId: U32,
    jobId: U32,
    minNtime: Option(U32),
    version: U32,
    versionRollingAllowed: Bool,
    merklePath: Seq0_255(U256),
    coinbaseTxPrefix: B0_64K,
    coinbaseTxSuffix: B0_64K
  }
})
export type NewExtendedMiningJob = typeof NewExtendedMiningJob.Type

export const SetNewPrevHash = Message.make("SetNewPrevHash", {
  type: 0x20,
  to: "client",
  channel: true,
  spec: "5.3.17",
  shared: true,
  fields: { channelId: U32, jobId: U32, prevHash: U256, minNtime: U32, nbits: U32 }
})
export type SetNewPrevHash = typeof SetNewPrevHash.Type

export const SetCustomMiningJob = Message.make("SetCustomMiningJob", {
  type: 0x22,
  to: "server",
  channel: true,
  spec: "5.3.18",
  fields: {
    channelId: U32,
    requestId: U32,
    miningJobToken: B0_255,
    version: U32,
    prevHash: U256,
    minNtime: U32,
    nbits: U32,
    coinbaseTxVersion: U32,
    coinbasePrefix: B0_255,
    coinbaseTxInputNSequence: U32,
    coinbaseTxOutputs: B0_64K,
    coinbaseTxLocktime: U32,
    merklePath: Seq0_255(U256)
  }
})
export type SetCustomMiningJob = typeof SetCustomMiningJob.Type

export const SetCustomMiningJobSuccess = Message.make("SetCustomMiningJob.Success", {
  type: 0x23,
  to: "client",
  channel: true,
  spec: "5.3.19",
  fields: { channelId: U32, requestId: U32, jobId: U32 }
})
export type SetCustomMiningJobSuccess = typeof SetCustomMiningJobSuccess.Type

export const SetCustomMiningJobError = Message.make("SetCustomMiningJob.Error", {
  type: 0x24,
  to: "client",
  channel: true,
  spec: "5.3.20",
  fields: { channelId: U32, requestId: U32, errorCode: Str0_255 }
})
export type SetCustomMiningJobError = typeof SetCustomMiningJobError.Type

export const SetTarget = Message.make("SetTarget", {
  type: 0x21,
  to: "client",
  channel: true,
  spec: "5.3.21",
  fields: { channelId: U32, maximumTarget: U256 }
})
export type SetTarget = typeof SetTarget.Type

export const SetGroupChannel = Message.make("SetGroupChannel", {
  type: 0x25,
  to: "client",
  channel: false,
  spec: "5.3.22",
  fields: { groupChannelId: U32, channelIds: Seq0_64K(U32) }
})
export type SetGroupChannel = typeof SetGroupChannel.Type

const messages = [
  ChannelEndpointChanged,
  Reconnect,
  OpenStandardMiningChannel,
  OpenStandardMiningChannelSuccess,
  OpenMiningChannelError,
  OpenExtendedMiningChannel,
  OpenExtendedMiningChannelSuccess,
  NewMiningJob,
  UpdateChannel,
  UpdateChannelError,
  CloseChannel,
  SetExtranoncePrefix,
  SubmitSharesStandard,
  SubmitSharesExtended,
  SubmitSharesSuccess,
  SubmitSharesError,
  NewExtendedMiningJob,
  SetNewPrevHash,
  SetTarget,
  SetCustomMiningJob,
  SetCustomMiningJobSuccess,
  SetCustomMiningJobError,
  SetGroupChannel
] as const

export type ToServer = MessagesTo<typeof messages, "server">
export type ToClient = MessagesTo<typeof messages, "client">

export const protocol: Protocol<ToServer, ToClient> = Protocol.make({ id: 0, name: "Mining Protocol", messages })
