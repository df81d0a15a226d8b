/**
 * Type-length-value fields that extensions add behind the fields of a message (specification, section 3.4.3). They are declared
 * like messages:
 *
 *     const UserIdentity = Tlv.make("UserIdentity", {
 *       extension: 0x0002, type: 0x01, on: [Mining.SubmitSharesExtended], spec: "0x0002, 1.1",
 *       fields: { userIdentity: RestText(32) }
 *     })
 *     const share = UserIdentity.put(SubmitSharesExtended.make({ ... }), { userIdentity: "Worker_001" })
 *     UserIdentity.get(share)?.userIdentity
 *
 * A message carries its TLVs under a hidden key, which code that does not know them does not see. They go over the wire if both
 * ends have negotiated their extension: see `Protocol.negotiated`.
 */
import { Arbitrary, Schema } from "effect"
import { type Codec, compile } from "../codec/codec.ts"
import { Frame } from "../frame.ts"
import { checkFieldNames, type Message, type MessageFields, type MessageType } from "../message.ts"
import { maxWireSize, type WireType, wireTypeOf } from "../codec/wire.ts"

export interface TlvDeclaration<Fields extends MessageFields, On extends Message> {
  /** The extension of the TLV, 1 to 0x7fff. */
  readonly extension: number
  /** The TLV's number in the extension, 0 to 255. */
  readonly type: number
  /** The messages that the TLV may follow. */
  readonly on: ReadonlyArray<On>
  /** The section that specifies the TLV. */
  readonly spec: string
  /** The fields of its value, in order. `RestBytes` and `RestText` take the rest of the value. */
  readonly fields: Fields
}

export interface Tlv<
  Name extends string = string,
  Fields extends MessageFields = MessageFields,
  On extends Message = Message
> {
  readonly name: Name
  readonly extension: number
  readonly type: number
  readonly on: ReadonlyArray<On>
  readonly spec: string
  readonly fields: Fields
  /** The fields' layouts in the order of the wire. */
  readonly layout: ReadonlyArray<{ readonly name: string; readonly type: WireType }>
  /** The longest value in bytes, at most the limit of the 16-bit length. */
  readonly maxSize: number
  /** `typeof X.Type` is the type of the TLV's value: its name under `_tag`, then the fields. */
  readonly Type: MessageType<Name, Fields>
  /** To and from JSON, as `Message.json`. */
  readonly json: Schema.Codec<MessageType<Name, Fields>, Schema.Json>
  /** Random values, for tests. */
  readonly arbitrary: Arbitrary.Arbitrary<MessageType<Name, Fields>>
  readonly codec: Codec<MessageType<Name, Fields>>
  /** The message's value of this TLV, if it has one. */
  get(message: { readonly _tag: string }): MessageType<Name, Fields> | undefined
  /** A copy of the message with this value of the TLV, which replaces an earlier value. */
  put<M extends On["Type"]>(message: M, value: Omit<MessageType<Name, Fields>, "_tag">): M
}

const make = <const Name extends string, const Fields extends MessageFields, const On extends Message>(
  name: Name,
  declaration: TlvDeclaration<Fields, On>
): Tlv<Name, Fields, On> => {
  const { extension, fields, on, spec, type } = declaration
  const layout = Object.entries(fields).map(([field, schema]) => {
    const type = wireTypeOf(schema)
    if (type === undefined) throw new Error(`${name}: ${field} needs a wire type, such as U32`)
    return { name: field, type }
  })
  checkDeclaration(name, { extension, on, type }, layout)
  const codec = compile<MessageType<Name, Fields>>({ name, extensionType: extension, type, fields: layout })
  const schema = Schema.TaggedStruct(name, fields as unknown as Schema.Struct.Fields) as unknown as Schema.Codec<
    MessageType<Name, Fields>
  >
  let json: Schema.Codec<MessageType<Name, Fields>, Schema.Json> | undefined
  let arbitrary: Arbitrary.Arbitrary<MessageType<Name, Fields>> | undefined
  const tlv: Tlv<Name, Fields, On> = {
    name,
    extension,
    type,
    on,
    spec,
    fields,
    layout,
    maxSize: Math.min(
      0xffff,
      layout.reduce((sum, { type }) => sum + maxWireSize(type), 0)
    ),
    Type: undefined as unknown as MessageType<Name, Fields>,
    get json() {
      return (json ??= Schema.toCodecJson(schema))
    },
    get arbitrary() {
      return (arbitrary ??= Arbitrary.schema(schema))
    },
    codec,
    get: (message) => {
      const attached = attachedTo(message)
      // Most messages have none: no search, no closure.
      if (attached === NONE) return undefined
      const found = attached.find((one) => one.tlv === (tlv as unknown as Tlv))
      return found?.value as MessageType<Name, Fields> | undefined
    },
    put: (message, value) => {
      const others = attachedTo(message).filter((one) => one.tlv !== (tlv as unknown as Tlv))
      const attached = { tlv: tlv as unknown as Tlv, value: codec.make(value as never) }
      return { ...message, [key]: [...others, attached] }
    }
  }
  return tlv
}

export const Tlv = {
  /** Declares a TLV and compiles its codec. Throws an `Error` if the declaration makes no sense. */
  make
}

const checkDeclaration = (
  name: string,
  { extension, on, type }: Pick<Tlv, "extension" | "on" | "type">,
  layout: Tlv["layout"]
): void => {
  const refuse = (why: string): never => {
    throw new Error(`The declaration of TLV ${JSON.stringify(name)} is wrong: ${why}`)
  }
  if (!/^[A-Za-z][A-Za-z0-9.]*$/.test(name)) refuse("its name must be letters, digits and dots")
  if (!(Number.isInteger(type) && type >= 0 && type <= 0xff)) refuse(`type ${type} is not in 0..0xff`)
  if (!(Number.isInteger(extension) && extension > 0 && extension < Frame.channelBit)) {
    refuse(`extension ${extension} is not in 1..0x7fff`)
  }
  if (on.length === 0) refuse("it follows no message")
  checkFieldNames(layout, refuse)
  const rest = layout.findIndex(({ type }) => "prefix" in type && type.prefix === 0)
  if (rest >= 0 && rest < layout.length - 1)
    refuse(`nothing can follow ${layout[rest]!.name}, which takes all the rest`)
}

/** A TLV and its value, as a message carries it. */
export interface Attached {
  readonly tlv: Tlv
  readonly value: { readonly _tag: string }
}

const key = Symbol("sluice/protocol/tlvs")
const NONE: ReadonlyArray<Attached> = []

/** The TLVs that the message carries. */
export const attachedTo = (message: object): ReadonlyArray<Attached> =>
  (message as { readonly [key]?: ReadonlyArray<Attached> })[key] ?? NONE

/** Gives a message that was just decoded its TLVs. */
export const attach = (message: object, tlvs: ReadonlyArray<Attached>): void => {
  ;(message as { [key]?: ReadonlyArray<Attached> })[key] = tlvs
}
