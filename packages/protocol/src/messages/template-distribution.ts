/**
 * The Template Distribution Protocol (specification, section 7). Hashes and targets are 32 bytes as on the wire,
 * little-endian; amounts are satoshis; times are seconds since 1970. None of its messages is for a
 * channel.
 */
import { Reconnect } from "./common.ts"
import { Message } from "../message.ts"
import { type MessagesTo, Protocol } from "../protocol.ts"
import { B0_16M, B0_255, B0_64K, Bool, Seq0_255, Seq0_64K, Str0_255, U16, U256, U32, U64 } from "../codec/wire.ts"

/** The most that the client will add to the coinbase: bytes of serialized outputs, and signature operations. */
export const CoinbaseOutputConstraints = Message.make("CoinbaseOutputConstraints", {
  type: 0x70,
  to: "server",
  channel: false,
  spec: "7.1",
  fields: { coinbaseOutputMaxAdditionalSize: U32, coinbaseOutputMaxAdditionalSigops: U16 }
})
export type CoinbaseOutputConstraints = typeof CoinbaseOutputConstraints.Type

/** `coinbaseTxOutputs` are serialized outputs without a count before them. */
export const NewTemplate = Message.make("NewTemplate", {
  type: 0x71,
  to: "client",
  channel: false,
  spec: "7.2",
  shared: true,
  fields: {
    templateId: U64,
    futureTemplate: Bool,
    version: U32,
    coinbaseTxVersion: U32,
    coinbasePrefix: B0_255,
    coinbaseTxInputSequence: U32,
    coinbaseTxValueRemaining: U64,
    coinbaseTxOutputsCount: U32,
    coinbaseTxOutputs: B0_64K,
    coinbaseTxLocktime: U32,
    merklePath: Seq0_255(U256)
  }
})
export type NewTemplate = typeof NewTemplate.Type

/** `headerTimestamp` is the time to start from, not the earliest valid time. */
export const SetNewPrevHash = Message.make("SetNewPrevHash", {
  type: 0x72,
  to: "client",
  channel: false,
  spec: "7.3",
  shared: true,
  fields: { templateId: U64, prevHash: U256, headerTimestamp: U32, nbits: U32, target: U256 }
})
export type SetNewPrevHash = typeof SetNewPrevHash.Type

/**
 * How many future templates, and jobs of them, a client keeps for the next SetNewPrevHash (7.3). Everything that keeps some
 * keeps as many, so that it knows the same ones. Providers send one or a few; the oldest beyond the limit are forgotten.
 */
export const MAX_FUTURE_TEMPLATES = 64

export const RequestTransactionData = Message.make("RequestTransactionData", {
  type: 0x73,
  to: "server",
  channel: false,
  spec: "7.4",
  fields: { templateId: U64 }
})
export type RequestTransactionData = typeof RequestTransactionData.Type

export const RequestTransactionDataSuccess = Message.make("RequestTransactionData.Success", {
  type: 0x74,
  to: "client",
  channel: false,
  spec: "7.5",
  shared: true,
  fields: { templateId: U64, excessData: B0_64K, transactionList: Seq0_64K(B0_16M) }
})
export type RequestTransactionDataSuccess = typeof RequestTransactionDataSuccess.Type

export const RequestTransactionDataError = Message.make("RequestTransactionData.Error", {
  type: 0x75,
  to: "client",
  channel: false,
  spec: "7.6",
  fields: { templateId: U64, errorCode: Str0_255 }
})
export type RequestTransactionDataError = typeof RequestTransactionDataError.Type

/** The client found a block. `coinbaseTx` is the whole transaction, with its witness. */
export const SubmitSolution = Message.make("SubmitSolution", {
  type: 0x76,
  to: "server",
  channel: false,
  spec: "7.7",
  fields: { templateId: U64, version: U32, headerTimestamp: U32, headerNonce: U32, coinbaseTx: B0_64K }
})
export type SubmitSolution = typeof SubmitSolution.Type

const messages = [
  Reconnect,
  CoinbaseOutputConstraints,
  NewTemplate,
  SetNewPrevHash,
  RequestTransactionData,
  RequestTransactionDataSuccess,
  RequestTransactionDataError,
  SubmitSolution
] as const

export type ToServer = MessagesTo<typeof messages, "server">
export type ToClient = MessagesTo<typeof messages, "client">

export const protocol: Protocol<ToServer, ToClient> = Protocol.make({
  id: 2,
  name: "Template Distribution Protocol",
  messages
})
