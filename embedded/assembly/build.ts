/** `npm run build -w embedded`: writes build/sluice-curve.wasm, which an installed package has, with its text beside it, and prints
 * its hash. */
import { createHash } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { compile } from "./compile.ts"

const folder = new URL("../build/", import.meta.url)
const { text, wasm } = await compile("curve")
await mkdir(folder, { recursive: true })
await writeFile(new URL("sluice-curve.wasm", folder), wasm)
await writeFile(new URL("sluice-curve.wat", folder), text)
console.log(`${createHash("sha256").update(wasm).digest("hex")}  build/sluice-curve.wasm  ${wasm.length} bytes`)
