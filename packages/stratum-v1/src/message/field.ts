/**
 * The types of parameters and results, as data: which values there are (a Schema, with its JSON view and its random
 * generator), how leniently they are read from JSON, and the one way in which they are written.
 */
import { Schema, SchemaGetter, type Types } from "effect"
import * as Hex from "effect/encoding/Hex"
import { fromPrevHash, toPrevHash } from "../values/prev-hash.ts"
import { isU32, readHex, readHexU32, writeHex, writeHexU32 } from "./hex.ts"

export interface Field<T> {
  /** What the documentation calls it, and what an error says was expected. */
  readonly name: string
  readonly schema: Schema.Codec<T>
  /** An optional field may be missing or null, an ignorable one may be anything at all: it is `undefined` then. */
  readonly presence: "required" | "optional" | "ignorable"
  /** The value of what a peer sent, or undefined if it is none. */
  read(value: unknown): T | undefined
  write(value: T): Schema.Json
  /** `typeof field.Type` is the type of its values; there is nothing at run time. */
  readonly Type: T
}

const make = <T>(
  name: string,
  schema: Schema.Codec<T>,
  read: (value: unknown) => T | undefined,
  write: (value: T) => Schema.Json
): Field<T> => ({ name, schema, read, write, presence: "required", Type: undefined as T })

/** A string; a number is read as its decimal digits. */
export const Text: Field<string> = make(
  "text",
  Schema.String,
  (value) => (typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined),
  (value) => value
)

/** A boolean; 0, 1, "true" and "false" are read too. */
export const Bool: Field<boolean> = make(
  "boolean",
  Schema.Boolean,
  (value) => booleans.get(value),
  (value) => value
)
const booleans = new Map<unknown, boolean>([true, 1, "true"].map((yes) => [yes, true]))
for (const no of [false, 0, "false"]) booleans.set(no, false)

/** An integer from 0 to `max`; decimal digits in a string are read too. */
export const integer = (max: number): Field<number> =>
  make(
    `integer up to ${max}`,
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: max })),
    (value) => {
      const number = typeof value === "string" && /^\d{1,10}$/.test(value) ? Number(value) : value
      return isU32(number) && number <= max ? number : undefined
    },
    (value) => value
  )

/** A finite number above 0; a decimal number in a string is read too. */
export const Difficulty: Field<number> = make(
  "number above 0",
  Schema.Finite.check(Schema.isGreaterThan(0)),
  (value) => {
    const number = MinimumDifficulty.read(value)
    return number === 0 ? undefined : number
  },
  (value) => value
)

/** As `Difficulty`, or 0 for no minimum (BIP310). */
export const MinimumDifficulty: Field<number> = make(
  "number from 0 on",
  Schema.Union([Schema.Literal(0), Difficulty.schema]),
  (value) => {
    const number = typeof value === "string" && value !== "" ? Number(value) : value
    return typeof number === "number" && number >= 0 && number < Infinity ? number : undefined
  },
  (value) => value
)

/** 32 bits as eight big-endian hex digits. Fewer digits, 0x and JSON numbers are read too. */
export const HexU32: Field<number> = make(
  "8 hex digits",
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff })),
  readHexU32,
  writeHexU32
)

/** At most `max` bytes as hex, in the order of the bytes. */
export const bytes = (max: number): Field<Uint8Array> =>
  make(`hex of up to ${max} bytes`, hexBytes(0, max), (value) => readHex(value, max), writeHex)

/** 32 bytes as hex in the order of the bytes, such as a merkle branch. */
export const Hash: Field<Uint8Array> = make("hex of 32 bytes", hexBytes(32, 32), (value) => exactly32(value), writeHex)

/** A block hash in internal order; on the wire the bytes of each 4-byte word are swapped. */
export const PrevHash: Field<Uint8Array> = make(
  "hex of 32 bytes, words swapped",
  hexBytes(32, 32),
  (value) => {
    const words = exactly32(value)
    return words === undefined ? undefined : fromPrevHash(words)
  },
  (value) => writeHex(toPrevHash(value))
)

/** A target, 32 bytes little-endian; on the wire the most significant byte comes first. */
export const Target: Field<Uint8Array> = make(
  "hex of a 256-bit number",
  hexBytes(32, 32),
  (value) => exactly32(value)?.toReversed(),
  (value) => writeHex(value.toReversed())
)

const exactly32 = (value: unknown): Uint8Array | undefined => {
  const bytes = readHex(value, 32)
  return bytes?.length === 32 ? bytes : undefined
}

/** At most `max` values of one field. */
export const list = <T>(item: Field<T>, max: number): Field<ReadonlyArray<T>> =>
  make(
    `list of ${item.name}`,
    Schema.Array(item.schema).check(Schema.isMaxLength(max)) as unknown as Schema.Codec<ReadonlyArray<T>>,
    (value) => {
      if (!Array.isArray(value) || value.length > max) return undefined
      const items: Array<T> = []
      for (const each of value) {
        const read = item.read(each)
        if (read === undefined) return undefined
        items.push(read)
      }
      return items
    },
    (value) => value.map((each) => item.write(each))
  )

/** May be missing or null, but must be right where it is there. */
export const optional = <T>(field: Field<T>): Field<T | undefined> => ({
  name: `${field.name}, or nothing`,
  schema: Schema.UndefinedOr(field.schema) as Schema.Codec<T | undefined>,
  presence: "optional",
  read: (value) => field.read(value),
  write: (value) => (value === undefined ? null : field.write(value)),
  Type: undefined
})

/** May be missing or anything at all: what is not the field is read as nothing. */
export const ignorable = <T>(field: Field<T>): Field<T | undefined> => ({
  ...optional(field),
  name: `${field.name}, or ignored`,
  presence: "ignorable"
})

/** What is not the field is read as `other`. */
export const orElse = <T>(field: Field<T>, other: T): Field<T> => ({
  ...field,
  read: (value) => field.read(value) ?? other
})

/** The optional keys of a JSON object, by the property that holds each. */
export interface Keys {
  readonly [property: string]: { readonly key: string; readonly field: Field<unknown> }
}
export type KeysType<K extends Keys> = Types.Simplify<{
  readonly [Property in keyof K]: K[Property]["field"]["Type"] | undefined
}>

/** A JSON object, all of whose keys are optional; keys that are not declared are ignored. */
export const record = <const K extends Keys>(name: string, keys: K): Field<KeysType<K>> => {
  const entries = Object.entries(keys)
  const schema = Schema.Struct(
    Object.fromEntries(entries.map(([property, { field }]) => [property, Schema.UndefinedOr(field.schema)]))
  ) as unknown as Schema.Codec<KeysType<K>>
  return make(
    name,
    schema,
    (value) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
      const given = value as Readonly<Record<string, unknown>>
      const read: Record<string, unknown> = {}
      for (const [property, { field, key }] of entries) {
        const present = Object.hasOwn(given, key) && given[key] !== null
        const part = present ? field.read(given[key]) : undefined
        if (present && part === undefined && field.presence !== "ignorable") return undefined
        read[property] = part
      }
      return read as KeysType<K>
    },
    (value) => {
      const written: Record<string, Schema.Json> = {}
      for (const [property, { field, key }] of entries) {
        const part = (value as Readonly<Record<string, unknown>>)[property]
        if (part !== undefined) written[key] = field.write(part)
      }
      return written
    }
  )
}

function hexBytes(min: number, max: number): Schema.Codec<Uint8Array> {
  return Schema.Uint8Array.annotate({
    toCodecJson: () =>
      Schema.link<Uint8Array>()(Schema.String.annotate({ expected: "bytes as hex" }), {
        decode: SchemaGetter.decodeHex(),
        encode: SchemaGetter.transform(Hex.encode)
      })
  }).check(Schema.isBetweenLength(min, max)) as unknown as Schema.Codec<Uint8Array>
}
