/**
 * One direction of a protocol: the messages that may go to its server, or to its client, by their numbers (specification,
 * section 8), and the functions that turn frames into messages and back.
 */
import { Schema } from "effect"
import type { Codec } from "./codec/codec.ts"
import { EncodeError } from "./codec/error.ts"
import { explainEncode, tooLong } from "./codec/explain.ts"
import { Frame } from "./frame.ts"
import { extensionTypeOf, type Message } from "./message.ts"

export interface DecodeOptions {
  /** Copies byte fields. By default they are views on the payload. */
  readonly copy?: boolean
}

/** The messages that may go in one direction of a protocol. `M` is the union of their types, discriminated by `_tag`. */
export interface Direction<M> {
  readonly schema: Schema.Codec<M>
  /** To and from JSON, as `Message.json`. */
  readonly json: Schema.Codec<M, Schema.Json>
  readonly messages: ReadonlyArray<Message>
  /** The longest payload that the declarations allow, in bytes, at most what a frame holds. */
  readonly maxPayload: number
  /**
   * The frame's message, or `undefined` if the direction has no message of that extension and type. The receiver discards
   * such a frame, or forwards it if it is for a channel (section 3.4.1). Ignores bytes behind the fields. Throws
   * `DecodeError` and nothing else.
   */
  decode(frame: Frame, options?: DecodeOptions): M | undefined
  /** As `decode`, with the offset in the payload at which the fields end and TLVs begin (section 3.4.3). */
  decodeWithTail(frame: Frame, options?: DecodeOptions): { readonly message: M; readonly tailAt: number } | undefined
  /**
   * Encodes the whole plain frame, header and payload, into a new buffer. Appends `tail`, such as encoded TLVs, to the
   * fields. Without a tail, the frame of a `shared` message
   * is encoded once and must not be changed. Throws `EncodeError` and nothing else.
   */
  encode(message: M, tail?: Uint8Array): Uint8Array
  /** Writes the frame into the caller's buffer and returns its size in bytes. Throws `EncodeError`. */
  encodeInto(message: M, out: Uint8Array, at: number, tail?: Uint8Array): number
  /** The size of the whole frame in bytes. Throws `EncodeError` if a length does not fit its field. */
  encodedSize(message: M): number
  /** The declaration with these numbers. Ignores the channel bit. */
  find(extensionType: number, messageType: number): Message | undefined
  /** The direction with only those messages that `keep` accepts. */
  only(keep: (message: Message) => boolean): Direction<M>
}

/** The direction of these messages. Throws an `Error` if two of them share their numbers or name. */
export const makeDirection = <M>(messages: ReadonlyArray<Message>): Direction<M> => {
  const tables = new Map<number, Array<Message | undefined>>()
  const byName = new Map<string, Message>()
  for (const message of messages) {
    const table = tables.get(message.extension) ?? Array.from<Message | undefined>({ length: 256 })
    const other = table[message.type] ?? byName.get(message.name)
    if (other !== undefined) throw new Error(`Messages ${other.name} and ${message.name} have one name or number`)
    table[message.type] = message
    tables.set(message.extension, table)
    byName.set(message.name, message)
  }
  const core = tables.get(0)

  const find = (extensionType: number, messageType: number): Message | undefined => {
    const extension = extensionType & ~Frame.channelBit
    return (extension === 0 ? core : tables.get(extension))?.[messageType]
  }

  const named = (message: M): Message => {
    const found = byName.get((message as { readonly _tag: string })._tag)
    return found ?? refuseName(message)
  }

  const encodedSize = (message: M): number => {
    const declared = named(message)
    try {
      return Frame.headerSize + declared.codec.size(message as never)
    } catch (error) {
      throw explained(declared, message, error)
    }
  }

  const encodeInto = (message: M, out: Uint8Array, at: number, tail?: Uint8Array): number => {
    const declared = named(message)
    const start = at + Frame.headerSize
    const fields = encodedSize(message) - Frame.headerSize
    const length = fields + (tail?.length ?? 0)
    if (length > Frame.maxPayload) throw tooLong(declared.name)
    if (!(at >= 0 && start + length <= out.length)) throw noRoom(declared.name, Frame.headerSize + length, out, at)
    const extensionType = extensionTypeOf(declared)
    out[at] = extensionType
    out[at + 1] = extensionType >> 8
    out[at + 2] = declared.type
    out[at + 3] = length
    out[at + 4] = length >> 8
    out[at + 5] = length >> 16
    try {
      declared.codec.write(message as never, out, start)
    } catch (error) {
      throw explained(declared, message, error)
    }
    if (tail !== undefined) out.set(tail, start + fields)
    return Frame.headerSize + length
  }

  const schema = Schema.Union(messages.map((message) => message.schema)) as unknown as Schema.Codec<M>
  let json: Schema.Codec<M, Schema.Json> | undefined
  return {
    schema,
    get json() {
      return (json ??= Schema.toCodecJson(schema))
    },
    messages,
    maxPayload: Math.min(Frame.maxPayload, Math.max(0, ...messages.map((message) => message.maxPayload))),
    find,
    decode: (frame, options) => {
      const codec = find(frame.extensionType, frame.messageType)?.codec as Codec<M> | undefined
      if (codec === undefined) return undefined
      return options?.copy === true ? codec.decodeCopy(frame.payload) : codec.decode(frame.payload)
    },
    decodeWithTail: (frame, options) => {
      const codec = find(frame.extensionType, frame.messageType)?.codec as Codec<M> | undefined
      if (codec === undefined) return undefined
      const message = options?.copy === true ? codec.decodeCopy(frame.payload) : codec.decode(frame.payload)
      return { message, tailAt: codec.endOfLast() }
    },
    encode: (message, tail) => {
      if (tail === undefined) {
        const declared = named(message)
        try {
          return declared.encode(message as never)
        } catch (error) {
          throw explained(declared, message, error)
        }
      }
      const out = new Uint8Array(encodedSize(message) + tail.length)
      encodeInto(message, out, 0, tail)
      return out
    },
    encodeInto,
    encodedSize,
    only: (keep) => makeDirection(messages.filter(keep))
  }
}

/** Turns the `TypeError`s that codecs throw for values of a wrong type, such as a missing field, into an `EncodeError`. */
const explained = (declared: Message, message: unknown, error: unknown): EncodeError => {
  if (error instanceof EncodeError) return error
  const { layout: fields, name, type } = declared
  return explainEncode({ name, extensionType: extensionTypeOf(declared), type, fields }, message)
}

const refuseName = (message: unknown): never => {
  const name: unknown = (message as { readonly _tag?: unknown })._tag
  const actual = typeof name === "string" ? JSON.stringify(name) : "missing"
  const limit = "the name of a message of this direction"
  const text = `A message's _tag must be ${limit}, but it is ${actual}`
  throw new EncodeError({ message: text, messageName: actual, field: "_tag", limit, actual })
}

const noRoom = (messageName: string, size: number, out: Uint8Array, at: number): EncodeError => {
  const limit = `a buffer with room for ${size} bytes at offset ${at}`
  const actual = `${out.length} bytes long`
  const text = `${messageName}: encoding it needs ${limit}, but the buffer is ${actual}`
  return new EncodeError({ message: text, messageName, field: "", limit, actual })
}
