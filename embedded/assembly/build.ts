/** `npm run build -w embedded`: writes build/sluice-curve.wasm, which an installed package has, and prints its hash. */
import { createHash } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { compile } from "./compile.ts"

const folder = new URL("../build/", import.meta.url)
const wasm = await compile("curve")
await mkdir(folder, { recursive: true })
await writeFile(new URL("sluice-curve.wasm", folder), wasm)
console.log(`${createHash("sha256").update(wasm).digest("hex")}  build/sluice-curve.wasm  ${wasm.length} bytes`)
