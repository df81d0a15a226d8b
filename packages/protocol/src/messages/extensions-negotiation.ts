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

/** Of what was asked for, what the server supports. */
export const RequestExtensionsSuccess = Message.make("RequestExtensions.Success", {
  type: 0x01,
  to: "client",
  channel: false,
  extension: EXTENSION,
  spec: "0x0001, 2",
  fields: { requestId: U16, supportedExtensions: Seq0_64K(U16) }
})
export type RequestExtensionsSuccess = typeof RequestExtensionsSuccess.Type

/** None is supported, or the server insists on some that were not asked for: the client may ask once more, with them. */
export const RequestExtensionsError = Message.make("RequestExtensions.Error", {
  type: 0x02,
  to: "client",
  channel: false,
  extension: EXTENSION,
  spec: "0x0001, 2",
  fields: { requestId: U16, unsupportedExtensions: Seq0_64K(U16), requiredExtensions: Seq0_64K(U16) }
})
export type RequestExtensionsError = typeof RequestExtensionsError.Type

/** All of them, for `Protocol.extend`. */
export const messages = [RequestExtensions, RequestExtensionsSuccess, RequestExtensionsError] as const
