/**
 * Extension 0x0001, the negotiation of extensions (extensions/0x0001-extensions-negotiation.md): right after
 * SetupConnection.Success the client asks for extensions by their numbers, and uses those that the server confirms.
 */
import { Message } from "../message.ts"
import { Seq0_64K, U16 } from "../codec/wire.ts"

export const EXTENSION = 0x0001

export const RequestExtensions = Message.make("RequestExtensions", {
  type: 0x00,
  to: "server",
  channel: false,
  extension: EXTENSION,
  spec: "0x0001, 2",
  fields: { requestId: U16, requestedExtensions: Seq0_64K(U16) }
})
export type RequestExtensions = typeof RequestExtensions.Type

/** The requested extensions that the server supports. */
export const RequestExtensionsSuccess = Message.make("RequestExtensions.Success", {
  type: 0x01,
  to: "client",
  channel: false,
  extension: EXTENSION,
  spec: "0x0001, 2",
  fields: { requestId: U16, supportedExtensions: Seq0_64K(U16) }
})
export type RequestExtensionsSuccess = typeof RequestExtensionsSuccess.Type

/** The server supports none, or requires extensions that the client did not request: the client may ask again with them. */
export const RequestExtensionsError = Message.make("RequestExtensions.Error", {
  type: 0x02,
  to: "client",
  channel: false,
  extension: EXTENSION,
  spec: "0x0001, 2",
  fields: { requestId: U16, unsupportedExtensions: Seq0_64K(U16), requiredExtensions: Seq0_64K(U16) }
})
export type RequestExtensionsError = typeof RequestExtensionsError.Type

/** The extension's messages, for `Protocol.extend`. */
export const messages = [RequestExtensions, RequestExtensionsSuccess, RequestExtensionsError] as const
