/** Certificates that the kit shows in handshakes: a valid one, or one that a client must not trust (4.5). */
import { AuthorityKey, Certificate, CertificateAuthority, type Credentials, Curve, entropy } from "@sluice/noise"
import { Clock, Effect, type Redacted } from "effect"

/** A fault of a certificate. "version": its version field was changed from 0 to 1 after the authority had signed it. */
export type Forgery = "authority" | "expired" | "not-yet-valid" | "version"

/** Gives a function that makes credentials, with a fault if one is asked for. */
export const makeCredentials = Effect.fnUntraced(function* (secretKey: Redacted.Redacted<Uint8Array>) {
  const authority = yield* CertificateAuthority.make({ secretKey })
  const curve = yield* Curve.Curve
  const random = yield* entropy
  const stranger = yield* AuthorityKey.generate

  return Effect.fnUntraced(function* (forgery: Forgery | undefined): Effect.fn.Return<Credentials> {
    const good = yield* authority.credentials
    if (forgery === undefined) return good
    const staticKey = new Uint8Array(32)
    curve.xOnly(good.staticKey, 0, staticKey, 0)
    const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const validFrom = forgery === "not-yet-valid" ? now + HOUR : now - 2 * HOUR
    const certificate = Certificate.sign({
      staticKey,
      validFrom,
      notValidAfter: forgery === "expired" ? now - HOUR : now + 2 * HOUR,
      authoritySecretKey: forgery === "authority" ? stranger.secretKey : secretKey,
      auxiliary: random(32)
    })
    const version = forgery === "version" ? 1 : certificate.version
    return { ...good, certificate: Certificate.encode({ ...certificate, version }) }
  })
})

/** In seconds. More than the clocks of working machines differ. */
const HOUR = 3600
