/**
 * The Job Declaration Protocol (specification, section 6.4): a client, the JDC, declares the jobs that it wants to mine to the
 * pool's server, the JDS. Hashes are 32 bytes as on the wire, little-endian; times are seconds since 1970. None of its
 * messages is for a channel.
 */
import { Reconnect } from "./common.ts"
import { Message } from "../message.ts"
import { type MessagesTo, Protocol } from "../protocol.ts"
import { B0_16M, B0_255, B0_32, B0_64K, Seq0_64K, Str0_255, U16, U256, U32 } from "../codec/wire.ts"

/** Flag of SetupConnection and SetupConnection.Error: the client reveals its transactions, full-template mode (section 6.4.1). */
export const DECLARE_TX_DATA = 1 << 0

export const AllocateMiningJobToken = Message.make("AllocateMiningJobToken", {
  type: 0x50,
  to: "server",
  channel: false,
  spec: "6.4.2",
  fields: { userIdentifier: Str0_255, requestId: U32 }
})
export type AllocateMiningJobToken = typeof AllocateMiningJobToken.Type

/**
 * `coinbaseTxOutputs` are serialized outputs behind their count (CompactSize), unlike in NewTemplate. The first is the pool's
 * payout, without a value as yet.
 */
export const AllocateMiningJobTokenSuccess = Message.make("AllocateMiningJobToken.Success", {
  type: 0x51,
  to: "client",
  channel: false,
  spec: "6.4.3",
  fields: { requestId: U32, miningJobToken: B0_255, coinbaseTxOutputs: B0_64K }
})
export type AllocateMiningJobTokenSuccess = typeof AllocateMiningJobTokenSuccess.Type

/** The coinbase is split around the extranonce and includes its witness (section 3.7.2). `wtxidList` excludes the coinbase. */
export const DeclareMiningJob = Message.make("DeclareMiningJob", {
  type: 0x57,
  to: "server",
  channel: false,
  spec: "6.4.4",
  fields: {
    requestId: U32,
    miningJobToken: B0_255,
    version: U32,
    coinbaseTxPrefix: B0_64K,
    coinbaseTxSuffix: B0_64K,
    wtxidList: Seq0_64K(U256),
    excessData: B0_64K
  }
})
export type DeclareMiningJob = typeof DeclareMiningJob.Type

/** The client uses the token in SetCustomMiningJob. */
export const DeclareMiningJobSuccess = Message.make("DeclareMiningJob.Success", {
  type: 0x58,
  to: "client",
  channel: false,
  spec: "6.4.5",
  fields: { requestId: U32, newMiningJobToken: B0_255 }
})
export type DeclareMiningJobSuccess = typeof DeclareMiningJobSuccess.Type

export const DeclareMiningJobError = Message.make("DeclareMiningJob.Error", {
  type: 0x59,
  to: "client",
  channel: false,
  spec: "6.4.6",
  fields: { requestId: U32, errorCode: Str0_255, errorDetails: B0_64K }
})
export type DeclareMiningJobError = typeof DeclareMiningJobError.Type

/** Positions are those of `wtxidList` in DeclareMiningJob, from 0. */
export const ProvideMissingTransactions = Message.make("ProvideMissingTransactions", {
  type: 0x55,
  to: "client",
  channel: false,
  spec: "6.4.7",
  fields: { requestId: U32, unknownTxPositionList: Seq0_64K(U16) }
})
export type ProvideMissingTransactions = typeof ProvideMissingTransactions.Type

/** Whole transactions, in the order of the request. */
export const ProvideMissingTransactionsSuccess = Message.make("ProvideMissingTransactions.Success", {
  type: 0x56,
  to: "server",
  channel: false,
  spec: "6.4.8",
  fields: { requestId: U32, transactionList: Seq0_64K(B0_16M) }
})
export type ProvideMissingTransactionsSuccess = typeof ProvideMissingTransactionsSuccess.Type

/** The client found a block with the last declared job. `extranonce` is the full extranonce, prefix included. */
export const PushSolution = Message.make("PushSolution", {
  type: 0x60,
  to: "server",
  channel: false,
  spec: "6.4.9",
  fields: { extranonce: B0_32, prevHash: U256, nonce: U32, ntime: U32, nbits: U32, version: U32 }
})
export type PushSolution = typeof PushSolution.Type

const messages = [
  Reconnect,
  AllocateMiningJobToken,
  AllocateMiningJobTokenSuccess,
  ProvideMissingTransactions,
  ProvideMissingTransactionsSuccess,
  DeclareMiningJob,
  DeclareMiningJobSuccess,
  DeclareMiningJobError,
  PushSolution
] as const

export type ToServer = MessagesTo<typeof messages, "server">
export type ToClient = MessagesTo<typeof messages, "client">

export const protocol: Protocol<ToServer, ToClient> = Protocol.make({
  id: 1,
  name: "Job Declaration Protocol",
  messages
})
