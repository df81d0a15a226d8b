/** Hex as peers write it: with or without 0x, in either case, numbers without leading zeros. */

/** A number of at most 32 bits from big-endian hex, or from a JSON number that some peers send instead. */
export const readHexU32 = (value: unknown): number | undefined => {
  if (typeof value !== "string") return isU32(value) ? value : undefined
  const start = prefixLength(value)
  const digits = value.length - start
  if (digits < 1 || digits > 8) return undefined
  let number = 0
  for (let i = start; i < value.length; i++) {
    const digit = digitOf(value.charCodeAt(i))
    if (digit < 0) return undefined
    number = (number << 4) | digit
  }
  return number >>> 0
}

/** Eight digits, the most significant first. */
export const writeHexU32 = (value: number): string => (value >>> 0).toString(16).padStart(8, "0")

/** The bytes of hex digits, or undefined where they are no whole bytes or more than `max`. */
export const readHex = (value: unknown, max: number): Uint8Array | undefined => {
  if (typeof value !== "string") return undefined
  const start = prefixLength(value)
  const digits = value.length - start
  if ((digits & 1) === 1 || digits > max * 2) return undefined
  const bytes = new Uint8Array(digits >> 1)
  for (let i = 0, at = start; i < bytes.length; i++, at += 2) {
    const byte = (digitOf(value.charCodeAt(at)) << 4) | digitOf(value.charCodeAt(at + 1))
    if (byte < 0) return undefined
    bytes[i] = byte
  }
  return bytes
}

export const writeHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")

export const isU32 = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && value <= 0xffffffff && Number.isInteger(value)

const prefixLength = (text: string): number =>
  text.charCodeAt(0) === 0x30 && (text.charCodeAt(1) | 0x20) === 0x78 ? 2 : 0

/** -1 for what is no digit, which stays negative in `high << 4 | low`. */
const digitOf = (code: number): number => (code < 128 ? digits[code]! : -1)

const digits = Int8Array.from({ length: 128 }, (_, code) =>
  "0123456789abcdef".indexOf(String.fromCharCode(code).toLowerCase())
)
