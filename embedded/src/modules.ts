/**
 * The WebAssembly modules: in the sources' repository compiled from `assembly/` when that has changed, in an installed
 * package the files that were built for it.
 */
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const sources = new URL("../assembly/compile.ts", import.meta.url)

/** What a device module can do (docs/device.md); each has all that the one before it has. */
export type DeviceProfile = "header-only" | "extended" | "full"

/** The curve's module; rejects where it can neither be read nor compiled. */
export const curveModule = (): Promise<Uint8Array<ArrayBuffer>> => load("curve")

/** A device module for `DeviceModule`; rejects where it can neither be read nor compiled. */
export const deviceModule = (profile: DeviceProfile): Promise<Uint8Array<ArrayBuffer>> => load(`device-${profile}`)

const load = async (entry: "curve" | `device-${DeviceProfile}`): Promise<Uint8Array<ArrayBuffer>> => {
  if (!existsSync(fileURLToPath(sources))) {
    return new Uint8Array(await readFile(new URL(`../build/sluice-${entry}.wasm`, import.meta.url)))
  }
  const { build } = await import("../assembly/compile.ts")
  return build(entry)
}
