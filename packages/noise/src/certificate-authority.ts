/**
 * The credentials of a server for its handshakes: a static key and a certificate for it, signed with the authority's secret key
 * and renewed well before it expires (specification, section 4.5).
 */
import { schnorr } from "@noble/curves/secp256k1.js"
import { Clock, Context, Duration, Effect, Layer, Redacted } from "effect"
import * as Certificate from "./certificate.ts"
import { Curve } from "./curve.ts"
import { entropy } from "./entropy.ts"

/** A static key and its certificate. */
export interface Credentials {
  readonly staticSecret: Redacted.Redacted<Uint8Array>
  /** ElligatorSwift, 64 bytes. */
  readonly staticKey: Uint8Array
  /** SIGNATURE_NOISE_MESSAGE, 74 bytes. */
  readonly certificate: Uint8Array
  readonly validFrom: number
  readonly notValidAfter: number
}

export interface CertificateAuthorityOptions {
  readonly secretKey: Redacted.Redacted<Uint8Array>
  /** How long a new certificate is valid. It is renewed after half of this time. Default 1 hour. */
  readonly validity?: Duration.Input
  /** How far a certificate's validity begins in the past, for clients with slow clocks. Default 1 minute. */
  readonly backdate?: Duration.Input
}

export class CertificateAuthority extends Context.Service<
  CertificateAuthority,
  {
    /** The credentials to use now. */
    readonly credentials: Effect.Effect<Credentials>
  }
>()("sluice/noise/CertificateAuthority") {
  /** Signs with the authority's secret key, at the first use and whenever half of the validity has passed. */
  static readonly make = Effect.fnUntraced(function* (options: CertificateAuthorityOptions) {
    const validity = Math.max(2, wholeSeconds(options.validity ?? "1 hour"))
    const backdate = wholeSeconds(options.backdate ?? "1 minute")
    const random = yield* entropy
    const curve = yield* Curve

    const issue = (now: number): Credentials => {
      const staticSecret = schnorr.utils.randomSecretKey(random(schnorr.lengths.seed!))
      const staticKey = new Uint8Array(64)
      if (!curve.createEllSwift(staticSecret, random(32), staticKey, 0)) {
        throw new Error("the curve could not encode a fresh static key")
      }
      const certificate = Certificate.sign({
        staticKey: schnorr.getPublicKey(staticSecret),
        validFrom: Math.max(0, now - backdate),
        notValidAfter: Math.min(now + validity, 0xffffffff),
        authoritySecretKey: options.secretKey,
        auxiliary: random(32)
      })
      return {
        staticSecret: Redacted.make(staticSecret, { label: "static secret key" }),
        staticKey,
        certificate: Certificate.encode(certificate),
        validFrom: certificate.validFrom,
        notValidAfter: certificate.notValidAfter
      }
    }

    let issued: { readonly at: number; readonly credentials: Credentials } | undefined
    const credentials = Effect.map(Clock.currentTimeMillis, (millis) => {
      const now = Math.floor(millis / 1000)
      // Also renews if the clock was set back, which would make the certificate begin in the future.
      if (issued === undefined || now < issued.at || now >= issued.at + validity / 2) {
        issued = { at: now, credentials: issue(now) }
      }
      return issued.credentials
    })
    return CertificateAuthority.of({ credentials })
  })

  static readonly layer = (options: CertificateAuthorityOptions): Layer.Layer<CertificateAuthority> =>
    Layer.effect(CertificateAuthority, CertificateAuthority.make(options))

  /** Uses credentials that were made elsewhere, where the authority's secret key is kept. Never renews them. */
  static readonly layerFixed = (credentials: Credentials): Layer.Layer<CertificateAuthority> =>
    Layer.succeed(CertificateAuthority, { credentials: Effect.succeed(credentials) })
}

const wholeSeconds = (duration: Duration.Input): number => Math.floor(Duration.toSeconds(duration))
