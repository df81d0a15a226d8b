/** Frames (specification, section 3.2): the header that says what a payload is, and the payload. */

/** One message as it travels, before anyone knows what it means. */
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
  /** What a length of 24 bits can say. */
  maxPayload,
  /** The bit of `extensionType` that marks a message for a channel; its payload then begins with the channel's id. */
  channelBit,
  /** The extension that a frame's message belongs to, 0 for the core protocols: the channel bit does not count. */
  extension: (frame: Frame): number => frame.extensionType & ~channelBit,
  isChannelMessage: (frame: Frame): boolean => (frame.extensionType & channelBit) !== 0,
  /** The frame at `at`, its payload a view; `undefined` while not all of it is there. */
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
