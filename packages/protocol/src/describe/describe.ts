/**
 * Describes plain frames for people: the message, its fields, its TLVs, and warnings about anything unusual. The description is
 * complete: `assemble` turns it back into the same bytes.
 */
import { Schema } from "effect"
import * as Hex from "effect/encoding/Hex"
import { type CatalogueOptions, listMessages, listTlvs, protocolNames, withoutProtocol } from "./catalogue.ts"
import { DecodeError } from "../codec/error.ts"
import { Frame } from "../frame.ts"
import { extensionTypeOf, type Message } from "../message.ts"
import type { Tlv } from "../tlv/tlv.ts"
import { decodeTlv } from "../tlv/tlv-direction.ts"
import { readTail, type TlvBytes } from "../tlv/tlv-tail.ts"

export interface DescribeOptions extends CatalogueOptions {
  /** The receiver of the frames. Without it, any message is accepted. */
  readonly to?: "server" | "client"
}

const U16 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
const U8 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xff }))

/** The description of one frame, as JSON. */
export const Described = Schema.Struct({
  protocol: Schema.optionalKey(Schema.Literals(protocolNames)),
  to: Schema.optionalKey(Schema.Literals(["server", "client"])),
  /** extension_type of the header, if it differs from the message's declaration. */
  extensionType: Schema.optionalKey(U16),
  /** msg_type, if no message is declared for it. */
  type: Schema.optionalKey(U8),
  /** The message: its name under `_tag`, then its fields as in `Message.json`. */
  message: Schema.optionalKey(Schema.StructWithRest(Schema.Struct({ _tag: Schema.String }), [JsonFields()])),
  /** Declared TLVs have their name under `_tag`; others have their numbers and their value as hex. */
  tlvs: Schema.optionalKey(
    Schema.Array(
      Schema.Union([
        Schema.StructWithRest(Schema.Struct({ _tag: Schema.String }), [JsonFields()]),
        Schema.Struct({ extension: U16, type: U8, value: Schema.String })
      ])
    )
  ),
  /** The bytes behind the fields, as hex, if they are not just the encoding of `tlvs`. */
  tail: Schema.optionalKey(Schema.String),
  /** The whole payload as hex, if fields and tail do not determine all of it. */
  payload: Schema.optionalKey(Schema.String),
  /** Bytes that are not a whole frame, as hex. */
  bytes: Schema.optionalKey(Schema.String),
  warnings: Schema.optionalKey(Schema.Array(Schema.String))
})
export interface Described extends Schema.Schema.Type<typeof Described> {}

function JsonFields() {
  return Schema.Record(Schema.String, Schema.Json)
}

/** Describes each frame of `bytes`, in order. An incomplete frame at the end comes last, as `bytes`. */
export const describe = (bytes: Uint8Array, options: DescribeOptions = {}): ReadonlyArray<Described> => {
  const all: Array<Described> = []
  let at = 0
  while (at < bytes.length) {
    const frame = Frame.read(bytes, at)
    if (frame === undefined) {
      all.push({ bytes: Hex.encode(bytes.subarray(at)), warnings: [truncation(bytes, at)] })
      break
    }
    all.push(describeFrame(frame, options))
    at += Frame.headerSize + frame.payload.length
  }
  return all
}

/** Describes one frame. */
export const describeFrame = (frame: Frame, options: DescribeOptions = {}): Described => {
  const { extensionType, messageType: type, payload } = frame
  const extension = Frame.extension(frame)
  const isOf = ({ message }: { readonly message: Message }) => message.extension === extension && message.type === type
  const listed = listMessages(options).find(isOf)
  if (listed === undefined) {
    const elsewhere = options.protocol === undefined ? undefined : listMessages(withoutProtocol(options)).find(isOf)
    return {
      extensionType,
      type,
      payload: Hex.encode(payload),
      warnings: [unknownMessage(frame, elsewhere?.message)]
    }
  }
  const { message, protocol } = listed
  const to = message.to === "both" ? options.to : message.to
  const head = {
    protocol,
    ...(to === undefined ? {} : { to }),
    ...(extensionType === extensionTypeOf(message) ? {} : { extensionType })
  }
  const warnings = headerWarnings(frame, message, options)
  try {
    const value = message.codec.decode(payload)
    const tailAt = message.codec.endOfLast()
    const { tlvs, warnings: tailWarnings, isPlain } = describeTail(message, payload, tailAt, options)
    const json = Schema.encodeSync(message.json)(value)
    const again = message.codec.encode(Schema.decodeSync(message.json)(json)).subarray(Frame.headerSize)
    const isWhole = equal(again, payload.subarray(0, tailAt))
    if (!isWhole) warnings.push("its fields do not tell all of its bits, as BOOL's upper ones or those of a NaN")
    return {
      ...head,
      message: json as Described["message"] & {},
      ...(tlvs.length === 0 ? {} : { tlvs }),
      ...(isPlain ? {} : { tail: Hex.encode(payload.subarray(tailAt)) }),
      ...(isWhole ? {} : { payload: Hex.encode(payload) }),
      ...listOf(warnings.concat(tailWarnings))
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    const { type } = message
    return { ...head, extensionType, type, payload: Hex.encode(payload), ...listOf([...warnings, error.message]) }
  }
}

const listOf = (warnings: ReadonlyArray<string>) => (warnings.length === 0 ? {} : { warnings })

const hex16 = (value: number): string => `0x${value.toString(16).padStart(4, "0")}`
const hex8 = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`

const truncation = (bytes: Uint8Array, at: number): string => {
  const left = bytes.length - at
  if (left < Frame.headerSize) return `${left} bytes at the end are no header, which has ${Frame.headerSize}`
  const length = bytes[at + 3]! | (bytes[at + 4]! << 8) | (bytes[at + 5]! << 16)
  return `the last frame says that its payload has ${length} bytes, and there are ${left - Frame.headerSize}`
}

const unknownMessage = (frame: Frame, elsewhere: Message | undefined): string => {
  const numbers = `extension ${hex16(Frame.extension(frame))}, type ${hex8(frame.messageType)}`
  if (elsewhere !== undefined) return `no message of this protocol: ${numbers} is ${elsewhere.name} of another`
  return `no message is known of ${numbers}${Frame.isChannelMessage(frame) ? ", for a channel" : ""}`
}

const headerWarnings = (frame: Frame, message: Message, { to }: DescribeOptions): Array<string> => {
  const warnings: Array<string> = []
  if (Frame.isChannelMessage(frame) !== message.channel) {
    warnings.push(
      `the channel bit is ${message.channel ? "not set" : "set"}, and should${message.channel ? "" : " not"} be`
    )
  }
  if (to !== undefined && message.to !== "both" && message.to !== to) {
    warnings.push(`it is a message to the ${message.to}`)
  }
  return warnings
}

/** The TLVs of a tail, warnings about them, and whether writing the TLVs gives the same bytes. */
const describeTail = (message: Message, payload: Uint8Array, tailAt: number, options: DescribeOptions) => {
  const known = listTlvs(message, options)
  const find = ({ extension, type }: { readonly extension: number; readonly type: number }) =>
    known.find((tlv) => tlv.extension === extension && tlv.type === type)
  const tail = readTail(payload, tailAt, (extension, type) => find({ extension, type }) !== undefined)
  const warnings: Array<string> = []
  const tlvs: Array<NonNullable<Described["tlvs"]>[number]> = []
  for (const bytes of tail.tlvs) {
    const value = payload.subarray(bytes.at, bytes.at + bytes.size)
    const tlv = find(bytes)
    const decoded = tlv === undefined ? undefined : decodeOrWarn(message, tlv, bytes, payload, warnings)
    if (tlv === undefined)
      warnings.push(`an unknown TLV: extension ${hex16(bytes.extension)}, type ${hex8(bytes.type)}`)
    tlvs.push(decoded ?? { extension: bytes.extension, type: bytes.type, value: Hex.encode(value) })
  }
  if (tail.byteOrder === "big" && tail.tlvs.length > 0) warnings.push("its TLVs are big-endian")
  if (tail.cut !== undefined) {
    const left = payload.length - tail.cut.at
    warnings.push(`TLV ${find(tail.cut)!.name} says that it has ${tail.cut.size} bytes, and there are ${left}`)
  } else if (tail.end < payload.length) {
    warnings.push(`${payload.length - tail.end} bytes behind it are no TLV`)
  }
  if (tlvs.some((_, index) => index > 0 && before(tail.tlvs[index]!, tail.tlvs[index - 1]!))) {
    warnings.push("its TLVs are not in the order of their extensions")
  }
  const isPlain = tail.end === payload.length && (tail.byteOrder === "little" || tlvs.length === 0)
  return { tlvs, warnings, isPlain }
}

const before = (a: TlvBytes, b: TlvBytes): boolean => a.extension < b.extension

const decodeOrWarn = (message: Message, tlv: Tlv, bytes: TlvBytes, payload: Uint8Array, warnings: Array<string>) => {
  try {
    const value = decodeTlv(message.name, tlv, bytes, payload)
    const json = Schema.encodeSync(tlv.json)(value as never)
    const read = Schema.decodeSync(tlv.json)(json)
    const again = new Uint8Array(tlv.codec.size(read))
    tlv.codec.write(read, again, 0)
    if (!equal(again, payload.subarray(bytes.at, bytes.at + bytes.size))) return undefined
    return json as { readonly _tag: string }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    warnings.push(error.message)
    return undefined
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])
