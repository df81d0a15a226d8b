/**
 * A message is declared once, as data. Its TypeScript type, binary codec, JSON view, random generator and row in the
 * documentation are derived from the declaration.
 *
 *     const SubmitSharesStandard = Message.make("SubmitSharesStandard", {
 *       type: 0x1a, to: "server", channel: true, spec: "5.3.11",
 *       fields: { channelId: U32, sequenceNumber: U32, jobId: U32, nonce: U32, ntime: U32, version: U32 }
 *     })
 *     type SubmitSharesStandard = typeof SubmitSharesStandard.Type
 */
import { Arbitrary, Schema, type Types } from "effect"
import { type Codec, compile } from "./codec/codec.ts"
import { encodeOnce } from "./encode-once.ts"
import { Frame } from "./frame.ts"
import { maxWireSize, type WireSchema, type WireType, wireTypeOf } from "./codec/wire.ts"

/** The ends that may receive a message. */
export type Recipient = "server" | "client" | "both"

/** The fields of a message in the order of the wire, named as in the specification, in camelCase. */
export interface MessageFields {
  readonly [name: string]: WireSchema<unknown>
}

/** A message's value: its name under `_tag`, then the fields. */
export type MessageType<Name extends string, Fields extends MessageFields> = Types.Simplify<
  { readonly _tag: Name } & { readonly [Key in keyof Fields]: Fields[Key]["Type"] }
>

export interface Declaration<Fields extends MessageFields, To extends Recipient> {
  /** msg_type, 0 to 255. */
  readonly type: number
  readonly to: To
  /** Whether the frame's channel bit is set; the first field is then `channelId: U32` (section 3.2.1). */
  readonly channel: boolean
  /** The section that specifies the message. */
  readonly spec: string
  readonly fields: Fields
  /** The extension that defines the message, 0 to 0x7fff; 0, the default, for the core protocols (section 3.4.1). */
  readonly extension?: number
  /** Whether one message object is sent to many connections: its frame is then encoded once. Default false. */
  readonly shared?: boolean
}

export interface Message<
  Name extends string = string,
  Fields extends MessageFields = MessageFields,
  To extends Recipient = Recipient
> {
  /** The name in the specification, with its dot: "SubmitShares.Success". */
  readonly name: Name
  readonly type: number
  readonly to: To
  readonly channel: boolean
  readonly spec: string
  readonly extension: number
  readonly fields: Fields
  /** The fields' layouts in the order of the wire, for documentation and tools. */
  readonly layout: ReadonlyArray<{ readonly name: string; readonly type: WireType }>
  /** The longest payload that the fields allow, in bytes. May be more than a frame holds. */
  readonly maxPayload: number
  /** `typeof X.Type` is the type of the message's values. `undefined` at run time. */
  readonly Type: MessageType<Name, Fields>
  readonly schema: Schema.Codec<MessageType<Name, Fields>>
  /** To and from JSON: bytes as hex, U64 as a decimal string. */
  readonly json: Schema.Codec<MessageType<Name, Fields>, Schema.Json>
  /** Random messages, for tests. */
  readonly arbitrary: Arbitrary.Arbitrary<MessageType<Name, Fields>>
  readonly codec: Codec<MessageType<Name, Fields>>
  /**
   * The message's frame, header and payload. Of a `shared` message it is encoded once and remembered by the message object;
   * neither may be changed then. Throws `EncodeError`.
   */
  encode(message: MessageType<Name, Fields>): Uint8Array
  /** Makes a message of these fields. Does not check them; `encode` does. */
  make(fields: Omit<MessageType<Name, Fields>, "_tag">): MessageType<Name, Fields>
}

const make = <const Name extends string, const Fields extends MessageFields, const To extends Recipient>(
  name: Name,
  declaration: Declaration<Fields, To>
): Message<Name, Fields, To> => {
  const { channel, extension = 0, fields, shared = false, spec, to, type } = declaration
  const layout = Object.entries(fields).map(([field, schema]) => {
    const type = wireTypeOf(schema)
    if (type === undefined) throw new Error(`${name}: ${field} needs a wire type, such as U32`)
    return { name: field, type }
  })
  checkDeclaration(name, { channel, extension, type }, layout)
  const extensionType = extensionTypeOf({ channel, extension })
  const codec = compile<MessageType<Name, Fields>>({ name, extensionType, type, fields: layout })
  const schema = Schema.TaggedStruct(name, fields as unknown as Schema.Struct.Fields) as unknown as Schema.Codec<
    MessageType<Name, Fields>
  >
  let json: Schema.Codec<MessageType<Name, Fields>, Schema.Json> | undefined
  let arbitrary: Arbitrary.Arbitrary<MessageType<Name, Fields>> | undefined
  return {
    name,
    type,
    to,
    channel,
    spec,
    extension,
    fields,
    layout,
    maxPayload: layout.reduce((sum, { type }) => sum + maxWireSize(type), 0),
    Type: undefined as unknown as MessageType<Name, Fields>,
    schema,
    get json() {
      return (json ??= Schema.toCodecJson(schema))
    },
    get arbitrary() {
      return (arbitrary ??= Arbitrary.schema(schema))
    },
    codec,
    encode: shared ? encodeOnce(codec.encode) : codec.encode,
    make: codec.make
  }
}

/** The extension_type of a message's frames, with the channel bit. */
export const extensionTypeOf = (message: { readonly channel: boolean; readonly extension: number }): number =>
  message.channel ? message.extension | Frame.channelBit : message.extension

/** Throws on a wrong declaration: a bug of the program, found at load time. */
const checkDeclaration = (
  name: string,
  { channel, extension, type }: { readonly channel: boolean; readonly extension: number; readonly type: number },
  layout: Message["layout"]
): void => {
  const refuse = (why: string): never => {
    throw new Error(`The declaration of message ${JSON.stringify(name)} is wrong: ${why}`)
  }
  if (!/^[A-Za-z][A-Za-z0-9.]*$/.test(name)) refuse("its name must be letters, digits and dots")
  if (!(Number.isInteger(type) && type >= 0 && type <= 0xff)) refuse(`type ${type} is not in 0..0xff`)
  if (!(Number.isInteger(extension) && extension >= 0 && extension < Frame.channelBit)) {
    refuse(`extension ${extension} is not in 0..0x7fff`)
  }
  checkFieldNames(layout, refuse)
  for (const field of layout) {
    if ("prefix" in field.type && field.type.prefix === 0)
      refuse(`${field.name} has no length and would include the TLVs behind the message`)
  }
  if (channel && !(layout[0]?.type.name === "U32")) refuse("a channel message begins with a U32, the channel's id")
}

/** Throws unless field names are plain identifiers: they become part of the codecs' source code. */
export const checkFieldNames = (layout: Message["layout"], refuse: (why: string) => never): void => {
  for (const { name } of layout) {
    if (!/^[a-z][A-Za-z0-9]*$/.test(name)) refuse(`field ${JSON.stringify(name)} is not in camelCase`)
  }
}

export const Message = {
  /**
   * Declares a message and compiles its codec. Throws an `Error` if the declaration is invalid. Declare messages of your own
   * extension in the same way, with `extension`, and add them to a protocol with `Protocol.extend`.
   */
  make
}
