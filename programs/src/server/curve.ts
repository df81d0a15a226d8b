/** The elliptic curve of a program's handshakes, and the threads that compute them. */
import { curveModule, layerCurve, threadCurveUrl } from "@sluice/embedded"
import { Curve, HandshakeWorkers } from "@sluice/noise"
import { Noise } from "@sluice/transport"
import { Effect, Layer } from "effect"
import { availableParallelism } from "node:os"
import { defaulted, optional } from "../config/key.ts"
import { choice, whole } from "../config/value.ts"

export type CurveName = "wasm" | "noble"

/** The key of all programs that accept Noise connections. */
export const curveKeys = {
  curve: defaulted(choice(["wasm", "noble"]), {
    description:
      "The implementation of secp256k1 for handshakes: WebAssembly, or @noble/curves, which is audited and takes 15 times as long.",
    default: "wasm"
  })
}

/** The keys of servers with many clients. */
export const handshakeKeys = {
  handshakeThreads: optional(whole("N", 0, 64), {
    description:
      "Threads that compute handshakes when several come at once; 0 for none. Default: one less than there are processors, from 1 to 4.",
    example: 2
  }),
  maxHandshakesPerSecond: defaulted(whole("N", 1, 1_000_000), {
    description:
      "Noise handshakes begun in a second. The handshakes of one address wait for each other, not for those of other addresses.",
    default: Noise.defaultMaxHandshakesPerSecond
  })
}

export const layerCurveNamed = (curve: CurveName): Layer.Layer<never> =>
  curve === "wasm" ? layerCurve : Curve.layerNoble

/** The default for servers with many clients: leaves one processor to the event loop. */
export const defaultHandshakeThreads = Math.min(4, Math.max(1, availableParallelism() - 1))

/** Threads for the handshakes of a server. */
export const layerHandshakeThreads = (curve: CurveName, threads: number): Layer.Layer<never> => {
  if (threads === 0) return Layer.empty
  if (curve === "noble") return HandshakeWorkers.layer({ threads })
  return Layer.unwrap(
    Effect.tryPromise(curveModule).pipe(
      Effect.map((bytes) => HandshakeWorkers.layer({ threads, curve: { url: threadCurveUrl, bytes } })),
      // `layerCurve` has logged why the module could not be loaded.
      Effect.catch(() => Effect.succeed(HandshakeWorkers.layer({ threads })))
    )
  )
}
