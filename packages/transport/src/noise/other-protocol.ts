/** Recognises the protocol of a peer that does not speak Noise, so that an error message helps to find the mistake. */

/** Gives the end of an error message; empty if the bytes look like no known protocol, such as those of a handshake. */
export const recognise = (bytes: Uint8Array): string => {
  if (isSetupMessage(bytes)) return "; it seems to speak Stratum V2 without Noise (stratum2+tcp+plain)"
  if (!isText(bytes)) return ""
  return bytes[0] === 0x7b ? "; it seems to speak Stratum V1 (JSON)" : "; it sent plain text, not a handshake"
}

/** Whether the bytes begin like a frame with a message of the setup. */
const isSetupMessage = (bytes: Uint8Array): boolean => {
  if (bytes.length < 6 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2]! > 2 || bytes[5] !== 0) return false
  if (bytes.length < 9 || bytes[2] !== 0) return true
  // SetupConnection: protocol 0 to 2, min_version 2.
  return bytes[6]! <= 2 && bytes[7] === 2 && bytes[8] === 0
}

const isText = (bytes: Uint8Array): boolean =>
  bytes.length >= 8 && bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d)
