/** Recognises the protocol of a peer that does not speak the expected one, so that an error message helps to find the mistake. */

/** Gives the end of an error message; empty if the bytes look like no known protocol, such as those of a Noise handshake. */
export const recognise = (bytes: Uint8Array): string => {
  if (isSetupMessage(bytes)) return "; it seems to speak Stratum V2 without Noise (stratum2+tcp+plain)"
  if (isTls(bytes)) return "; it seems to speak TLS"
  if (startsWith(bytes, V2_PROXY_HEADER) || startsWith(bytes, V1_PROXY_HEADER)) {
    return "; it sent a header of the PROXY protocol, which is not switched on here"
  }
  if (!isText(bytes)) return ""
  return bytes[0] === 0x7b ? "; it seems to speak Stratum V1 (JSON)" : "; it sent plain text, not a handshake"
}

/** Whether the bytes are the begin of a TLS record with a ClientHello or a ServerHello of TLS 1.0 to 1.3. */
const isTls = (bytes: Uint8Array): boolean =>
  bytes.length >= 11 &&
  bytes[0] === 0x16 &&
  bytes[1] === 3 &&
  bytes[2]! <= 4 &&
  (bytes[5] === 1 || bytes[5] === 2) &&
  bytes[6] === 0 &&
  bytes[9] === 3 &&
  bytes[10]! <= 3

/** How the headers of the PROXY protocol begin. */
export const V1_PROXY_HEADER = new TextEncoder().encode("PROXY ")
export const V2_PROXY_HEADER = Uint8Array.from(Buffer.from("0d0a0d0a000d0a515549540a", "hex"))

/** Whether the bytes begin with `start`, as far as there are bytes. */
export const beginsLike = (bytes: Uint8Array, start: Uint8Array): boolean => {
  for (let i = 0; i < Math.min(bytes.length, start.length); i++) if (bytes[i] !== start[i]) return false
  return true
}

const startsWith = (bytes: Uint8Array, start: Uint8Array): boolean =>
  bytes.length >= start.length && beginsLike(bytes, start)

/** Whether the bytes begin like a frame with a message of the setup. */
const isSetupMessage = (bytes: Uint8Array): boolean => {
  if (bytes.length < 6 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2]! > 2 || bytes[5] !== 0) return false
  if (bytes.length < 9 || bytes[2] !== 0) return true
  // SetupConnection: protocol 0 to 2, min_version 2.
  return bytes[6]! <= 2 && bytes[7] === 2 && bytes[8] === 0
}

const isText = (bytes: Uint8Array): boolean =>
  bytes.length >= 8 && bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d)
