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
