/** A direction whose messages carry the TLVs of negotiated extensions over the wire. */
import type { DecodeOptions, Direction } from "../direction.ts"
import { DecodeError, EncodeError } from "../codec/error.ts"
import { Frame } from "../frame.ts"
import { type Attached, attach, attachedTo, type Tlv } from "./tlv.ts"
import { readTail, TLV_HEADER_SIZE, type TlvBytes, writeTlvHeader } from "./tlv-tail.ts"

/**
 * The direction with these TLVs. They must be sorted by extension number and, within an extension, as declared. Decoding
 * ignores other TLVs, and uses the first of repeated ones; encoding leaves other TLVs out. A value that does not fit its
 * declaration is a `DecodeError`: the receiver must reject the message (section 3.4.3).
 */
export const withTlvs = <M>(direction: Direction<M>, tlvs: ReadonlyArray<Tlv>): Direction<M> => {
  const byMessage = new Map<string, ReadonlyArray<Tlv>>()
  let maxPayload = direction.maxPayload
  for (const message of direction.messages) {
    const own = tlvs.filter(({ on }) => on.some(({ name }) => name === message.name))
    if (own.length === 0) continue
    byMessage.set(message.name, own)
    const room = own.reduce((sum, { maxSize }) => sum + TLV_HEADER_SIZE + maxSize, 0)
    maxPayload = Math.max(maxPayload, message.maxPayload + room)
  }
  if (byMessage.size === 0) return direction
  const tlvsOf = (message: M) => byMessage.get((message as { readonly _tag: string })._tag)

  const decodeWithTail = (frame: Frame, options?: DecodeOptions) => {
    const read = direction.decodeWithTail(frame, options)
    if (read === undefined || read.tailAt === frame.payload.length) return read
    const own = tlvsOf(read.message)
    if (own !== undefined)
      attachTail(read.message as { readonly _tag: string }, own, frame.payload, read.tailAt, options)
    return read
  }

  const attachedBytes = (message: M): Uint8Array | undefined => {
    const attached = attachedTo(message as object)
    if (attached.length === 0) return undefined
    const own = tlvsOf(message)
    return own === undefined ? undefined : encodeTlvs(own, attached)
  }
  const tailOf = (message: M, tail: Uint8Array | undefined): Uint8Array | undefined => {
    const bytes = attachedBytes(message)
    if (bytes === undefined || tail === undefined) return bytes ?? tail
    const both = new Uint8Array(bytes.length + tail.length)
    both.set(bytes)
    both.set(tail, bytes.length)
    return both
  }

  return {
    schema: direction.schema,
    get json() {
      return direction.json
    },
    messages: direction.messages,
    maxPayload: Math.min(Frame.maxPayload, maxPayload),
    find: direction.find,
    decode: (frame, options) => decodeWithTail(frame, options)?.message,
    decodeWithTail,
    encode: (message, tail) => direction.encode(message, tailOf(message, tail)),
    encodeInto: (message, out, at, tail) => direction.encodeInto(message, out, at, tailOf(message, tail)),
    encodedSize: (message) => direction.encodedSize(message) + (attachedBytes(message)?.length ?? 0),
    only: (keep) => withTlvs(direction.only(keep), tlvs)
  }
}

/** Encodes the TLVs of a message, in the order of `tlvs`. Throws `EncodeError`. */
export const encodeTlvs = (tlvs: ReadonlyArray<Tlv>, attached: ReadonlyArray<Attached>): Uint8Array | undefined => {
  const inOrder = tlvs.flatMap((tlv) => {
    const found = attached.find((one) => one.tlv === tlv)
    return found === undefined ? [] : [{ ...found, size: sizeOf(found) }]
  })
  if (inOrder.length === 0) return undefined
  const out = new Uint8Array(inOrder.reduce((sum, { size }) => sum + TLV_HEADER_SIZE + size, 0))
  let at = 0
  for (const { tlv, value, size } of inOrder) {
    at = tlv.codec.write(value, out, writeTlvHeader(out, at, tlv, size))
  }
  return out
}

const sizeOf = ({ tlv, value }: Attached): number => {
  const size = tlv.codec.size(value)
  if (size <= tlv.maxSize) return size
  const limit = `a value of at most ${tlv.maxSize} bytes`
  const message = `${tlv.name}: must be ${limit}, but it has ${size}`
  throw new EncodeError({ message, messageName: tlv.name, field: "", limit, actual: `${size} bytes` })
}

const attachTail = (
  message: { readonly _tag: string },
  tlvs: ReadonlyArray<Tlv>,
  payload: Uint8Array,
  tailAt: number,
  options: DecodeOptions | undefined
): void => {
  const find = (extension: number, type: number) => tlvs.find((tlv) => tlv.extension === extension && tlv.type === type)
  const tail = readTail(payload, tailAt, (extension, type) => find(extension, type) !== undefined)
  if (tail.cut !== undefined) throw misfit(message._tag, find(tail.cut.extension, tail.cut.type)!, tail.cut, payload)
  const attached: Array<Attached> = []
  for (const bytes of tail.tlvs) {
    const tlv = find(bytes.extension, bytes.type)
    if (tlv === undefined || attached.some((one) => one.tlv === tlv)) continue
    attached.push({ tlv, value: decodeTlv(message._tag, tlv, bytes, payload, options) })
  }
  if (attached.length > 0) attach(message, attached)
}

/** Decodes a TLV's value. Throws `DecodeError`. */
export const decodeTlv = (
  messageName: string,
  tlv: Tlv,
  bytes: TlvBytes,
  payload: Uint8Array,
  options?: DecodeOptions
): { readonly _tag: string } => {
  const value = payload.subarray(bytes.at, bytes.at + bytes.size)
  if (bytes.size > tlv.maxSize) throw misfit(messageName, tlv, bytes, payload)
  try {
    const decoded = options?.copy === true ? tlv.codec.decodeCopy(value) : tlv.codec.decode(value)
    if (tlv.codec.endOfLast() === bytes.size) return decoded
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
  }
  throw misfit(messageName, tlv, bytes, payload)
}

const misfit = (messageName: string, tlv: Tlv, { at, size }: TlvBytes, payload: Uint8Array): DecodeError => {
  const expected = `a value of ${tlv.layout.map(({ type }) => type.name).join(", ")}, at most ${tlv.maxSize} bytes`
  const left = payload.length - at
  const actual =
    left < size ? `a length of ${size}, and only ${left} to the end of the payload` : `one of ${size} bytes`
  const message = `${messageName}: TLV ${tlv.name} at offset ${at} should be ${expected}, but there is ${actual}`
  return new DecodeError({ message, messageName, field: tlv.name, offset: at, expected, actual })
}
