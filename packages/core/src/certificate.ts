/**
 * A server's certificate as it stands in act 2 of the handshake, SIGNATURE_NOISE_MESSAGE (4.5.2, 4.5.3).
 *
 * | at | size | field                                            |
 * | -- | ---- | ------------------------------------------------ |
 * | 0  | 2    | version, 0                                       |
 * | 2  | 4    | valid_from, seconds since 1970                   |
 * | 6  | 4    | not_valid_after, seconds since 1970              |
 * | 10 | 64   | BIP340 signature of `certificateDigest`          |
 *
 * It certifies the server's static key, which is sent separately.
 */
import { copyBytes, isBelowU32, readU16, readU32, writeU16, writeU32 } from "./bytes.ts"
import { sha256 } from "./sha256.ts"

export const CERTIFICATE_SIZE: i32 = 74
export const CERTIFICATE_VERSION: i32 = 0
export const CERTIFICATE_SIGNATURE_AT: i32 = 10

export function certificateVersion(certificate: Uint8Array, at: i32): i32 {
  return readU16(certificate, at)
}

/** U32 as a signed pattern. */
export function certificateValidFrom(certificate: Uint8Array, at: i32): i32 {
  return readU32(certificate, at + 2)
}

/** U32 as a signed pattern. */
export function certificateNotValidAfter(certificate: Uint8Array, at: i32): i32 {
  return readU32(certificate, at + 6)
}

const signed = new Uint8Array(42)

/**
 * Writes the 32 bytes that the authority signs: SHA-256 of version, valid_from, not_valid_after and the server's static
 * key by its x-coordinate (32 bytes).
 */
export function certificateDigest(
  version: i32,
  validFrom: i32,
  notValidAfter: i32,
  xOnly: Uint8Array,
  xOnlyAt: i32,
  out: Uint8Array,
  outAt: i32
): void {
  writeU16(signed, 0, version)
  writeU32(signed, 2, validFrom)
  writeU32(signed, 6, notValidAfter)
  copyBytes(xOnly, xOnlyAt, signed, 10, 32)
  sha256(signed, 0, 42, out, outAt)
}

/** Whether the certificate is not valid yet, if the clock may be wrong by `toleranceSeconds`. */
export function isCertificateNotYetValid(
  certificate: Uint8Array,
  at: i32,
  nowSeconds: i32,
  toleranceSeconds: i32
): bool {
  return isBelowU32(later(nowSeconds, toleranceSeconds), certificateValidFrom(certificate, at))
}

/** Whether the certificate has expired, if the clock may be wrong by `toleranceSeconds`. */
export function isCertificateExpired(certificate: Uint8Array, at: i32, nowSeconds: i32, toleranceSeconds: i32): bool {
  return isBelowU32(later(certificateNotValidAfter(certificate, at), toleranceSeconds), nowSeconds)
}

/** Adds two U32 and saturates at 2^32 - 1, so that times near the end of the range do not wrap. */
function later(seconds: i32, by: i32): i32 {
  const sum: i32 = (seconds + by) | 0
  return isBelowU32(sum, seconds) ? -1 : sum
}
