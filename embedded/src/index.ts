export * from "./curve-layer.ts"
export * from "./curve-module.ts"
export * from "./wasm-curve.ts"
