/**
 * Generates the source of the functions that read a message (see codec.ts). In the source, `b` is the payload, `e` its end and
 * `p` the position. `view(b, at, size)` gives bytes, `readText` a string, `scratch` is a DataView of 8 bytes.
 */
import type { Layout } from "./layout.ts"
import { minWireSize, type SizedWireType, type VariableWireType, type WireType } from "./wire.ts"

/** Code that reads the fields one after another at `p`. Checks the bounds once for each run of fields of fixed size. */
export const decodeSource = ({ name, fields }: Layout, functionName: string, view: string): string => {
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
      lines.push(
        `const ${count} = ${type.prefix === 0 ? `e - p - ${offset}` : unsignedExpression(type.prefix, offset)}`
      )
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

/** The size of the next run: the fields of fixed size, and the length of the first field of variable size. */
const runSize = (fields: Layout["fields"]): number => {
  let size = 0
  for (const { type } of fields) {
    size += minWireSize(type)
    if (!("size" in type)) break
  }
  return size
}

const unsignedExpression = (size: number, offset: number): string => {
  const bytes = Array.from({ length: size }, (_, i) => `b[p + ${offset + i}]${i === 0 ? "" : ` << ${8 * i}`}`)
  return size === 4 ? `(${bytes.join(" | ")}) >>> 0` : bytes.join(" | ")
}

const readExpression = (type: SizedWireType, offset: number, view: string): string => {
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

/** Code that reads a value, whose length or count is in the variable `count`, and moves `p` past it. */
const readVariable = (type: VariableWireType, target: string, count: string, view: string): ReadonlyArray<string> => {
  const tooMany = type.prefix === 0 || type.max < 2 ** (8 * type.prefix) - 1 ? `${count} > ${type.max} || ` : ""
  switch (type._tag) {
    case "Bytes":
      return [
        `if (${tooMany}e - p < ${count}) failDecode(b)`,
        `const ${target} = ${view}(b, p, ${count})`,
        `p += ${count}`
      ]
    case "Text":
      return [
        `if (${tooMany}e - p < ${count}) failDecode(b)`,
        `const ${target} = readText(b, p, ${count})`,
        `p += ${count}`
      ]
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
