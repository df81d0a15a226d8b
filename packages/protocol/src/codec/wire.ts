/**
 * The data types of the wire (specification, section 3.1), each a Schema that carries its layout as an annotation.
 *
 * The Schema defines the JavaScript values, their JSON (bytes as hex, U64 as a decimal string) and how to generate random
 * values. A message's binary codec is compiled from the layout (`WireType`).
 */
import { Schema, SchemaGetter } from "effect"
import * as Hex from "effect/encoding/Hex"
import { isWireText, readText } from "./text.ts"

/** A wire type as data: `name` is the specification's, sizes are in bytes, all integers are little-endian. */
export type WireType =
  | { readonly _tag: "Unsigned"; readonly name: string; readonly size: 1 | 2 | 3 | 4 }
  | { readonly _tag: "Unsigned64"; readonly name: string; readonly size: 8 }
  | { readonly _tag: "Float32"; readonly name: string; readonly size: 4 }
  | { readonly _tag: "Boolean"; readonly name: string; readonly size: 1 }
  | { readonly _tag: "Fixed"; readonly name: string; readonly size: number }
  // With a prefix of 0, the value takes the rest of the bytes; only for the last field.
  | { readonly _tag: "Bytes"; readonly name: string; readonly prefix: 0 | 1 | 2 | 3; readonly max: number }
  | { readonly _tag: "Text"; readonly name: string; readonly prefix: 0 | 1; readonly max: number }
  | { readonly _tag: "Option"; readonly name: string; readonly prefix: 1; readonly max: 1; readonly item: WireType }
  | {
      readonly _tag: "Sequence"
      readonly name: string
      readonly prefix: 1 | 2
      readonly max: number
      readonly item: WireType
    }

/** Types whose values all have the same size. */
export type SizedWireType = Extract<WireType, { readonly size: number }>
/** Types whose values begin with a length or count. */
export type VariableWireType = Exclude<WireType, SizedWireType>

/** A Schema of a wire type, for the fields of messages. You may add checks and brands to it. */
export interface WireSchema<out T> extends Schema.Codec<T> {}

const annotationKey = "sluice/protocol/wireType"

/** The layout of a wire Schema, also after checks were added to it. `undefined` for other Schemas. */
export const wireTypeOf = (schema: Schema.Constraint): WireType | undefined => {
  const { annotations, checks } = schema.ast
  const found = [annotations, ...(checks ?? []).map((check) => check.annotations)].findLast(
    (annotations) => annotations?.[annotationKey] !== undefined
  )
  return found?.[annotationKey] as WireType | undefined
}

/** The smallest size of a value of the type, in bytes. */
export const minWireSize = (type: WireType): number => ("size" in type ? type.size : type.prefix)

/** The largest size of a value of the type, in bytes. */
export const maxWireSize = (type: WireType): number => {
  switch (type._tag) {
    case "Bytes":
    case "Text":
      return type.prefix + type.max
    case "Option":
    case "Sequence":
      return type.prefix + type.max * maxWireSize(type.item)
    default:
      return type.size
  }
}

const annotate = <T>(schema: Schema.Codec<T>, type: WireType): WireSchema<T> =>
  schema.annotate({ identifier: type.name, [annotationKey]: type }) as unknown as WireSchema<T>

const unsigned = (name: string, size: 1 | 2 | 3 | 4): WireSchema<number> =>
  annotate(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** (8 * size) - 1 })), {
    _tag: "Unsigned",
    name,
    size
  })

export const U8 = unsigned("U8", 1)
export const U16 = unsigned("U16", 2)
export const U24 = unsigned("U24", 3)
export const U32 = unsigned("U32", 4)

/** A `bigint` from 0 to 2^64 - 1; a decimal string in JSON. */
export const U64: WireSchema<bigint> = annotate(
  Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 2n ** 64n - 1n })),
  { _tag: "Unsigned64", name: "U64", size: 8 }
)

/**
 * A number, rounded to 32-bit floating point when written. Accepts NaN and the infinities: the reader of the message must
 * check the value. Values without a JSON number are strings in JSON: "NaN", "Infinity", "-Infinity" and "-0".
 */
export const F32: WireSchema<number> = annotate(
  Schema.declare((value): value is number => typeof value === "number", {
    expected: "number",
    toCodecJson: () =>
      Schema.link<number>()(Schema.Union([Schema.Literal("-0"), Schema.toCodecJson(Schema.Number)]), {
        decode: SchemaGetter.transform((value) => (value === "-0" ? -0 : value)),
        encode: SchemaGetter.transform((value) => (Object.is(value, -0) ? "-0" : value))
      }),
    // Random bits give denormals, infinities and NaN, and only values that rounding does not change.
    toCodecArbitrary: () =>
      Schema.link<number>()(Schema.Int.check(Schema.isInt32()), {
        decode: SchemaGetter.transform((bits) => new Float32Array(Int32Array.of(bits).buffer)[0]!),
        encode: SchemaGetter.transform((value) => new Int32Array(Float32Array.of(value).buffer)[0]!)
      })
  }),
  { _tag: "Float32", name: "F32", size: 4 }
)

/** One byte. Reading uses only its lowest bit; writing gives 0 or 1. */
export const Bool: WireSchema<boolean> = annotate(Schema.Boolean, { _tag: "Boolean", name: "BOOL", size: 1 })

const HexBytes: Schema.declare<Uint8Array> = Schema.Uint8Array.annotate({
  toCodecJson: () =>
    Schema.link<Uint8Array>()(Schema.String.annotate({ expected: "bytes as hex" }), {
      decode: SchemaGetter.decodeHex(),
      encode: SchemaGetter.transform(Hex.encode)
    })
}) as unknown as Schema.declare<Uint8Array>

const fixed = (name: string, size: number): WireSchema<Uint8Array> =>
  annotate(HexBytes.check(Schema.isBetweenLength(size, size)), { _tag: "Fixed", name, size })

/** 32 bytes in the order of the wire. Numbers are little-endian. */
export const U256 = fixed("U256", 32)
/** The 32-byte x coordinate of a secp256k1 public key (BIP340). */
export const PubKey = fixed("PUBKEY", 32)
/** A 64-byte Schnorr signature (BIP340). */
export const Signature = fixed("SIGNATURE", 64)

const bytes = (name: string, prefix: 0 | 1 | 2 | 3, max: number): WireSchema<Uint8Array> =>
  annotate(HexBytes.check(Schema.isBetweenLength(0, max)), { _tag: "Bytes", name, prefix, max })

/** At most 32 bytes. */
export const B0_32 = bytes("B0_32", 1, 32)
/** At most 255 bytes. */
export const B0_255 = bytes("B0_255", 1, 255)
/** At most 65,535 bytes. */
export const B0_64K = bytes("B0_64K", 2, 0xffff)
/** At most 2^24 - 1 bytes. */
export const B0_16M = bytes("B0_16M", 3, 0xffffff)

/** The rest of a TLV's value, at most `max` bytes. For the last field of a TLV; messages must not use it. */
export const RestBytes = (max: number) => bytes("BYTES", 0, max)

const text = (name: string, prefix: 0 | 1, max: number): WireSchema<string> =>
  annotate(
    Schema.declare((value): value is string => typeof value === "string", {
      expected: "string",
      toCodecJson: () =>
        Schema.link<string>()(Schema.String, {
          decode: SchemaGetter.passthrough(),
          encode: SchemaGetter.passthrough()
        }),
      // Plain strings, characters of two to four bytes, and bytes that are mostly not UTF-8.
      toCodecArbitrary: () =>
        Schema.link<string>()(
          Schema.Union([
            Schema.String.check(Schema.isMaxLength(max)),
            Schema.Array(Schema.Literals(["é", "中", "😀", "\ufeff", "\0"])).check(Schema.isMaxLength(max >> 2)),
            Schema.Uint8Array.check(Schema.isMaxLength(max))
          ]),
          {
            decode: SchemaGetter.transform((value) =>
              typeof value === "string"
                ? value
                : value instanceof Uint8Array
                  ? readText(value, 0, value.length)
                  : value.join("")
            ),
            encode: SchemaGetter.passthrough({ strict: false })
          }
        )
    }).check(Schema.makeFilter((value) => isWireText(value, max), { expected: `at most ${max} bytes of UTF-8` })),
    { _tag: "Text", name, prefix, max }
  )

/**
 * At most 255 bytes of UTF-8. Peers also send other encodings: a byte that is not part of valid UTF-8 becomes a lone surrogate,
 * U+DC80 to U+DCFF for the bytes 80 to ff, and is written back as that byte, so strings pass through unchanged. The Schema
 * accepts exactly the strings that reading can give.
 */
export const Str0_255 = text("STR0_255", 1, 255)

/** The rest of a TLV's value as a string, at most `max` bytes. For the last field of a TLV; messages must not use it. */
export const RestText = (max: number) => text("UTF-8", 0, max)

/** A value or `undefined`. On the wire a sequence of at most one value; in JSON `null` if undefined. */
export const Option = <T>(item: WireSchema<T>): WireSchema<T | undefined> => {
  const type = itemType("OPTION", item)
  return annotate(Schema.UndefinedOr(item) as Schema.Codec<T | undefined>, {
    _tag: "Option",
    name: `OPTION[${type.name}]`,
    prefix: 1,
    max: 1,
    item: type
  })
}

const sequence =
  (name: string, prefix: 1 | 2, max: number) =>
  <T>(item: WireSchema<T>): WireSchema<ReadonlyArray<T>> => {
    const type = itemType(name, item)
    return annotate(Schema.Array(item).check(Schema.isMaxLength(max)) as unknown as Schema.Codec<ReadonlyArray<T>>, {
      _tag: "Sequence",
      name: `${name}[${type.name}]`,
      prefix,
      max,
      item: type
    })
  }

/** At most 255 values of one type. */
export const Seq0_255 = sequence("SEQ0_255", 1, 255)
/** At most 65,535 values of one type. */
export const Seq0_64K = sequence("SEQ0_64K", 2, 0xffff)

const itemType = (name: string, item: Schema.Constraint): WireType => {
  const type = wireTypeOf(item)
  if (type === undefined) throw new Error(`${name} needs a wire type for its item, such as U32 or U256`)
  if (type._tag === "Option" || type._tag === "Sequence") {
    throw new Error(`${name} of ${type.name}: the specification has no sequences of sequences`)
  }
  if ("prefix" in type && type.prefix === 0) throw new Error(`${name} of ${type.name}, which has no length of its own`)
  return type
}
