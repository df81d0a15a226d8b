/**
 * Layers that provide noise's `Curve` from WebAssembly instead of the default, @noble/curves. `layerCurve` falls back to the
 * default if the module cannot be loaded; `layerWasm` fails.
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

/** As `layerWasm`, with the module's bytes from elsewhere, such as from a bundle. */
export const layerOf = (load: () => Promise<Uint8Array<ArrayBuffer>>): Layer.Layer<never, CurveModuleError> =>
  Layer.effect(
    Curve.Curve,
    Effect.tryPromise({
      try: async () => new WasmCurve(await load()),
      catch: (cause) => new CurveModuleError({ cause })
    })
  )

/** secp256k1 in WebAssembly, in a new instance. */
export const layerWasm: Layer.Layer<never, CurveModuleError> = layerOf(curveModule)

/** As `layerCurve`, with the module's bytes from elsewhere, such as from a bundle. */
export const layerCurveOf = (load: () => Promise<Uint8Array<ArrayBuffer>>): Layer.Layer<never> =>
  layerOf(load).pipe(
    Layer.catch((error) =>
      Layer.provide(
        Curve.layerNoble,
        Layer.effectDiscard(Effect.logWarning("Handshakes use the slower curve of @noble/curves", error.message))
      )
    )
  )

/** secp256k1 in WebAssembly. Logs a warning and uses @noble/curves if the module cannot be loaded. */
export const layerCurve: Layer.Layer<never> = layerCurveOf(curveModule)
