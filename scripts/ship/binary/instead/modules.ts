/** In place of embedded's modules.ts. */
import { bytesOf } from "./asset.ts"

export const curveModule = async (): Promise<Uint8Array<ArrayBuffer>> => bytesOf("curve.wasm")

export const deviceModule = async (profile: string): Promise<Uint8Array<ArrayBuffer>> =>
  bytesOf(`device-${profile}.wasm`)
