/**
 * How vectors write what is long and uniform: `{"repeat": "ff", "times": 65535}` for text or hexadecimal digits, and
 * `{"repeatItem": x, "times": 9}` for an array of equal items. Everything else stands as it is.
 */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

const SHORT = 80

export const compact = (value: Json): Json => {
  if (typeof value === "string") {
    const unit = /^(..?)\1*$/s.exec(value)?.[1]
    return value.length > SHORT && unit !== undefined ? { repeat: unit, times: value.length / unit.length } : value
  }
  if (Array.isArray(value)) {
    const [first] = value
    const text = JSON.stringify(first)
    return value.length > 8 && value.every((item) => JSON.stringify(item) === text)
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

/** A frame's hexadecimal digits, which are hardly ever uniform as a whole: runs of one byte stand apart. */
export const compactHex = (hex: string): Json => {
  const runs = /((..)\2{47,})/g
  const parts: Array<Json> = []
  let at = 0
  for (const match of hex.matchAll(runs)) {
    // Runs begin at whole bytes: a match in between two is put off by half a byte.
    const start = match.index + (match.index % 2)
    const length = match[0].length - (match.index % 2 === 0 ? 0 : 2)
    if (start > at) parts.push(hex.slice(at, start))
    parts.push({ repeat: hex.slice(start, start + 2), times: length / 2 })
    at = start + length
  }
  if (at === 0) return hex
  if (at < hex.length) parts.push(hex.slice(at))
  return parts
}

/** The bytes of `compactHex`. */
export const expandHex = (value: unknown): Uint8Array => {
  const parts = (Array.isArray(value) ? value : [value]) as ReadonlyArray<Json>
  return new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(expand(part) as string, "hex"))))
}
