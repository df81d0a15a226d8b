/** The default curve of handshake threads. */
import type { Curve } from "@sluice/core"
import { NobleCurve } from "./noble-curve.ts"

export const makeCurve = (): Curve => new NobleCurve()
