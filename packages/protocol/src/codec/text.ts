/**
 * Reads and writes the wire's strings without loss, even if their bytes are not valid UTF-8 (section 3.1, STR0_255).
 *
 * A byte that is not part of valid UTF-8 is read as the lone surrogate U+DC00 + byte (U+DC80 to U+DCFF), which no valid
 * UTF-8 contains, and is written back as that byte. Python calls this "surrogateescape".
 */

/** Reads `length` bytes from `at`. */
export const readText = (bytes: Uint8Array, at: number, length: number): string => {
  const end = at + length
  let all = 0
  for (let i = at; i < end; i++) all |= bytes[i]!
  if (all < 0x80) return readAscii(bytes, at, end)
  let text = ""
  for (let i = at; i < end;) {
    const size = sequenceLength(bytes, i, end)
    text += size === 0 ? String.fromCharCode(0xdc00 + bytes[i]!) : String.fromCodePoint(codePoint(bytes, i, size))
    i += size === 0 ? 1 : size
  }
  return text
}

/** Converts eight characters in one call, because each call makes a new string to append. */
const readAscii = (b: Uint8Array, at: number, end: number): string => {
  let text = ""
  let i = at
  for (; i + 8 <= end; i += 8) {
    text += String.fromCharCode(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!, b[i + 4]!, b[i + 5]!, b[i + 6]!, b[i + 7]!)
  }
  for (; i + 4 <= end; i += 4) text += String.fromCharCode(b[i]!, b[i + 1]!, b[i + 2]!, b[i + 3]!)
  for (; i < end; i++) text += String.fromCharCode(b[i]!)
  return text
}

/** The size of the string in bytes, or -1 if it contains a lone surrogate that stands for no byte. */
export const textSize = (text: string): number => {
  let size = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) size += 1
    else if (unit < 0xd800 || unit > 0xdfff) size += 2
    else if (unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) {
      size += 2 // two code units, four bytes
      i++
    } else if (unit < 0xdc80 || unit > 0xdcff) return -1
  }
  return size
}

/** Writes the string at `at` and returns the offset of its end. `textSize` of the string must not be -1. */
export const writeText = (text: string, out: Uint8Array, at: number): number => {
  let p = at
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) out[p++] = unit
    else if (unit < 0x800) {
      out[p++] = 0xc0 | (unit >> 6)
      out[p++] = 0x80 | (unit & 0x3f)
    } else if (unit < 0xd800 || unit > 0xdfff) {
      out[p++] = 0xe0 | (unit >> 12)
      out[p++] = 0x80 | ((unit >> 6) & 0x3f)
      out[p++] = 0x80 | (unit & 0x3f)
    } else if (unit >= 0xdc00) out[p++] = unit & 0xff
    else {
      const point = text.codePointAt(i++)!
      out[p++] = 0xf0 | (point >> 18)
      out[p++] = 0x80 | ((point >> 12) & 0x3f)
      out[p++] = 0x80 | ((point >> 6) & 0x3f)
      out[p++] = 0x80 | (point & 0x3f)
    }
  }
  return p
}

/**
 * Whether reading some bytes, at most `max`, can give this string. False, for instance, for escaped bytes that together are
 * valid UTF-8: `readText` would give the character that they encode.
 */
export const isWireText = (text: string, max: number): boolean => {
  const size = textSize(text)
  if (size < 0 || size > max) return false
  const bytes = new Uint8Array(size)
  writeText(text, bytes, 0)
  return readText(bytes, 0, size) === text
}

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff

/**
 * The length of the UTF-8 sequence that begins at `at`, or 0 if there is none. Accepts the well-formed sequences of table 3-7
 * of the Unicode standard: the range of the second byte excludes overlong forms, surrogates and points above U+10FFFF.
 */
const sequenceLength = (bytes: Uint8Array, at: number, end: number): number => {
  const first = bytes[at]!
  if (first < 0x80) return 1
  const size = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  if (size === 0 || end - at < size) return 0
  const second = bytes[at + 1]!
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (second < low || second > high) return 0
  for (let i = 2; i < size; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0
  return size
}

const codePoint = (bytes: Uint8Array, at: number, size: number): number => {
  if (size === 1) return bytes[at]!
  let point = bytes[at]! & (0x7f >> size)
  for (let i = 1; i < size; i++) point = (point << 6) | (bytes[at + i]! & 0x3f)
  return point
}
