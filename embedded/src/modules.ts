/**
 * Loads the WebAssembly modules. In the repository they are compiled from `assembly/` when it has changed; an installed package
 * contains them as files.
 */
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const sources = new URL("../assembly/compile.ts", import.meta.url)

/** Profiles of the device module (docs/device.md). Each contains the one before it. */
export type DeviceProfile = "header-only" | "extended" | "full"

/** The bytes of the curve's module. Rejects if it can neither be read nor compiled. */
export const curveModule = (): Promise<Uint8Array<ArrayBuffer>> => load("curve")

/** The bytes of a device module. Rejects if it can neither be read nor compiled. */
export const deviceModule = (profile: DeviceProfile): Promise<Uint8Array<ArrayBuffer>> => load(`device-${profile}`)

const load = async (entry: "curve" | `device-${DeviceProfile}`): Promise<Uint8Array<ArrayBuffer>> => {
  if (!existsSync(fileURLToPath(sources))) {
    return new Uint8Array(await readFile(new URL(`../build/sluice-${entry}.wasm`, import.meta.url)))
  }
  const { build } = await import("../assembly/compile.ts")
  return build(entry)
}
