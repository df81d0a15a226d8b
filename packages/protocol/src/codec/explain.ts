/**
 * Explains why a codec failed: goes through a message's declaration field by field and names the first field that does not
 * fit. The compiled codec (codec.ts) makes the same checks and calls this only after one has failed, so this code is simple
 * rather than fast.
 */
import type { Layout } from "./layout.ts"
import { DecodeError, EncodeError } from "./error.ts"
import { textSize } from "./text.ts"
import { minWireSize, type WireType } from "./wire.ts"

/** Names the field of the payload that is wrong, what was expected there, and what came. */
export const explainDecode = (layout: Layout, payload: Uint8Array): DecodeError => {
  let offset = 0
  for (const field of layout.fields) {
    const read = skip(field.type, payload, offset)
    if (typeof read !== "number") {
      const { name } = layout
      const { expected, actual } = read
      const message = `${name}: ${field.name} at offset ${offset} should be ${expected}, but there is ${actual}`
      return new DecodeError({ message, messageName: name, field: field.name, offset, expected, actual })
    }
    offset = read
  }
  throw new Error(`${layout.name}: the codec failed on a valid payload`)
}

interface Fault {
  readonly expected: string
  readonly actual: string
}

/** The offset at which the value ends that begins at `offset`, or its fault. */
const skip = (type: WireType, payload: Uint8Array, offset: number): number | Fault => {
  const left = payload.length - offset
  const short = (size: number): Fault => ({
    expected: `${type.name}, ${size} ${size === 1 ? "byte" : "bytes"}`,
    actual: left === 0 ? "the end of the payload" : `only ${left} to the end of the payload`
  })
  if ("size" in type) return left < type.size ? short(type.size) : offset + type.size
  if (left < type.prefix) return short(type.prefix)
  let count = type.prefix === 0 ? left : 0
  for (let i = type.prefix - 1; i >= 0; i--) count = count * 256 + payload[offset + i]!
  const start = offset + type.prefix
  if (count > type.max) return { expected: `${type.name}, ${limitOf(type)}`, actual: `a length of ${count}` }
  if (type._tag === "Bytes" || type._tag === "Text") {
    return left < type.prefix + count ? short(type.prefix + count) : start + count
  }
  if (left < type.prefix + count * minWireSize(type.item)) return short(type.prefix + count * minWireSize(type.item))
  let end: number = start
  for (let i = 0; i < count; i++) {
    const read = skip(type.item, payload, end)
    if (typeof read !== "number") return { expected: `${type.name}, item ${i}: ${read.expected}`, actual: read.actual }
    end = read
  }
  return end
}

/** Names the value that does not fit its field. If all fit, the message as a whole is too long. */
export const explainEncode = (layout: Layout, message: unknown): EncodeError => {
  const values = (typeof message === "object" && message !== null ? message : {}) as Record<string, unknown>
  const { name } = layout
  for (const field of layout.fields) {
    const actual = misfit(field.type, values[field.name])
    if (actual !== undefined) {
      const limit = `${field.type.name}, ${limitOf(field.type)}`
      const text = `${name}: ${field.name} must be ${limit}, but it is ${actual}`
      return new EncodeError({ message: text, messageName: name, field: field.name, limit, actual })
    }
  }
  return tooLong(name)
}

/** The error for a message whose fields fit but whose payload is longer than a frame's 24-bit length allows. */
export const tooLong = (messageName: string): EncodeError => {
  const limit = "a payload of at most 16777215 bytes"
  return new EncodeError({
    message: `${messageName}: must be ${limit}, but it is longer`,
    messageName,
    field: "",
    limit,
    actual: "longer"
  })
}

const limitOf = (type: WireType): string => {
  switch (type._tag) {
    case "Unsigned":
      return `an integer from 0 to ${2 ** (8 * type.size) - 1}`
    case "Unsigned64":
      return "a bigint from 0 to 2^64 - 1"
    case "Float32":
      return "a number"
    case "Boolean":
      return "true or false"
    case "Fixed":
      return `a Uint8Array of ${type.size} bytes`
    case "Bytes":
      return `a Uint8Array of at most ${type.max} bytes`
    case "Text":
      return `a string of at most ${type.max} bytes of UTF-8`
    case "Option":
      return `undefined or ${limitOf(type.item)}`
    case "Sequence":
      return `an array of at most ${type.max}, each ${limitOf(type.item)}`
  }
}

/** Describes a value that does not fit the type. `undefined` if it fits. */
const misfit = (type: WireType, value: unknown): string | undefined => {
  switch (type._tag) {
    case "Unsigned":
      return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** (8 * type.size)
        ? undefined
        : describe(value)
    case "Unsigned64":
      return typeof value === "bigint" && BigInt.asUintN(64, value) === value ? undefined : describe(value)
    case "Float32":
      return typeof value === "number" ? undefined : describe(value)
    case "Boolean":
      return typeof value === "boolean" ? undefined : describe(value)
    case "Fixed":
      return value instanceof Uint8Array && value.length === type.size ? undefined : describe(value)
    case "Bytes":
      return value instanceof Uint8Array && value.length <= type.max ? undefined : describe(value)
    case "Text": {
      if (typeof value !== "string") return describe(value)
      const size = textSize(value)
      return size < 0 ? "a string with an unpaired surrogate" : size > type.max ? `of ${size} bytes` : undefined
    }
    case "Option":
      return value === undefined ? undefined : misfit(type.item, value)
    case "Sequence": {
      if (!Array.isArray(value)) return describe(value)
      if (value.length > type.max) return `of ${value.length}`
      const index = value.findIndex((item) => misfit(type.item, item) !== undefined)
      return index < 0 ? undefined : `${misfit(type.item, value[index])} at index ${index}`
    }
  }
}

const describe = (value: unknown): string => {
  if (value instanceof Uint8Array) return `of ${value.length} bytes`
  if (Array.isArray(value)) return "an array"
  if (typeof value === "bigint") return `${value}n`
  if (typeof value === "object" && value !== null) return "an object"
  return typeof value === "string" ? "a string" : String(value)
}
