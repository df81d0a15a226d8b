/** Which elliptic curve a program's handshakes use, and whether threads compute them. */
import { curveModule, layerCurve, threadCurveUrl } from "@sluice/embedded"
import { Curve, HandshakeWorkers } from "@sluice/noise"
import { Noise } from "@sluice/transport"
import { Effect, Layer } from "effect"
import { availableParallelism } from "node:os"
import { defaulted, optional } from "../config/key.ts"
import { choice, whole } from "../config/value.ts"

export type CurveName = "wasm" | "noble"

/** The key of programs that speak Noise. */
export const curveKeys = {
  curve: defaulted(choice(["wasm", "noble"]), {
    description:
      "What computes handshakes: secp256k1 in WebAssembly, or @noble/curves, which is audited and takes 15 times as long.",
    default: "wasm"
  })
}

/** The keys of servers to which many connect. */
export const handshakeKeys = {
  handshakeThreads: optional(whole("N", 0, 64), {
    description:
      "Threads that compute handshakes when several come at once; 0 for none. Unless told, one less than there are processors, 1 to 4.",
    example: 2
  }),
  maxHandshakesPerSecond: defaulted(whole("N", 1, 1_000_000), {
    description: "Noise handshakes begun a second; those of one address wait for one another, not for others.",
    default: Noise.defaultMaxHandshakesPerSecond
  })
}

export const layerCurveNamed = (curve: CurveName): Layer.Layer<never> =>
  curve === "wasm" ? layerCurve : Curve.layerNoble

/** For servers to which many connect: leaves one processor to the event loop. */
export const defaultHandshakeThreads = Math.min(4, Math.max(1, availableParallelism() - 1))

/** Threads for the handshakes of a server. */
export const layerHandshakeThreads = (curve: CurveName, threads: number): Layer.Layer<never> => {
  if (threads === 0) return Layer.empty
  if (curve === "noble") return HandshakeWorkers.layer({ threads })
  return Layer.unwrap(
    Effect.tryPromise(curveModule).pipe(
      Effect.map((bytes) => HandshakeWorkers.layer({ threads, curve: { url: threadCurveUrl, bytes } })),
      // `layerCurve` has told of it.
      Effect.catch(() => Effect.succeed(HandshakeWorkers.layer({ threads })))
    )
  )
}
