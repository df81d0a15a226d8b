/**
 * Codecs of extension 0x0001, Extensions Negotiation; wire.ts says what a codec is.
 *
 * Made by `npm run message-codecs` from the declarations in packages/protocol; a test compares the two.
 */
import { copyBytes, readU16, writeU16 } from "../bytes.ts"
import { DECODE_SHORT, ENCODE_LIMIT, ENCODE_ROOM, readLength, writeLength } from "./wire.ts"

export const REQUEST_EXTENSIONS: i32 = 0x00
/** extension_type of the frame, with the channel bit. */
export const REQUEST_EXTENSIONS_EXTENSION: i32 = 0x01

/** RequestExtensions (0x0001, 2). */
export class RequestExtensions {
  requestId: i32 = 0
  requestedExtensionsAt: i32 = 0
  requestedExtensionsCount: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 4) return DECODE_SHORT
    this.requestId = readU16(b, at)
    const requestedExtensionsCount: i32 = readLength(b, at + 2, 2)
    at = (at + 4) | 0
    this.requestedExtensionsAt = at
    this.requestedExtensionsCount = requestedExtensionsCount
    const requestedExtensionsSize: i32 = (requestedExtensionsCount * 2) | 0
    if (((end - at) | 0) < requestedExtensionsSize) return DECODE_SHORT
    at = (at + requestedExtensionsSize) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 4) return ENCODE_ROOM
    writeU16(b, at, this.requestId)
    if (this.requestedExtensionsCount < 0 || this.requestedExtensionsCount > 65535) return ENCODE_LIMIT
    writeLength(b, at + 2, 2, this.requestedExtensionsCount)
    at = (at + 4) | 0
    const requestedExtensionsSize: i32 = (this.requestedExtensionsCount * 2) | 0
    if (((end - at) | 0) < requestedExtensionsSize) return ENCODE_ROOM
    copyBytes(source, this.requestedExtensionsAt, b, at, requestedExtensionsSize)
    at = (at + requestedExtensionsSize) | 0
    return at
  }
}

export const REQUEST_EXTENSIONS_SUCCESS: i32 = 0x01
/** extension_type of the frame, with the channel bit. */
export const REQUEST_EXTENSIONS_SUCCESS_EXTENSION: i32 = 0x01

/** RequestExtensions.Success (0x0001, 2). */
export class RequestExtensionsSuccess {
  requestId: i32 = 0
  supportedExtensionsAt: i32 = 0
  supportedExtensionsCount: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 4) return DECODE_SHORT
    this.requestId = readU16(b, at)
    const supportedExtensionsCount: i32 = readLength(b, at + 2, 2)
    at = (at + 4) | 0
    this.supportedExtensionsAt = at
    this.supportedExtensionsCount = supportedExtensionsCount
    const supportedExtensionsSize: i32 = (supportedExtensionsCount * 2) | 0
    if (((end - at) | 0) < supportedExtensionsSize) return DECODE_SHORT
    at = (at + supportedExtensionsSize) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 4) return ENCODE_ROOM
    writeU16(b, at, this.requestId)
    if (this.supportedExtensionsCount < 0 || this.supportedExtensionsCount > 65535) return ENCODE_LIMIT
    writeLength(b, at + 2, 2, this.supportedExtensionsCount)
    at = (at + 4) | 0
    const supportedExtensionsSize: i32 = (this.supportedExtensionsCount * 2) | 0
    if (((end - at) | 0) < supportedExtensionsSize) return ENCODE_ROOM
    copyBytes(source, this.supportedExtensionsAt, b, at, supportedExtensionsSize)
    at = (at + supportedExtensionsSize) | 0
    return at
  }
}

export const REQUEST_EXTENSIONS_ERROR: i32 = 0x02
/** extension_type of the frame, with the channel bit. */
export const REQUEST_EXTENSIONS_ERROR_EXTENSION: i32 = 0x01

/** RequestExtensions.Error (0x0001, 2). */
export class RequestExtensionsError {
  requestId: i32 = 0
  unsupportedExtensionsAt: i32 = 0
  unsupportedExtensionsCount: i32 = 0
  requiredExtensionsAt: i32 = 0
  requiredExtensionsCount: i32 = 0

  /** Reads the fields from `b[from]` on; gives the place behind them, or a `DECODE_` code. */
  decode(b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 4) return DECODE_SHORT
    this.requestId = readU16(b, at)
    const unsupportedExtensionsCount: i32 = readLength(b, at + 2, 2)
    at = (at + 4) | 0
    this.unsupportedExtensionsAt = at
    this.unsupportedExtensionsCount = unsupportedExtensionsCount
    const unsupportedExtensionsSize: i32 = (unsupportedExtensionsCount * 2) | 0
    if (((end - at) | 0) < unsupportedExtensionsSize) return DECODE_SHORT
    at = (at + unsupportedExtensionsSize) | 0
    if (((end - at) | 0) < 2) return DECODE_SHORT
    const requiredExtensionsCount: i32 = readLength(b, at, 2)
    at = (at + 2) | 0
    this.requiredExtensionsAt = at
    this.requiredExtensionsCount = requiredExtensionsCount
    const requiredExtensionsSize: i32 = (requiredExtensionsCount * 2) | 0
    if (((end - at) | 0) < requiredExtensionsSize) return DECODE_SHORT
    at = (at + requiredExtensionsSize) | 0
    return at
  }

  /** Writes the fields, their bytes from `source`, to `b[from]` on; gives the place behind them, or an `ENCODE_` code. */
  encode(source: Uint8Array, b: Uint8Array, from: i32, end: i32): i32 {
    let at: i32 = from
    if (((end - at) | 0) < 4) return ENCODE_ROOM
    writeU16(b, at, this.requestId)
    if (this.unsupportedExtensionsCount < 0 || this.unsupportedExtensionsCount > 65535) return ENCODE_LIMIT
    writeLength(b, at + 2, 2, this.unsupportedExtensionsCount)
    at = (at + 4) | 0
    const unsupportedExtensionsSize: i32 = (this.unsupportedExtensionsCount * 2) | 0
    if (((end - at) | 0) < unsupportedExtensionsSize) return ENCODE_ROOM
    copyBytes(source, this.unsupportedExtensionsAt, b, at, unsupportedExtensionsSize)
    at = (at + unsupportedExtensionsSize) | 0
    if (((end - at) | 0) < 2) return ENCODE_ROOM
    if (this.requiredExtensionsCount < 0 || this.requiredExtensionsCount > 65535) return ENCODE_LIMIT
    writeLength(b, at, 2, this.requiredExtensionsCount)
    at = (at + 2) | 0
    const requiredExtensionsSize: i32 = (this.requiredExtensionsCount * 2) | 0
    if (((end - at) | 0) < requiredExtensionsSize) return ENCODE_ROOM
    copyBytes(source, this.requiredExtensionsAt, b, at, requiredExtensionsSize)
    at = (at + requiredExtensionsSize) | 0
    return at
  }
}
