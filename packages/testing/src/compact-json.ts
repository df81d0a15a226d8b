/**
 * The compact form of long, uniform values in the vectors: `{"repeat": "ff", "times": 65535}` for text or hexadecimal digits, and
 * `{"repeatItem": x, "times": 9}` for an array of equal items. Other values are unchanged.
 */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

const SHORT = 80

export const compact = (value: Json): Json => {
  if (typeof value === "string") {
    const unit = value.slice(0, value[0] === value[1] && value.length % 2 === 1 ? 1 : 2)
    const times = value.length / unit.length
    return value.length > SHORT && value === unit.repeat(times) ? { repeat: unit, times } : value
  }
  if (Array.isArray(value)) {
    const [first] = value
    return value.length > 8 && value.every((item) => item === first)
      ? { repeatItem: compact(first), times: value.length }
      : value.map(compact)
  }
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, compact(item)]))
}

export const expand = (value: Json): Json => {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(expand)
  const { repeat, repeatItem, times } = value as { readonly [key: string]: Json }
  if (typeof repeat === "string" && typeof times === "number") return repeat.repeat(times)
  if (repeatItem !== undefined && typeof times === "number") return Array(times).fill(expand(repeatItem)) as Json[]
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item)]))
}

/** Compacts a frame's hexadecimal digits: splits them so that long runs of one byte are repeats. */
export const compactHex = (hex: string): Json => {
  const bytes = Buffer.from(hex, "hex")
  const parts: Array<Json> = []
  let plainFrom = 0
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    end = at + 1
    while (end < bytes.length && bytes[end] === bytes[at]) end++
    if (end - at < SHORT / 2) continue
    if (at > plainFrom) parts.push(hex.slice(plainFrom * 2, at * 2))
    parts.push({ repeat: hex.slice(at * 2, at * 2 + 2), times: end - at })
    plainFrom = end
  }
  if (parts.length === 0) return hex
  if (plainFrom < bytes.length) parts.push(hex.slice(plainFrom * 2))
  return parts
}

/** The bytes of `compactHex`. */
export const expandHex = (value: unknown): Uint8Array => {
  const parts = (Array.isArray(value) ? value : [value]) as ReadonlyArray<Json>
  return new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(expand(part) as string, "hex"))))
}
