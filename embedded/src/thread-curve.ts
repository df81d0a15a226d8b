/** The curve of a handshake thread (noise's `HandshakeWorkers`) in WebAssembly: `{ curve: { url: threadCurveUrl, bytes } }`. */
import { WasmCurve } from "./wasm-curve.ts"

/** Makes the curve from the module's bytes (`curveModule`). */
export const makeCurve = (bytes: Uint8Array<ArrayBuffer>): WasmCurve => new WasmCurve(bytes)
