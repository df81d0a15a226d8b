/**
 * Messages of unknown extensions, for proxies (specification, section 3.4.1). A proxy forwards a message for a channel to the
 * other end of the channel and changes only the channel id. It discards a message for the connection, which is addressed to
 * the proxy itself.
 */
import { Schema } from "effect"
import type { Direction } from "./direction.ts"
import { EncodeError } from "./codec/error.ts"
import { Frame } from "./frame.ts"
import { B0_16M, U16, U32, U8 } from "./codec/wire.ts"

/** A message for a channel, of an unknown extension. To forward it, change `channelId` and send it. */
export interface ForeignMessage {
  readonly _tag: "ForeignMessage"
  /** The extension, without the channel bit, which is set on the wire. */
  readonly extension: number
  readonly type: number
  readonly channelId: number
  /** The payload after the channel id. */
  readonly content: Uint8Array
}

const ID_SIZE = 4

/** A direction that also reads and writes such messages. */
export const forwardingDirection = <M>(direction: Direction<M>): Direction<M | ForeignMessage> => {
  const ours = new Set(direction.messages.map(({ extension }) => extension).concat(0))

  const read = (frame: Frame, copy: boolean): ForeignMessage | undefined => {
    const { payload } = frame
    const extension = Frame.extension(frame)
    if (!Frame.isChannelMessage(frame) || ours.has(extension) || payload.length < ID_SIZE) return undefined
    const channelId = (payload[0]! | (payload[1]! << 8) | (payload[2]! << 16) | (payload[3]! << 24)) >>> 0
    const content = copy ? payload.slice(ID_SIZE) : payload.subarray(ID_SIZE)
    return { _tag: "ForeignMessage", extension, type: frame.messageType, channelId, content }
  }

  const sizeOf = ({ content }: ForeignMessage, tail: Uint8Array | undefined): number => {
    const size = Frame.headerSize + ID_SIZE + content.length + (tail?.length ?? 0)
    if (size <= Frame.headerSize + Frame.maxPayload) return size
    const limit = `a payload of at most ${Frame.maxPayload} bytes`
    const text = `ForeignMessage: must be ${limit}, but it is longer`
    throw new EncodeError({ message: text, messageName: "ForeignMessage", field: "content", limit, actual: "longer" })
  }

  const write = (message: ForeignMessage, out: Uint8Array, at: number, tail: Uint8Array | undefined): number => {
    const size = sizeOf(message, tail)
    const { channelId, content, extension, type } = message
    const length = size - Frame.headerSize
    const header = [extension, (extension >> 8) | 0x80, type, length, length >> 8, length >> 16]
    out.set([...header, channelId, channelId >> 8, channelId >> 16, channelId >> 24], at)
    out.set(content, at + header.length + ID_SIZE)
    if (tail !== undefined) out.set(tail, at + header.length + ID_SIZE + content.length)
    return size
  }

  const isForeign = (message: M | ForeignMessage): message is ForeignMessage =>
    (message as { readonly _tag: string })._tag === "ForeignMessage"

  const schema = Schema.Union([direction.schema, ForeignSchema]) as Schema.Codec<M | ForeignMessage>
  return {
    schema,
    get json() {
      return Schema.toCodecJson(schema)
    },
    messages: direction.messages,
    maxPayload: direction.maxPayload,
    find: direction.find,
    decode: (frame, options) => direction.decode(frame, options) ?? read(frame, options?.copy === true),
    decodeWithTail: (frame, options) => {
      const known = direction.decodeWithTail(frame, options)
      if (known !== undefined) return known
      const message = read(frame, options?.copy === true)
      return message === undefined ? undefined : { message, tailAt: frame.payload.length }
    },
    encode: (message, tail) => {
      if (!isForeign(message)) return direction.encode(message, tail)
      const out = new Uint8Array(sizeOf(message, tail))
      write(message, out, 0, tail)
      return out
    },
    encodeInto: (message, out, at, tail) => {
      if (!isForeign(message)) return direction.encodeInto(message, out, at, tail)
      const size = sizeOf(message, tail)
      if (at >= 0 && at + size <= out.length) return write(message, out, at, tail)
      const limit = `a buffer with room for ${size} bytes at offset ${at}`
      const actual = `${out.length} bytes long`
      const text = `ForeignMessage: encoding it needs ${limit}, but the buffer is ${actual}`
      throw new EncodeError({ message: text, messageName: "ForeignMessage", field: "", limit, actual })
    },
    encodedSize: (message) => (isForeign(message) ? sizeOf(message, undefined) : direction.encodedSize(message)),
    only: (keep) => forwardingDirection(direction.only(keep))
  }
}

const ForeignSchema: Schema.Codec<ForeignMessage> = Schema.TaggedStruct("ForeignMessage", {
  extension: U16,
  type: U8,
  channelId: U32,
  content: B0_16M
})
