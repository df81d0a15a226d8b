/** Profile extended with exports for tests: the allocator, and the AEAD and SHA-256 over the replacements of device builds. */
export * from "./device-extended"
import { ChaCha20Poly1305 } from "../../packages/core/src/aead"
import { sha256 as sha256OfCore } from "../../packages/core/src/sha256"

const buffer = new Uint8Array(2048)
const aead = new ChaCha20Poly1305()

/** Allocates a few bytes and returns their address. */
export function probeHeap(): usize {
  return heap.alloc(1)
}

/** 2,048 bytes for what follows. */
export function bufferAt(): usize {
  return buffer.dataStart
}
/** Key and nonce are at 0 and 32, associated data at 64, the text at 1,024. */
export function seal(adLength: i32, length: i32): void {
  aead.setKey(buffer, 0)
  aead.sealNonce(buffer, 32, buffer, 64, adLength, buffer, 1024, length)
}
export function open(adLength: i32, length: i32): bool {
  aead.setKey(buffer, 0)
  return aead.openNonce(buffer, 32, buffer, 64, adLength, buffer, 1024, length)
}

/** Hashes this many bytes at 0; writes the hash to 1,024. */
export function sha256(length: i32): void {
  sha256OfCore(buffer, 0, length, buffer, 1024)
}
