/**
 * The curve's WebAssembly module: in the sources' repository compiled from `assembly/` when that has changed, in an
 * installed package the file that was built for it.
 */
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const sources = new URL("../assembly/compile.ts", import.meta.url)
const built = new URL("../build/sluice-curve.wasm", import.meta.url)

/** The module's bytes; rejects where it can neither be read nor compiled. */
export const curveModule = async (): Promise<Uint8Array<ArrayBuffer>> => {
  if (!existsSync(fileURLToPath(sources))) return new Uint8Array(await readFile(built))
  const { build } = await import("../assembly/compile.ts")
  return build("curve")
}
