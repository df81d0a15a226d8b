/**
 * Assembles a WebAssembly module. It has the few instructions, some on 128-bit lanes ("Fixed-width SIMD" in the core
 * specification), that hashing four messages at a time needs. An expression is code that leaves one value on the stack, so
 * expressions nest; a statement leaves none.
 */

/** Instructions, as bytes. */
export type Code = ReadonlyArray<number>

export const i32 = (value: number): Code => [0x41, ...signed(value)]
export const addI32 = (a: Code, b: Code): Code => [...a, ...b, 0x6a]
export const subtractI32 = (a: Code, b: Code): Code => [...a, ...b, 0x6b]
export const andI32 = (a: Code, b: Code): Code => [...a, ...b, 0x71]
export const orI32 = (a: Code, b: Code): Code => [...a, ...b, 0x72]
/** 1 if the value is zero, else 0. */
export const isZeroI32 = (a: Code): Code => [...a, 0x45]
/** 1 if a is below b, both unsigned. */
export const isBelowI32 = (a: Code, b: Code): Code => [...a, ...b, 0x49]
/** The number of trailing zero bits. */
export const zerosBelowI32 = (a: Code): Code => [...a, 0x68]
export const storeI32 = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  0x36,
  0,
  ...unsigned(offset)
]
export const get = (local: number): Code => [0x20, local]
export const set = (local: number, value: Code): Code => [...value, 0x21, local]
export const call = (fn: number, ...parameters: ReadonlyArray<Code>): Code => [...parameters.flat(), 0x10, fn]
/** Runs the statements, and repeats them while the value is not zero. */
export const repeatWhile = (statements: Code, value: Code): Code => [0x03, 0x40, ...statements, ...value, 0x0d, 0, 0x0b]
/** Runs the first statements if the value is not zero, else the second ones. */
export const choose = (value: Code, statements: Code, otherwise: Code): Code => [
  ...value,
  0x04,
  0x40,
  ...statements,
  0x05,
  ...otherwise,
  0x0b
]

/** Loads four lanes of 32 bits, or sixteen of 8, from the address plus an offset. */
export const load = (address: Code, offset: number): Code => [...address, ...lanes(0x00), 0, ...unsigned(offset)]
export const store = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  ...lanes(0x0b),
  0,
  ...unsigned(offset)
]
/** Loads the 32 bits at the address plus an offset into all four lanes. */
export const loadEverywhere = (address: Code, offset: number): Code => [
  ...address,
  ...lanes(0x09),
  0,
  ...unsigned(offset)
]
/** Loads one 32-bit lane of the value from memory, and stores one lane to memory. */
export const loadLane = (address: Code, offset: number, lane: number, value: Code): Code => [
  ...address,
  ...value,
  ...lanes(0x56),
  0,
  ...unsigned(offset),
  lane
]
export const storeLane = (address: Code, offset: number, lane: number, value: Code): Code => [
  ...address,
  ...value,
  ...lanes(0x5a),
  0,
  ...unsigned(offset),
  lane
]
/** The same 32-bit number in all four lanes. */
export const all32 = (value: number): Code => all8([value, value >>> 8, value >>> 16, value >>> 24])
/** The same bytes repeated in the sixteen lanes. */
export const all8 = (bytes: ReadonlyArray<number>): Code => [
  ...lanes(0x0c),
  ...Array.from({ length: 16 }, (_, lane) => bytes[lane % bytes.length]! & 0xff)
]
/** Sixteen bytes picked from those of a (0 to 15) and b (16 to 31). */
export const pick = (a: Code, b: Code, from: ReadonlyArray<number>): Code => [...a, ...b, ...lanes(0x0d), ...from]

const binary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [...a, ...b, ...lanes(opcode)]
const shift =
  (opcode: number) =>
  (a: Code, bits: number): Code => [...a, ...i32(bits), ...lanes(opcode)]
export const and = binary(0x4e)
export const or = binary(0x50)
export const xor = binary(0x51)
export const add32 = binary(0xae)
export const add8 = binary(0x6e)
export const subtract8 = binary(0x71)
/** Sets all bits of the lanes where a is below b, both unsigned. */
export const isBelow8 = binary(0x26)
/** Sets all bits of the lanes where a is not below b, both unsigned; takes fewer steps. */
export const isNotBelow8 = binary(0x2c)
/** Sets all bits of the lanes that are equal. */
export const isSame8 = binary(0x23)
export const left32 = shift(0xab)
export const right32 = shift(0xad)
export const left16 = shift(0x8b)
export const right16 = shift(0x8d)
/** Collects the highest bit of each lane; the bit of the first lane is the lowest. */
export const bitsOf8 = (a: Code): Code => [...a, ...lanes(0x64)]
/** 1 if any bit is set. */
export const anyBit = (a: Code): Code => [...a, ...lanes(0x53)]
/** 1 if no lane is zero. */
export const allTrue8 = (a: Code): Code => [...a, ...lanes(0x63)]

/** A function: 32-bit parameters first, then variables of 128 bits, numbered in this order. */
export interface WasmFunction {
  readonly parameters: number
  readonly variables: number
  readonly hasResult: boolean
  readonly code: Code
  /** The name under which the module exports it. */
  readonly name?: string
}

/** Makes a module of these functions, numbered in this order, and a memory of one page, exported as `memory`. */
export const wasmModule = (functions: ReadonlyArray<WasmFunction>): WebAssembly.Module => {
  const types = functions.map(({ hasResult, parameters }) => [
    0x60,
    parameters,
    ...Array.from({ length: parameters }, () => I32),
    ...(hasResult ? [1, I32] : [0])
  ])
  const exported = functions.flatMap(({ name }, index) => (name === undefined ? [] : [[...text(name), 0, index]]))
  const bodies = functions.map(({ code, variables }) => {
    const body = [...(variables === 0 ? [0] : [1, variables, V128]), ...code, 0x0b]
    return [...unsigned(body.length), ...body]
  })
  return new WebAssembly.Module(
    new Uint8Array([
      ...MAGIC_AND_VERSION,
      ...section(1, types),
      ...section(
        3,
        functions.map((_, index) => [index])
      ),
      ...section(5, [[0, 1]]),
      ...section(7, [[...text("memory"), 2, 0], ...exported]),
      ...section(10, bodies)
    ])
  )
}

const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const I32 = 0x7f
const V128 = 0x7b

const section = (id: number, items: ReadonlyArray<Code>): Code => {
  const content = [...unsigned(items.length), ...items.flat()]
  return [id, ...unsigned(content.length), ...content]
}

const text = (name: string): Code => [name.length, ...Buffer.from(name)]

const lanes = (opcode: number): Code => [0xfd, ...unsigned(opcode)]

/** Encodes a number as LEB128. */
const unsigned = (value: number): Code => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)])

const signed = (value: number): Code =>
  value >= -0x40 && value < 0x40 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)]
