/** Frames (specification, section 3.2): a header with type and length, and the payload. */

/** One message on the wire, not yet decoded. */
export interface Frame {
  /** As on the wire, with the channel bit (0x8000). */
  readonly extensionType: number
  readonly messageType: number
  readonly payload: Uint8Array
}

const headerSize = 6
const maxPayload = 0xffffff
const channelBit = 0x8000

export const Frame = {
  /** extension_type U16, msg_type U8, msg_length U24. */
  headerSize,
  /** The most that a length of 24 bits can express. */
  maxPayload,
  /** The bit of `extensionType` that marks a message for a channel; its payload then begins with the channel's id. */
  channelBit,
  /** The extension of the frame's message, 0 for the core protocols. Ignores the channel bit. */
  extension: (frame: Frame): number => frame.extensionType & ~channelBit,
  isChannelMessage: (frame: Frame): boolean => (frame.extensionType & channelBit) !== 0,
  /** Reads the frame at `at`. Its payload is a view. `undefined` if the bytes do not contain the whole frame. */
  read: (bytes: Uint8Array, at = 0): Frame | undefined => {
    if (bytes.length - at < headerSize) return undefined
    const start = at + headerSize
    const length = bytes[at + 3]! | (bytes[at + 4]! << 8) | (bytes[at + 5]! << 16)
    if (bytes.length - start < length) return undefined
    return {
      extensionType: bytes[at]! | (bytes[at + 1]! << 8),
      messageType: bytes[at + 2]!,
      payload: bytes.subarray(start, start + length)
    }
  }
}
