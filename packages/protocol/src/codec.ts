/**
 * Compiles a message's declaration into its binary codec (specification, section 3.1), once, when the message is declared.
 *
 * What is compiled is a few straight lines of JavaScript for each field, made into functions with `new Function`: no
 * field is looked up and no type is interpreted when a message is read or written, and every decoded object has one
 * shape. A run-time that forbids code from strings (`--disallow-code-generation-from-strings`, a strict Content Security
 * Policy) can therefore not load this package. The source holds nothing but names and numbers of the declaration,
 * whose names are checked to be plain identifiers.
 *
 * The compiled code only tests that values fit. When one does not it calls `explainDecode` or `explainEncode`, which go
 * through the declaration once more, slowly, and say which field it was.
 */
import { explainDecode, explainEncode } from "./explain.ts"
import { readText, textSize, writeText } from "./text.ts"
import { maxWireSize, minWireSize, type WireType } from "./wire.ts"

/** What the codec of a message is compiled from. */
export interface Layout {
  readonly name: string
  /** As in the frame's header, with the channel bit. */
  readonly extensionType: number
  readonly type: number
  readonly fields: ReadonlyArray<{ readonly name: string; readonly type: WireType }>
}

export interface Codec<M> {
  /** Reads a payload; byte fields are views on it. Throws `DecodeError`. */
  decode(payload: Uint8Array): M
  /** Reads a payload; byte fields are copies. Throws `DecodeError`. */
  decodeCopy(payload: Uint8Array): M
  /** Where in its payload the message read last ended: what follows are TLVs, or fields of a newer specification. */
  endOfLast(): number
  /** The size of the message's payload in bytes. Throws `EncodeError` for lengths that do not fit. */
  size(message: M): number
  /** Writes the payload at `at`, where `size` says that it fits, and returns where it ends. Throws `EncodeError`. */
  write(message: M, out: Uint8Array, at: number): number
  /** A fresh buffer of header and payload. Throws `EncodeError`. */
  encode(message: M): Uint8Array
  /** The message with all its fields in the order of the declaration. */
  make(fields: Omit<M, "_tag">): M
}

export const compile = <M>(layout: Layout): Codec<M> => {
  const source = `"use strict"
const view = (b, at, size) => new Uint8Array(b.buffer, b.byteOffset + at, size)
const copy = (b, at, size) => {
  if (size > 64) return new Uint8Array(view(b, at, size))
  const o = new Uint8Array(size)
  for (let i = 0; i < size; i++) o[i] = b[at + i]
  return o
}
const scratch = new DataView(new ArrayBuffer(8))
let last = 0
${decodeSource(layout, "decode", "view")}
${decodeSource(layout, "decodeCopy", "copy")}
${sizeSource(layout)}
${writeSource(layout)}
const encode = (m) => {
  const n = size(m)
  const o = new Uint8Array(${headerSize} + n)
${headerSource(layout)}
  if (write(m, o, ${headerSize}) !== o.length) failEncode(m)
  return o
}
const make = (m) => ({ _tag: ${JSON.stringify(layout.name)}, ${layout.fields.map(({ name }) => `${name}: m.${name}`).join(", ")} })
return { decode, decodeCopy, endOfLast: () => last, size, write, encode, make }
//# sourceURL=sluice-codec/${layout.name}.js`
  const failDecode = (payload: Uint8Array): never => {
    throw explainDecode(layout, payload)
  }
  const failEncode = (message: unknown): never => {
    throw explainEncode(layout, message)
  }
  return new Function("failDecode", "failEncode", "readText", "textSize", "writeText", source)(
    failDecode,
    failEncode,
    readText,
    textSize,
    writeText
  ) as Codec<M>
}

const headerSize = 6

/** Code that reads the fields one after the other at `p`, with one test of the bounds for a run of fields of fixed size. */
const decodeSource = ({ name, fields }: Layout, functionName: string, view: string): string => {
  const lines: Array<string> = []
  let offset = 0
  const flush = () => {
    if (offset > 0) lines.push(`p += ${offset}`)
    offset = 0
  }
  fields.forEach((field, index) => {
    if (offset === 0) lines.push(`if (e - p < ${runSize(fields.slice(index))}) failDecode(b)`)
    const { type } = field
    if ("size" in type) {
      lines.push(`const f${index} = ${readExpression(type, offset, view)}`)
      offset += type.size
    } else {
      const count = `n${index}`
      lines.push(`const ${count} = ${unsignedExpression(type.prefix, offset)}`)
      offset += type.prefix
      flush()
      lines.push(...readVariable(type, `f${index}`, count, view))
    }
  })
  flush()
  return `const ${functionName} = (b) => {
  const e = b.length
  let p = 0
  ${lines.join("\n  ")}
  last = p
  return { _tag: ${JSON.stringify(name)}, ${fields.map(({ name }, index) => `${name}: f${index}`).join(", ")} }
}`
}

/** The bytes from here that are there in any case: fields of fixed size, and the length of the first that is not. */
const runSize = (fields: Layout["fields"]): number => {
  let size = 0
  for (const { type } of fields) {
    size += minWireSize(type)
    if (!("size" in type)) break
  }
  return size
}

type Sized = Extract<WireType, { readonly size: number }>
type Variable = Exclude<WireType, Sized>

const unsignedExpression = (size: number, offset: number): string => {
  const bytes = Array.from({ length: size }, (_, i) => `b[p + ${offset + i}]${i === 0 ? "" : ` << ${8 * i}`}`)
  return size === 4 ? `(${bytes.join(" | ")}) >>> 0` : bytes.join(" | ")
}

const readExpression = (type: Sized, offset: number, view: string): string => {
  switch (type._tag) {
    case "Unsigned":
      return unsignedExpression(type.size, offset)
    case "Boolean":
      return `(b[p + ${offset}] & 1) === 1`
    case "Float32":
      return `(scratch.setUint32(0, ${unsignedExpression(4, offset)}, true), scratch.getFloat32(0, true))`
    case "Unsigned64":
      return (
        `(scratch.setUint32(0, ${unsignedExpression(4, offset)}, true), ` +
        `scratch.setUint32(4, ${unsignedExpression(4, offset + 4)}, true), scratch.getBigUint64(0, true))`
      )
    case "Fixed":
      return `${view}(b, p + ${offset}, ${type.size})`
  }
}

/** Code that reads a value of which the length or count has been read into `count`, and moves `p` past it. */
const readVariable = (type: Variable, target: string, count: string, view: string): ReadonlyArray<string> => {
  const tooMany = type.max < 2 ** (8 * type.prefix) - 1 ? `${count} > ${type.max} || ` : ""
  switch (type._tag) {
    case "Bytes":
      return [
        `if (${tooMany}e - p < ${count}) failDecode(b)`,
        `const ${target} = ${view}(b, p, ${count})`,
        `p += ${count}`
      ]
    case "Text":
      return [`if (e - p < ${count}) failDecode(b)`, `const ${target} = readText(b, p, ${count})`, `p += ${count}`]
    case "Option":
    case "Sequence": {
      const enough = `if (${tooMany}e - p < ${count} * ${minWireSize(type.item)}) failDecode(b)`
      const item = readItem(type.item, `${target}Item`, view)
      return type._tag === "Option"
        ? [enough, `let ${target}`, `if (${count} === 1) {`, ...item, `${target} = ${target}Item`, `}`]
        : [
            enough,
            `const ${target} = new Array(${count})`,
            `for (let i = 0; i < ${count}; i++) {`,
            ...item,
            `${target}[i] = ${target}Item`,
            `}`
          ]
    }
  }
}

const readItem = (type: WireType, target: string, view: string): ReadonlyArray<string> =>
  "size" in type
    ? [`const ${target} = ${readExpression(type, 0, view)}`, `p += ${type.size}`]
    : [
        `if (e - p < ${type.prefix}) failDecode(b)`,
        `const ${target}Size = ${unsignedExpression(type.prefix, 0)}`,
        `p += ${type.prefix}`,
        ...readVariable(type, target, `${target}Size`, view)
      ]

/** Code that sums up the size of a message's payload and tests all lengths, but reads no contents but strings'. */
const sizeSource = ({ fields }: Layout): string => {
  const fixed = fields.reduce((sum, { type }) => sum + minWireSize(type), 0)
  const lines = fields.flatMap(({ name, type }, index) => sizeLines(type, `m.${name}`, `n${index}`))
  const most = fields.reduce((sum, { type }) => sum + maxWireSize(type), 0)
  if (most > 0xffffff) lines.push(`if (s > ${0xffffff}) failEncode(m)`)
  return `const size = (m) => {
  let s = ${fixed}
  ${lines.join("\n  ")}
  return s
}`
}

const sizeLines = (type: WireType, value: string, count: string): Array<string> => {
  switch (type._tag) {
    case "Fixed":
      return [`if (${value}.length !== ${type.size}) failEncode(m)`]
    case "Bytes":
      return [`const ${count} = ${value}.length`, `if (!(${count} <= ${type.max})) failEncode(m)`, `s += ${count}`]
    case "Text":
      return [
        `const ${count} = textSize(${value})`,
        `if (!(${count} >= 0 && ${count} <= ${type.max})) failEncode(m)`,
        `s += ${count}`
      ]
    case "Option":
      return [
        `if (${value} !== undefined) {`,
        `s += ${minWireSize(type.item)}`,
        ...sizeLines(type.item, value, count),
        `}`
      ]
    case "Sequence": {
      const item = sizeLines(type.item, `${value}[i]`, `${count}Item`)
      return [
        `const ${count} = ${value}.length`,
        `if (!(${count} <= ${type.max})) failEncode(m)`,
        `s += ${count} * ${minWireSize(type.item)}`,
        ...(item.length === 0 ? [] : [`for (let i = 0; i < ${count}; i++) {`, ...item, `}`])
      ]
    }
    default:
      return []
  }
}

/** Code that writes the fields at `p`; numbers are tested here. */
const writeSource = ({ fields }: Layout): string => {
  const lines: Array<string> = []
  let offset = 0
  fields.forEach(({ name, type }, index) => {
    const value = `v${index}`
    lines.push(`const ${value} = m.${name}`)
    if ("size" in type) {
      lines.push(...writeSized(type, value, offset))
      offset += type.size
    } else {
      if (offset > 0) lines.push(`p += ${offset}`)
      offset = 0
      lines.push(...writeVariable(type, value))
    }
  })
  return `const write = (m, o, p) => {
  ${lines.join("\n  ")}
  return p${offset > 0 ? ` + ${offset}` : ""}
}`
}

const storeUnsigned = (value: string, size: number, offset: number): Array<string> =>
  Array.from({ length: size }, (_, i) => `o[p + ${offset + i}] = ${value}${i === 0 ? "" : ` >>> ${8 * i}`}`)

const writeSized = (type: Sized, value: string, offset: number): Array<string> => {
  switch (type._tag) {
    case "Unsigned":
      return [
        `if (${value} >>> 0 !== ${value}${type.size < 4 ? ` || ${value} > ${2 ** (8 * type.size) - 1}` : ""}) failEncode(m)`,
        ...storeUnsigned(value, type.size, offset)
      ]
    case "Boolean":
      return [`if (${value} !== true && ${value} !== false) failEncode(m)`, `o[p + ${offset}] = ${value} ? 1 : 0`]
    case "Float32":
      return [
        `if (typeof ${value} !== "number") failEncode(m)`,
        `scratch.setFloat32(0, ${value}, true)`,
        ...Array.from({ length: 4 }, (_, i) => `o[p + ${offset + i}] = scratch.getUint8(${i})`)
      ]
    case "Unsigned64":
      return [
        `if (BigInt.asUintN(64, ${value}) !== ${value}) failEncode(m)`,
        `scratch.setBigUint64(0, ${value}, true)`,
        `const ${value}Low = scratch.getUint32(0, true), ${value}High = scratch.getUint32(4, true)`,
        ...storeUnsigned(`${value}Low`, 4, offset),
        ...storeUnsigned(`${value}High`, 4, offset + 4)
      ]
    case "Fixed":
      return [`o.set(${value}, p${offset > 0 ? ` + ${offset}` : ""})`]
  }
}

const writeVariable = (type: Variable, value: string): Array<string> => {
  switch (type._tag) {
    case "Bytes":
      return [
        `const ${value}Size = ${value}.length`,
        ...storeUnsigned(`${value}Size`, type.prefix, 0),
        `o.set(${value}, p + ${type.prefix})`,
        `p += ${type.prefix} + ${value}Size`
      ]
    case "Text":
      return [
        `const ${value}End = writeText(${value}, o, p + ${type.prefix})`,
        `o[p] = ${value}End - p - ${type.prefix}`,
        `p = ${value}End`
      ]
    case "Option":
      return [`if (${value} === undefined) o[p++] = 0`, `else {`, `o[p++] = 1`, ...writeItem(type.item, value), `}`]
    case "Sequence":
      return [
        `const ${value}Count = ${value}.length`,
        ...storeUnsigned(`${value}Count`, type.prefix, 0),
        `p += ${type.prefix}`,
        `for (let i = 0; i < ${value}Count; i++) {`,
        `const ${value}Item = ${value}[i]`,
        ...writeItem(type.item, `${value}Item`),
        `}`
      ]
  }
}

const writeItem = (type: WireType, value: string): Array<string> =>
  "size" in type ? [...writeSized(type, value, 0), `p += ${type.size}`] : writeVariable(type, value)

const headerSource = ({ extensionType, type }: Layout): string =>
  [
    `o[0] = ${extensionType & 0xff}`,
    `o[1] = ${extensionType >> 8}`,
    `o[2] = ${type}`,
    `o[3] = n`,
    `o[4] = n >>> 8`,
    `o[5] = n >>> 16`
  ]
    .map((line) => `  ${line}`)
    .join("\n")
