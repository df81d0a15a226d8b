/** The curve of a handshake thread (noise's `HandshakeWorkers`) in WebAssembly: `{ curve: { url: threadCurveUrl, bytes } }`. */
import { WasmCurve } from "./wasm-curve.ts"

/** `bytes` are the module's, of `curveModule`. */
export const makeCurve = (bytes: Uint8Array<ArrayBuffer>): WasmCurve => new WasmCurve(bytes)

/** Where this file is. */
export const threadCurveUrl: string = import.meta.url
