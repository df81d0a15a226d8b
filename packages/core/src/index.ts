/**
 * The public entry of the core, for TypeScript alone: AssemblyScript compiles the other files, which import each other
 * directly. A part with several exports is a namespace; a part that is one class is that class.
 */
export * as Aead from "./aead.ts"
export * as Bytes from "./bytes.ts"
export * as CertificateBytes from "./certificate.ts"
export { CipherState } from "./cipher-state.ts"
export * as CoinbaseBytes from "./coinbase.ts"
export { Curve } from "./curve.ts"
export * as FrameLayout from "./frame.ts"
export * as Handshake from "./handshake.ts"
export * as Header from "./header.ts"
export * as Merkle from "./merkle.ts"
export * as MiningDevice from "./device/index.ts"
export * as Sha256 from "./sha256.ts"
export { SHA256_ROUND_CONSTANTS } from "./sha256-constants.ts"
export { ShareCheck } from "./share.ts"
export * as Target from "./target.ts"
export * as Version from "./version.ts"
