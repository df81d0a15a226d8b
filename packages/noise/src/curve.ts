/**
 * The elliptic curve of handshakes as a service: core's abstract `Curve` (BIP324 ElligatorSwift and ECDH, BIP340 verification).
 * The default is @noble/curves; a layer can replace it.
 */
import type { Curve as AbstractCurve } from "@sluice/core"
import { Context, Layer } from "effect"
import { NobleCurve } from "./noble-curve.ts"

export const Curve: Context.Reference<AbstractCurve> = Context.Reference("sluice/noise/Curve", {
  defaultValue: (): AbstractCurve => new NobleCurve()
})

/** @noble/curves and @scure/btc-signer: JavaScript, audited, about 9 ms for a responder's handshake. */
export const layerNoble: Layer.Layer<never> = Layer.sync(Curve, () => new NobleCurve())
