/**
 * Little-endian integers in byte arrays (3.1 "Data Types Mapping").
 *
 * A 32-bit value is a bit pattern: writers take it signed or unsigned, `readU32` gives it signed (`>>> 0` makes it
 * unsigned in JavaScript). The caller must pass a valid `at`: these functions do not check that the bytes exist.
 */

/** U16, 0 to 65,535. */
export function readU16(b: Uint8Array, at: i32): i32 {
  const b0: i32 = b[at]
  const b1: i32 = b[at + 1]
  return b0 | (b1 << 8)
}

/** U24, 0 to 16,777,215. */
export function readU24(b: Uint8Array, at: i32): i32 {
  const b0: i32 = b[at]
  const b1: i32 = b[at + 1]
  const b2: i32 = b[at + 2]
  return b0 | (b1 << 8) | (b2 << 16)
}

/** U32 as a signed 32-bit pattern. */
export function readU32(b: Uint8Array, at: i32): i32 {
  const b0: i32 = b[at]
  const b1: i32 = b[at + 1]
  const b2: i32 = b[at + 2]
  const b3: i32 = b[at + 3]
  return b0 | (b1 << 8) | (b2 << 16) | (b3 << 24)
}

export function writeU16(b: Uint8Array, at: i32, v: i32): void {
  b[at] = v as u8
  b[at + 1] = (v >> 8) as u8
}

export function writeU24(b: Uint8Array, at: i32, v: i32): void {
  b[at] = v as u8
  b[at + 1] = (v >> 8) as u8
  b[at + 2] = (v >> 16) as u8
}

export function writeU32(b: Uint8Array, at: i32, v: i32): void {
  b[at] = v as u8
  b[at + 1] = (v >> 8) as u8
  b[at + 2] = (v >> 16) as u8
  b[at + 3] = (v >> 24) as u8
}

/** Whether a < b as unsigned numbers: flipping the top bit orders them as signed ones. */
export function isBelowU32(a: i32, b: i32): bool {
  return (a ^ 0x80000000) < (b ^ 0x80000000)
}

/** U64 from its two halves. */
export function writeU64(b: Uint8Array, at: i32, low: i32, high: i32): void {
  writeU32(b, at, low)
  writeU32(b, at + 4, high)
}

/** Copies `length` bytes; the ranges must not overlap in one array. */
export function copyBytes(from: Uint8Array, fromAt: i32, to: Uint8Array, toAt: i32, length: i32): void {
  for (let i: i32 = 0; i < length; i++) to[toAt + i] = from[fromAt + i]
}

/** U32 whose most significant byte comes first, as SHA-256 reads and writes its words (FIPS 180-4, 3.1). */
export function readU32BigEndian(b: Uint8Array, at: i32): i32 {
  const b0: i32 = b[at]
  const b1: i32 = b[at + 1]
  const b2: i32 = b[at + 2]
  const b3: i32 = b[at + 3]
  return (b0 << 24) | (b1 << 16) | (b2 << 8) | b3
}

export function writeU32BigEndian(b: Uint8Array, at: i32, v: i32): void {
  b[at] = (v >> 24) as u8
  b[at + 1] = (v >> 16) as u8
  b[at + 2] = (v >> 8) as u8
  b[at + 3] = v as u8
}
