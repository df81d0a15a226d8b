/**
 * The messages that all protocols share (specification, section 3.6): those of the setup, which no protocol has among its
 * own, and two that a connected server sends.
 */
import { makeDirection } from "../direction.ts"
import { Message } from "../message.ts"
import { Str0_255, U16, U32, U8 } from "../codec/wire.ts"

/** The only protocol version so far, for `minVersion` and `maxVersion` of SetupConnection. */
export const PROTOCOL_VERSION = 2

/** The values of SetupConnection's `protocol`. */
export const MINING_PROTOCOL = 0
export const JOB_DECLARATION_PROTOCOL = 1
export const TEMPLATE_DISTRIBUTION_PROTOCOL = 2

/** The client's first message. The meaning of `flags` depends on the protocol: see the constants of its module. */
export const SetupConnection = Message.make("SetupConnection", {
  type: 0x00,
  to: "server",
  channel: false,
  spec: "3.6.1",
  fields: {
    protocol: U8,
    minVersion: U16,
    maxVersion: U16,
    flags: U32,
    endpointHost: Str0_255,
    endpointPort: U16,
    vendor: Str0_255,
    hardwareVersion: Str0_255,
    firmware: Str0_255,
    deviceId: Str0_255
  }
})
export type SetupConnection = typeof SetupConnection.Type

/** The server accepts. `flags` are the server's and have other meanings than the client's. */
export const SetupConnectionSuccess = Message.make("SetupConnection.Success", {
  type: 0x01,
  to: "client",
  channel: false,
  spec: "3.6.2",
  fields: { usedVersion: U16, flags: U32 }
})
export type SetupConnectionSuccess = typeof SetupConnectionSuccess.Type

/** The server refuses and closes. `flags` are the client's flags that it does not support, 0 for other reasons. */
export const SetupConnectionError = Message.make("SetupConnection.Error", {
  type: 0x02,
  to: "client",
  channel: false,
  spec: "3.6.3",
  fields: { flags: U32, errorCode: Str0_255 }
})
export type SetupConnectionError = typeof SetupConnectionError.Type

/** The messages of the setup, for tools that read a connection from its first frame: `Protocol.extend(protocol, setupMessages)`. */
export const setupMessages = [SetupConnection, SetupConnectionSuccess, SetupConnectionError] as const
export type SetupMessage = (typeof setupMessages)[number]["Type"]

/** The setup, which comes before the messages of any protocol. */
export const setup = {
  toServer: makeDirection<SetupConnection>([SetupConnection]),
  toClient: makeDirection<SetupConnectionSuccess | SetupConnectionError>([SetupConnectionSuccess, SetupConnectionError])
}

/** The far end of a channel was replaced: state that extensions keep about it is no longer valid. */
export const ChannelEndpointChanged = Message.make("ChannelEndpointChanged", {
  type: 0x03,
  to: "client",
  channel: true,
  spec: "3.6.4",
  fields: { channelId: U32 }
})
export type ChannelEndpointChanged = typeof ChannelEndpointChanged.Type

/** Asks the client to connect elsewhere, with the same authority key. An empty host or port 0 mean the present one. */
export const Reconnect = Message.make("Reconnect", {
  type: 0x04,
  to: "client",
  channel: false,
  spec: "3.6.5",
  fields: { newHost: Str0_255, newPort: U16 }
})
export type Reconnect = typeof Reconnect.Type
