/** The curve of a handshake thread where no other is asked for. */
import type { Curve } from "@sluice/core"
import { NobleCurve } from "./noble-curve.ts"

export const makeCurve = (): Curve => new NobleCurve()
