/** The bytes of a frame that was read, exactly as they were sent (specification, section 3.2). */
import { Frame } from "@sluice/protocol"

export const frameBytes = ({ extensionType, messageType, payload }: Frame): Uint8Array => {
  const { length } = payload
  const bytes = new Uint8Array(Frame.headerSize + length)
  bytes.set([extensionType, extensionType >> 8, messageType, length, length >> 8, length >> 16])
  bytes.set(payload, Frame.headerSize)
  return bytes
}
