/**
 * A server's certificate: the SIGNATURE_NOISE_MESSAGE of the specification, section 4.5.2. An authority certifies with it that
 * a static key belongs to its server for a period of time. 74 bytes: version U16, valid_from U32, not_valid_after U32 (seconds
 * since 1970), BIP340 signature. It does not contain the static key.
 */
import { schnorr } from "@noble/curves/secp256k1.js"
import { Bytes, CertificateBytes } from "@sluice/core"
import { Redacted } from "effect"

export interface Certificate {
  readonly version: number
  /** Seconds since 1970, U32. */
  readonly validFrom: number
  /** Seconds since 1970, U32: the last second in which the certificate is valid. */
  readonly notValidAfter: number
  /** BIP340, 64 bytes, over SHA256(version, valid_from, not_valid_after, x-only static key). */
  readonly signature: Uint8Array
}

/** Signs the x-only static key (32 bytes). `auxiliary` is BIP340's 32 random bytes. */
export const sign = (options: {
  readonly staticKey: Uint8Array
  readonly validFrom: number
  readonly notValidAfter: number
  readonly authoritySecretKey: Redacted.Redacted<Uint8Array>
  readonly auxiliary: Uint8Array
}): Certificate => {
  const { validFrom, notValidAfter } = options
  const digest = new Uint8Array(32)
  CertificateBytes.certificateDigest(
    CertificateBytes.CERTIFICATE_VERSION,
    validFrom,
    notValidAfter,
    options.staticKey,
    0,
    digest,
    0
  )
  const signature = schnorr.sign(digest, Redacted.value(options.authoritySecretKey), options.auxiliary)
  return { version: CertificateBytes.CERTIFICATE_VERSION, validFrom, notValidAfter, signature }
}

/** Encodes the certificate as the 74 bytes that a responder sends. */
export const encode = (certificate: Certificate): Uint8Array => {
  const bytes = new Uint8Array(CertificateBytes.CERTIFICATE_SIZE)
  Bytes.writeU16(bytes, 0, certificate.version)
  Bytes.writeU32(bytes, 2, certificate.validFrom)
  Bytes.writeU32(bytes, 6, certificate.notValidAfter)
  bytes.set(certificate.signature, CertificateBytes.CERTIFICATE_SIGNATURE_AT)
  return bytes
}

/** Decodes 74 bytes. Does not verify the certificate; the handshake does. */
export const decode = (bytes: Uint8Array): Certificate => ({
  version: CertificateBytes.certificateVersion(bytes, 0),
  validFrom: CertificateBytes.certificateValidFrom(bytes, 0) >>> 0,
  notValidAfter: CertificateBytes.certificateNotValidAfter(bytes, 0) >>> 0,
  signature: bytes.slice(CertificateBytes.CERTIFICATE_SIGNATURE_AT, CertificateBytes.CERTIFICATE_SIZE)
})
