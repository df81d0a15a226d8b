/**
 * SHA-256 of bytes in the module's memory, over core's SHA-256, and BIP340's tagged hash: SHA256(t || t || message) with
 * t = SHA256(tag). A message is put together in one buffer.
 */
import { Sha256 } from "../../../packages/core/src/sha256"

/** Two tag hashes and the longest message: two ElligatorSwift keys and an x-coordinate. */
const BUFFER_SIZE: i32 = 64 + 160
const hasher = new Sha256()
const buffer = new Uint8Array(BUFFER_SIZE)
const digest = new Uint8Array(32)
let length: i32 = 0

/** A tag's hash, twice: what its messages begin with. Allocates, so it is for start-up. */
export function tagPrefix(tag: string): Uint8Array {
  const prefix = new Uint8Array(64)
  for (let i = 0; i < tag.length; i++) buffer[i] = tag.charCodeAt(i) as u8
  hasher.hash(buffer, 0, tag.length, prefix, 0)
  memory.copy(prefix.dataStart + 32, prefix.dataStart, 32)
  return prefix
}

/** Begins a message that has no tag. */
export function start(): void {
  length = 0
}

export function startTagged(prefix: Uint8Array): void {
  length = 0
  append(prefix.dataStart, 64)
}

export function append(from: usize, size: i32): void {
  memory.copy(buffer.dataStart + (length as usize), from, size as usize)
  length += size
}

/** Four bytes, least significant first. */
export function appendU32(value: u32): void {
  store<u32>(buffer.dataStart + (length as usize), value)
  length += 4
}

/** Writes the 32-byte hash, and forgets the message. */
export function finish(to: usize): void {
  hasher.hash(buffer, 0, length, digest, 0)
  memory.copy(to, digest.dataStart, 32)
  hasher.clear()
  digest.fill(0)
  buffer.fill(0)
}
