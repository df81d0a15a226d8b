/** Encodes frames from descriptions, as `describe` gives them or as people write them. The inverse of `describe`. */
import { Result, Schema } from "effect"
import * as Hex from "effect/encoding/Hex"
import { type CatalogueOptions, listMessages, listTlvs, withoutProtocol } from "./catalogue.ts"
import { Described } from "./describe.ts"
import { EncodeError } from "../codec/error.ts"
import { Frame } from "../frame.ts"
import { extensionTypeOf, type Message } from "../message.ts"
import { TLV_HEADER_SIZE, writeTlvHeader } from "../tlv/tlv-tail.ts"

/** The value is not a valid description of a frame. */
export class AssembleError extends Schema.TaggedError<AssembleError>()("AssembleError", { message: Schema.String }) {}

/**
 * Encodes the whole frame. Needs only `message`, and `protocol` if two protocols have a message of that name. Also accepts a
 * bare message: its `_tag` and its fields. Throws `AssembleError` and nothing else.
 */
export const assemble = (described: unknown, options: CatalogueOptions = {}): Uint8Array => {
  try {
    const given = isBare(described) ? { message: described } : described
    const frame = Schema.decodeUnknownSync(Described, { onExcessProperty: "error" })(given)
    return frame.bytes === undefined ? frameOf(frame, options) : fromHex("bytes", frame.bytes)
  } catch (error) {
    if (error instanceof AssembleError) throw error
    if (error instanceof EncodeError || Schema.isSchemaError(error)) throw refusal(error.message)
    throw error
  }
}

const isBare = (value: unknown): boolean => typeof value === "object" && value !== null && "_tag" in value

const refusal = (message: string): AssembleError => new AssembleError({ message })

const frameOf = (described: Described, options: CatalogueOptions): Uint8Array => {
  const { extensionType, payload, type } = described
  if (described.message === undefined) {
    if (extensionType === undefined || type === undefined || payload === undefined) {
      throw refusal("expected message, or extensionType, type and payload, or bytes")
    }
    return join(extensionType, type, fromHex("payload", payload))
  }
  const message = find(described, options)
  const header = extensionType ?? extensionTypeOf(message)
  if (payload !== undefined) return join(header, message.type, fromHex("payload", payload))
  const value = Schema.decodeUnknownSync(message.json, { onExcessProperty: "error" })(described.message)
  const fields = message.codec.encode(value).subarray(Frame.headerSize)
  const tail = described.tail === undefined ? tlvBytes(described, message, options) : fromHex("tail", described.tail)
  return join(header, message.type, fields, tail)
}

const find = (described: Described, options: CatalogueOptions): Message => {
  const name = described.message!._tag
  const protocol = described.protocol ?? options.protocol
  const listed = listMessages(protocol === undefined ? withoutProtocol(options) : { ...options, protocol })
  const found = listed.filter(({ message }) => message.name === name)
  if (found.length === 0) {
    throw refusal(`there is no message ${JSON.stringify(name)}${protocol === undefined ? "" : ` in ${protocol}`}`)
  }
  if (found.length > 1) {
    throw refusal(`${name} is a message of ${found.map((one) => one.protocol).join(" and of ")}: say which protocol`)
  }
  return found[0]!.message
}

const tlvBytes = (described: Described, message: Message, options: CatalogueOptions): Uint8Array => {
  const known = listTlvs(message, options)
  const parts = (described.tlvs ?? []).map((given) => {
    if (!("_tag" in given)) return tlv(given, fromHex("value", given.value as string))
    const declared = known.find(({ name }) => name === given._tag)
    if (declared === undefined) throw refusal(`there is no TLV ${JSON.stringify(given._tag)} behind ${message.name}`)
    const value = Schema.decodeUnknownSync(declared.json, { onExcessProperty: "error" })(given)
    const out = new Uint8Array(declared.codec.size(value))
    declared.codec.write(value, out, 0)
    return tlv(declared, out)
  })
  return concat(parts)
}

const tlv = (numbers: { readonly extension: number; readonly type: number }, value: Uint8Array): Uint8Array => {
  if (value.length > 0xffff) throw refusal(`a TLV has at most 65535 bytes, not ${value.length}`)
  const out = new Uint8Array(TLV_HEADER_SIZE + value.length)
  out.set(value, writeTlvHeader(out, 0, numbers, value.length))
  return out
}

const join = (extensionType: number, type: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  if (length > Frame.maxPayload) throw refusal(`a payload has at most ${Frame.maxPayload} bytes, not ${length}`)
  const header = Uint8Array.of(extensionType, extensionType >> 8, type, length, length >> 8, length >> 16)
  return concat([header, ...parts])
}

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const fromHex = (key: string, text: string): Uint8Array =>
  Result.getOrThrowWith(Hex.decode(text), () => refusal(`${key} should be hex, two digits a byte`))
