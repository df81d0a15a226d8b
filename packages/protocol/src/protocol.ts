/** A protocol: the messages that may go to its server and to its client, and functions that derive one protocol from another. */
import { type Direction, makeDirection } from "./direction.ts"
import type { Extension } from "./extension.ts"
import { type ForeignMessage, forwardingDirection } from "./forwarding.ts"
import type { Message } from "./message.ts"
import { withTlvs } from "./tlv/tlv-direction.ts"

export interface Protocol<ToServer, ToClient> {
  /** `protocol` of SetupConnection (section 3.6.1). */
  readonly id: 0 | 1 | 2
  readonly name: string
  readonly toServer: Direction<ToServer>
  readonly toClient: Direction<ToClient>
}

/** The union of the types of the messages that go to a side. */
export type MessagesTo<Messages extends ReadonlyArray<Message>, Side extends "server" | "client"> = Extract<
  Messages[number],
  { readonly to: Side | "both" }
>["Type"]

/** Makes a protocol of these messages. Throws an `Error` if two of one direction share their numbers or name. */
const make = <const Messages extends ReadonlyArray<Message>>(options: {
  readonly id: 0 | 1 | 2
  readonly name: string
  readonly messages: Messages
}): Protocol<MessagesTo<Messages, "server">, MessagesTo<Messages, "client">> => ({
  id: options.id,
  name: options.name,
  toServer: makeDirection(options.messages.filter(({ to }) => to !== "client")),
  toClient: makeDirection(options.messages.filter(({ to }) => to !== "server"))
})

/** The protocol with additional messages, such as those of an extension. */
const extend = <ToServer, ToClient, const Messages extends ReadonlyArray<Message>>(
  protocol: Protocol<ToServer, ToClient>,
  messages: Messages
): Protocol<ToServer | MessagesTo<Messages, "server">, ToClient | MessagesTo<Messages, "client">> => ({
  id: protocol.id,
  name: protocol.name,
  toServer: makeDirection([...protocol.toServer.messages, ...messages.filter(({ to }) => to !== "client")]),
  toClient: makeDirection([...protocol.toClient.messages, ...messages.filter(({ to }) => to !== "server")])
})

/**
 * The protocol between two ends that have negotiated these extensions (extension 0x0001): with the messages and TLVs of these
 * extensions and without the messages of others.
 */
const negotiated = <ToServer, ToClient>(
  protocol: Protocol<ToServer, ToClient>,
  extensions: ReadonlyArray<Extension>
): Protocol<ToServer, ToClient> => {
  const inOrder = extensions.toSorted((a, b) => a.id - b.id)
  const tlvs = inOrder.flatMap((extension) => extension.tlvs)
  const narrow = <M>(direction: Direction<M>): Direction<M> => {
    const isSpoken = ({ extension }: Message) => extension === 0 || inOrder.some(({ id }) => id === extension)
    return withTlvs(direction.messages.every(isSpoken) ? direction : direction.only(isSpoken), tlvs)
  }
  const { id, name, toClient, toServer } = protocol
  return { id, name, toServer: narrow(toServer), toClient: narrow(toClient) }
}

/** The protocol with which a proxy also reads and writes messages of extensions that it does not know. */
const forwarding = <ToServer, ToClient>(
  protocol: Protocol<ToServer, ToClient>
): Protocol<ToServer | ForeignMessage, ToClient | ForeignMessage> => ({
  id: protocol.id,
  name: protocol.name,
  toServer: forwardingDirection(protocol.toServer),
  toClient: forwardingDirection(protocol.toClient)
})

export const Protocol = { make, extend, negotiated, forwarding }
