/** The client's side of the handshake (specification, section 4.5). */
import { CertificateBytes, Handshake } from "@sluice/core"
import { AuthorityKey, Curve, entropy } from "@sluice/noise"
import { Clock, Duration, Effect, Layer } from "effect"
import { Dialer, type Duplex } from "../bytes/duplex.ts"
import { otherSecurity } from "../error.ts"
import { FrameDialer } from "../frames/frame-duplex.ts"
import type { FrameLimits } from "../frames/frame-stream.ts"
import { failWith, garbage, readAct, truncated } from "./act.ts"
import { CertificateNotValidNow, CertificateVersion, WrongAuthority } from "./handshake-error.ts"
import { encrypted } from "./seal.ts"

export interface InitiatorOptions extends FrameLimits {
  /** How long a server may take for its part of the handshake. Default 10 seconds. */
  readonly handshakeTimeout?: Duration.Input
  /** How far the clocks of both ends may differ when the certificate's validity is checked. Default 10 seconds. */
  readonly clockTolerance?: Duration.Input
}

/** The client's side: dials addresses of the form `stratum2+tcp://HOST:PORT/KEY`. */
export const initiator = (options: InitiatorOptions = {}): Layer.Layer<FrameDialer, never, Dialer> =>
  Layer.effect(FrameDialer, makeDialer(options))

const makeDialer = Effect.fnUntraced(function* (options: InitiatorOptions) {
  const dialer = yield* Dialer
  const curve = yield* Curve.Curve
  const random = yield* entropy
  const timeout = Duration.fromInputUnsafe(options.handshakeTimeout ?? "10 seconds")
  const toleranceSeconds = Math.floor(Duration.toSeconds(options.clockTolerance ?? "10 seconds"))

  return FrameDialer.of({
    dial: Effect.fn("Noise.dial")(function* (server) {
      if (server.security._tag !== "noise") return yield* otherSecurity(server)
      const { authorityKey } = server.security
      const duplex = yield* dialer.dial(server)
      const handshake = new Handshake.Initiator(curve)
      const act1 = new Uint8Array(Handshake.ACT1_SIZE)
      const started = handshake.start(random(32), random(32), act1, 0)
      if (started !== Handshake.HANDSHAKE_OK)
        return yield* Effect.die(new Error(`the handshake did not make an ephemeral key: code ${started}`))
      yield* Effect.mapError(
        duplex.write(() => act1),
        truncated(duplex, "initiator", new Uint8Array(0), 0, Handshake.ACT2_SIZE)
      )
      const { act: act2, early } = yield* readAct(duplex, "initiator", Handshake.ACT2_SIZE, timeout)
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const code = handshake.finish(act2, 0, authorityKey, now, toleranceSeconds)
      if (code === Handshake.HANDSHAKE_OK) return encrypted(duplex, handshake, early, options)
      return yield* refusal(duplex, handshake.certificate, code, { act2, authorityKey, now, toleranceSeconds })
    })
  })
})

/** Fails with the reason for which the initiator refuses the server. */
const refusal = (
  duplex: Duplex,
  certificate: Uint8Array,
  code: number,
  {
    act2,
    authorityKey,
    now,
    toleranceSeconds
  }: {
    readonly act2: Uint8Array
    readonly authorityKey: Uint8Array
    readonly now: number
    readonly toleranceSeconds: number
  }
) => {
  switch (code) {
    case Handshake.HANDSHAKE_BAD_SIGNATURE:
      return failWith(duplex, new WrongAuthority({ authorityKey: AuthorityKey.formatPublicKey(authorityKey) }))
    case Handshake.HANDSHAKE_NOT_YET_VALID:
    case Handshake.HANDSHAKE_EXPIRED: {
      const validFrom = CertificateBytes.certificateValidFrom(certificate, 0) >>> 0
      const notValidAfter = CertificateBytes.certificateNotValidAfter(certificate, 0) >>> 0
      return failWith(duplex, new CertificateNotValidNow({ validFrom, notValidAfter, now, toleranceSeconds }))
    }
    case Handshake.HANDSHAKE_CERTIFICATE_VERSION:
      return failWith(duplex, new CertificateVersion({ version: CertificateBytes.certificateVersion(certificate, 0) }))
    default:
      return garbage(duplex, "initiator", code, act2)
  }
}
