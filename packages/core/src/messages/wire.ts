/**
 * Shared parts of the generated message codecs: result codes, and sequences whose items each have a length.
 *
 * A codec is a class with the message's fields as 32-bit words, in the order of the wire. It copies no bytes: a field of
 * bytes is where it begins in the array that was decoded, and in encoding in the array that all such fields are taken
 * from. A U64 is two words, an F32 its bits, a BOOL 0 or 1.
 */
import { readU16, readU24, writeU16, writeU24 } from "../bytes.ts"

/** The payload ends before the message does. */
export const DECODE_SHORT: i32 = -1
/** A length or count is more than the field's type allows. */
export const DECODE_LIMIT: i32 = -2
/** There is no room for the message. */
export const ENCODE_ROOM: i32 = -3
/** A length or count is more than the field's type allows. */
export const ENCODE_LIMIT: i32 = -4

/** The place behind `count` items that each begin with a length of `prefix` bytes, or `DECODE_SHORT`. */
export function itemsEnd(b: Uint8Array, from: i32, end: i32, count: i32, prefix: i32): i32 {
  let at: i32 = from
  for (let i: i32 = 0; i < count; i++) {
    if (((end - at) | 0) < prefix) return DECODE_SHORT
    const length: i32 = readLength(b, at, prefix)
    at = (at + prefix) | 0
    if (((end - at) | 0) < length) return DECODE_SHORT
    at = (at + length) | 0
  }
  return at
}

/** A length or count of 1 to 3 bytes. */
export function readLength(b: Uint8Array, at: i32, prefix: i32): i32 {
  if (prefix === 1) return b[at]
  if (prefix === 2) return readU16(b, at)
  return readU24(b, at)
}

export function writeLength(b: Uint8Array, at: i32, prefix: i32, length: i32): void {
  if (prefix === 1) b[at] = length as u8
  else if (prefix === 2) writeU16(b, at, length)
  else writeU24(b, at, length)
}
