/**
 * Compiles a message's declaration into its binary codec (specification, section 3.1), once, when the message is declared.
 *
 * The compiler writes a few straight lines of JavaScript for each field and turns them into functions with `new Function`.
 * Reading and writing a message then looks up no field and interprets no type, and all decoded objects of a kind have one
 * shape. A run-time that forbids code from strings (`--disallow-code-generation-from-strings`, a strict Content Security
 * Policy) therefore cannot load this package. The source code contains only names and numbers of the declaration, and
 * declarations with names that are not plain identifiers are rejected.
 *
 * The compiled code only checks that values fit. If one does not fit, it calls `explainDecode` or `explainEncode`, which go
 * through the declaration again, slowly, and name the field.
 */
import { decodeSource } from "./decode-source.ts"
import { headerSource, sizeSource, writeSource } from "./encode-source.ts"
import { explainDecode, explainEncode } from "./explain.ts"
import { Frame } from "../frame.ts"
import type { Layout } from "./layout.ts"
import { readText, textSize, writeText } from "./text.ts"

export interface Codec<M> {
  /** Reads a payload; byte fields are views on it. Throws `DecodeError`. */
  decode(payload: Uint8Array): M
  /** Reads a payload; byte fields are copies. Throws `DecodeError`. */
  decodeCopy(payload: Uint8Array): M
  /** The offset at which the fields of the message that was read last ended. TLVs or fields of a newer version may follow. */
  endOfLast(): number
  /** The size of the message's payload in bytes. Throws `EncodeError` if a length does not fit its field. */
  size(message: M): number
  /** Writes the payload at `at` and returns the offset of its end. `out` must have room for `size` bytes. Throws `EncodeError`. */
  write(message: M, out: Uint8Array, at: number): number
  /** Encodes header and payload into a new buffer. Throws `EncodeError`. */
  encode(message: M): Uint8Array
  /** Makes a message with its fields in the order of the declaration. */
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
  const o = new Uint8Array(${Frame.headerSize} + n)
${headerSource(layout)}
  if (write(m, o, ${Frame.headerSize}) !== o.length) failEncode(m)
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
