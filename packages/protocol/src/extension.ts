/**
 * An extension of the protocol (specification, section 3.4): its number, its messages and its TLVs in one value. Both ends
 * negotiate extensions.
 */
import type { Message } from "./message.ts"
import { Frame } from "./frame.ts"
import type { Tlv } from "./tlv/tlv.ts"

export interface Extension<
  Messages extends ReadonlyArray<Message> = ReadonlyArray<Message>,
  Tlvs extends ReadonlyArray<Tlv> = ReadonlyArray<Tlv>
> {
  /** extension_type without the channel bit, 1 to 0x7fff; 0x4000 to 0x7fff are for experiments. */
  readonly id: number
  readonly name: string
  /** The document that specifies it. */
  readonly spec: string
  /** The messages that it defines, for `Protocol.extend`. */
  readonly messages: Messages
  /** The TLVs that it adds to other messages, in the order in which they must stand. */
  readonly tlvs: Tlvs
}

const make = <const Messages extends ReadonlyArray<Message> = [], const Tlvs extends ReadonlyArray<Tlv> = []>(options: {
  readonly id: number
  readonly name: string
  readonly spec: string
  readonly messages?: Messages
  readonly tlvs?: Tlvs
}): Extension<Messages, Tlvs> => {
  const { id, name, spec } = options
  const messages = options.messages ?? ([] as ReadonlyArray<Message> as Messages)
  const tlvs = options.tlvs ?? ([] as ReadonlyArray<Tlv> as Tlvs)
  const refuse = (why: string): never => {
    throw new Error(`The declaration of extension ${JSON.stringify(name)} is wrong: ${why}`)
  }
  if (!(Number.isInteger(id) && id > 0 && id < Frame.channelBit)) refuse(`its number ${id} is not in 1..0x7fff`)
  for (const part of [...messages, ...tlvs]) {
    if (part.extension !== id) refuse(`${part.name} is of extension 0x${part.extension.toString(16)}`)
  }
  const types = new Set(tlvs.map(({ type }) => type))
  if (types.size < tlvs.length) refuse("two of its TLVs have one type")
  return { id, name, spec, messages, tlvs }
}

export const Extension = {
  /** Declares an extension. Throws an `Error` if a message or TLV belongs to another extension. */
  make
}
