/** Sentences for the codes with which core's handshake fails, for logs and errors. */
import { Handshake } from "@sluice/core"

/** Says why a handshake failed, and what to check. Takes one of core's `HANDSHAKE_` codes. */
export const handshakeFailure = (code: number): string => FAILURES[code] ?? `the handshake failed with code ${code}`

const FAILURES: Readonly<Record<number, string>> = {
  [Handshake.HANDSHAKE_BAD_KEY]: "the peer's key is not a valid secp256k1 key",
  [Handshake.HANDSHAKE_BAD_STATIC_KEY_TAG]:
    "the peer does not speak Noise as Stratum V2 does, or the bytes were changed on the way",
  [Handshake.HANDSHAKE_BAD_CERTIFICATE_TAG]: "the certificate was changed on the way",
  [Handshake.HANDSHAKE_CERTIFICATE_VERSION]: "the certificate has a version other than 0",
  [Handshake.HANDSHAKE_BAD_SIGNATURE]:
    "the certificate is not signed by the authority whose key is in the server's address",
  [Handshake.HANDSHAKE_NOT_YET_VALID]: "the certificate is not valid yet; check this machine's clock",
  [Handshake.HANDSHAKE_EXPIRED]: "the certificate has expired; check this machine's clock"
}
