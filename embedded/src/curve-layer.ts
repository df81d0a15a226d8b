/**
 * noise's `Curve` from WebAssembly, as a layer in place of noise's own default, @noble/curves: `layerCurve` for programs,
 * `layerWasm` for who wants to know that it is there.
 */
import { Curve } from "@sluice/noise"
import { Effect, Layer, Schema } from "effect"
import { curveModule } from "./modules.ts"
import { WasmCurve } from "./wasm-curve.ts"

/** The curve's module could not be loaded. */
export class CurveModuleError extends Schema.TaggedError<CurveModuleError>("sluice/embedded/CurveModuleError")(
  "CurveModuleError",
  { cause: Schema.Defect() }
) {
  override get message(): string {
    return (
      `expected the WebAssembly module of @sluice/embedded, which could not be loaded: ${String(this.cause)}; ` +
      `"npm run build -w embedded" makes it, and without this layer the curve of @noble/curves is used`
    )
  }
}

/** The curve of a module whose bytes come from elsewhere, such as from a bundle. */
export const layerOf = (load: () => Promise<Uint8Array<ArrayBuffer>>): Layer.Layer<never, CurveModuleError> =>
  Layer.effect(
    Curve.Curve,
    Effect.tryPromise({
      try: async () => new WasmCurve(await load()),
      catch: (cause) => new CurveModuleError({ cause })
    })
  )

/** secp256k1 in WebAssembly, with an instance of its own. */
export const layerWasm: Layer.Layer<never, CurveModuleError> = layerOf(curveModule)

/** `layerCurve` of a module whose bytes come from elsewhere, such as from a bundle. */
export const layerCurveOf = (load: () => Promise<Uint8Array<ArrayBuffer>>): Layer.Layer<never> =>
  layerOf(load).pipe(
    Layer.catch((error) =>
      Layer.provide(
        Curve.layerNoble,
        Layer.effectDiscard(Effect.logWarning("Handshakes use the slower curve of @noble/curves", error.message))
      )
    )
  )

/** secp256k1 in WebAssembly, and @noble/curves, with a warning in the log, where the module cannot be loaded. */
export const layerCurve: Layer.Layer<never> = layerCurveOf(curveModule)
