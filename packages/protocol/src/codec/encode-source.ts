/**
 * Generates the source of the functions that measure and write a message (see codec.ts). In the source, `m` is the message,
 * `s` the size so far, `o` the output buffer and `p` the position in it. `scratch` is a DataView of 8 bytes.
 */
import type { Layout } from "./layout.ts"
import { Frame } from "../frame.ts"
import { maxWireSize, minWireSize, type SizedWireType, type VariableWireType, type WireType } from "./wire.ts"

/** Code that computes the size of a message's payload and checks all lengths. Reads the contents of strings only. */
export const sizeSource = ({ fields }: Layout): string => {
  const fixed = fields.reduce((sum, { type }) => sum + minWireSize(type), 0)
  const lines = fields.flatMap(({ name, type }, index) => sizeLines(type, `m.${name}`, `n${index}`))
  const most = fields.reduce((sum, { type }) => sum + maxWireSize(type), 0)
  if (most > Frame.maxPayload) lines.push(`if (s > ${Frame.maxPayload}) failEncode(m)`)
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

/** Code that writes the fields at `p` and checks numbers. */
export const writeSource = ({ fields }: Layout): string => {
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

const writeSized = (type: SizedWireType, value: string, offset: number): Array<string> => {
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

const writeVariable = (type: VariableWireType, value: string): Array<string> => {
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
        ...(type.prefix === 0 ? [] : [`o[p] = ${value}End - p - 1`]),
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

/** Code that writes the header of a frame whose payload has `n` bytes. */
export const headerSource = ({ extensionType, type }: Layout): string =>
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
