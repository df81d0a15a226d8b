/** Which servers a TLS client trusts. */
import { Result } from "effect"
import * as Crypto from "node:crypto"
import * as Tls from "node:tls"
import { CertificateError } from "./certificate-error.ts"

export interface TrustOptions {
  /** Certificates of authorities as PEM, in place of those that Node knows: for a pool with an authority of its own. */
  readonly authorities?: ReadonlyArray<string>
  /**
   * SHA-256 fingerprints, as 64 hex digits with or without colons. A server with such a certificate is trusted, whatever its
   * names and dates; no other is. For a pool that signs its certificate itself.
   */
  readonly fingerprints?: ReadonlyArray<string>
  /** Trusts every server: the connection is encrypted, but with whom is not known. For tests and own networks only. */
  readonly insecure?: boolean
}

export interface ServerTrust {
  readonly context: Tls.SecureContext
  /** Whether Node is to check the certificate's authority, names and dates. */
  readonly checks: boolean
  /** The fingerprints as Node writes them; undefined if any certificate will do. */
  readonly fingerprints: ReadonlySet<string> | undefined
}

/** Prepares what a client trusts. Without options those are servers with a certificate of a well-known authority. */
export const serverTrust = (options: TrustOptions = {}): Result.Result<ServerTrust, CertificateError> => {
  const { authorities, fingerprints, insecure = false } = options
  const refuse = (message: string) => Result.fail(new CertificateError({ message }))
  const pinned = new Set<string>()
  for (const text of fingerprints ?? []) {
    const digits = text.replaceAll(":", "").toUpperCase()
    if (!/^[0-9A-F]{64}$/.test(digits)) {
      return refuse(`"${text}" is not the SHA-256 fingerprint of a certificate: expected 64 hex digits`)
    }
    pinned.add(digits.replace(/..(?=.)/g, "$&:"))
  }
  for (const pem of authorities ?? []) {
    const read = Result.try(() => new Crypto.X509Certificate(pem))
    if (Result.isFailure(read)) return refuse("the text of an authority's certificate cannot be read: expected PEM")
  }
  return Result.succeed({
    context: Tls.createSecureContext(authorities === undefined ? {} : { ca: [...authorities] }),
    checks: !insecure && pinned.size === 0,
    fingerprints: pinned.size === 0 ? undefined : pinned
  })
}
