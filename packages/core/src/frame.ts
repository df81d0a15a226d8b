/**
 * The frame header (3.2) and the size of a frame once encrypted (4.6).
 *
 * | at | size | field                                                             |
 * | -- | ---- | ----------------------------------------------------------------- |
 * | 0  | 2    | extension_type, its top bit is channel_msg                         |
 * | 2  | 1    | msg_type                                                          |
 * | 3  | 3    | msg_length, of the payload alone and always of the plain payload  |
 */
import { readU16, readU24, writeU16, writeU24 } from "./bytes.ts"

export const FRAME_HEADER_SIZE: i32 = 6
/** A payload's length is a U24. */
export const MAX_PAYLOAD: i32 = 0xffffff
/** The tag that ChaCha20-Poly1305 puts after each ciphertext (4.6). */
export const MAC_SIZE: i32 = 16
export const ENCRYPTED_HEADER_SIZE: i32 = 22
/** A Noise message is at most 65,535 bytes, its tag included; longer payloads are split (4.6). */
export const MAX_BLOCK_PLAINTEXT: i32 = 65519

/** The extension type with its channel_msg bit (0x8000). */
export function frameExtensionType(b: Uint8Array, at: i32): i32 {
  return readU16(b, at)
}

export function frameMessageType(b: Uint8Array, at: i32): i32 {
  return b[at + 2]
}

/** Length of the plain payload, 0 to `MAX_PAYLOAD`. The caller sets the limit that suits the message. */
export function framePayloadLength(b: Uint8Array, at: i32): i32 {
  return readU24(b, at + 3)
}

export function writeFrameHeader(
  b: Uint8Array,
  at: i32,
  extensionType: i32,
  messageType: i32,
  payloadLength: i32
): void {
  writeU16(b, at, extensionType)
  b[at + 2] = messageType as u8
  writeU24(b, at + 3, payloadLength)
}

/**
 * Bytes on the wire for a payload of `payloadLength` plain bytes (4.6): a tag for each started block of
 * `MAX_BLOCK_PLAINTEXT` bytes, and nothing at all for an empty payload.
 */
export function encryptedPayloadLength(payloadLength: i32): i32 {
  let length: i32 = payloadLength
  for (let rest: i32 = payloadLength; rest > 0; rest = (rest - MAX_BLOCK_PLAINTEXT) | 0) {
    length = (length + MAC_SIZE) | 0
  }
  return length
}
