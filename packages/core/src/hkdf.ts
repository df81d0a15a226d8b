/**
 * HMAC-SHA256 (RFC 2104) and the HKDF of Noise with two outputs (4.4.2; Noise, section 4.3).
 */
import { copyBytes } from "./bytes.ts"
import { Sha256, sha256, SHA256_BLOCK_SIZE, SHA256_SIZE } from "./sha256.ts"

const sha = new Sha256()
const pad = new Uint8Array(SHA256_BLOCK_SIZE)
const inner = new Uint8Array(SHA256_SIZE)

/** Writes the 32-byte HMAC-SHA256 of the data; `out` may lie in the key or the data. */
export function hmacSha256(
  key: Uint8Array,
  keyAt: i32,
  keyLength: i32,
  data: Uint8Array,
  dataAt: i32,
  dataLength: i32,
  out: Uint8Array,
  outAt: i32
): void {
  pad.fill(0)
  if (keyLength > SHA256_BLOCK_SIZE) sha256(key, keyAt, keyLength, pad, 0)
  else copyBytes(key, keyAt, pad, 0, keyLength)
  xorPad(0x36)
  sha.update(pad, 0, SHA256_BLOCK_SIZE)
  sha.update(data, dataAt, dataLength)
  sha.digest(inner, 0)
  xorPad(0x36 ^ 0x5c)
  sha.update(pad, 0, SHA256_BLOCK_SIZE)
  sha.update(inner, 0, SHA256_SIZE)
  sha.digest(out, outAt)
  pad.fill(0)
  inner.fill(0)
  sha.clear()
}

function xorPad(value: i32): void {
  for (let i: i32 = 0; i < SHA256_BLOCK_SIZE; i++) {
    const byte: i32 = pad[i]
    pad[i] = (byte ^ value) as u8
  }
}

const temporaryKey = new Uint8Array(32)
/** output1 || 0x02 */
const second = new Uint8Array(33)

/**
 * HKDF(chainingKey, ikm) with two outputs of 32 bytes. `chainingKey` is 32 bytes; `out1` may be the same array.
 */
export function hkdf2(
  chainingKey: Uint8Array,
  ikm: Uint8Array,
  ikmAt: i32,
  ikmLength: i32,
  out1: Uint8Array,
  out2: Uint8Array
): void {
  hmacSha256(chainingKey, 0, 32, ikm, ikmAt, ikmLength, temporaryKey, 0)
  second[0] = 1
  hmacSha256(temporaryKey, 0, 32, second, 0, 1, out1, 0)
  copyBytes(out1, 0, second, 0, 32)
  second[32] = 2
  hmacSha256(temporaryKey, 0, 32, second, 0, 33, out2, 0)
  temporaryKey.fill(0)
  second.fill(0)
}
