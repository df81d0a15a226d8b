/**
 * `npm run build -w embedded`: writes the modules of an installed package and their text format to build/, and their hashes to
 * SHA256SUMS. With `--check` it compiles a copy of the sources in another folder, and fails if a hash differs from the recorded
 * one.
 */
import { createHash } from "node:crypto"
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { compile, profiles } from "./compile.ts"

const build = new URL("../build/", import.meta.url)
const sums = new URL("../SHA256SUMS", import.meta.url)
const { check } = parseArgs({ options: { check: { type: "boolean", default: false } } }).values

/** Copies the sources to a new folder. */
const copySources = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-"))
  for (const sources of ["embedded/assembly", "packages/core/src"]) {
    await cp(fileURLToPath(new URL(`../../${sources}`, import.meta.url)), join(folder, sources), { recursive: true })
  }
  return folder
}

const root = check ? await copySources() : undefined
const lines: Array<string> = []
await mkdir(build, { recursive: true })
for (const entry of ["curve", ...profiles.map((profile) => `device-${profile}` as const)] as const) {
  const { text, wasm } = await compile(entry, [], root)
  const line = `${createHash("sha256").update(wasm).digest("hex")}  build/sluice-${entry}.wasm`
  console.log(`${line}  ${wasm.length} bytes`)
  lines.push(line)
  if (check) continue
  await writeFile(new URL(`sluice-${entry}.wasm`, build), wasm)
  await writeFile(new URL(`sluice-${entry}.wat`, build), text)
}
if (root !== undefined) await rm(root, { recursive: true })

const all = `${lines.join("\n")}\n`
if (!check) await writeFile(sums, all)
else if ((await readFile(sums, "utf8")) !== all) {
  console.error("expected the hashes of embedded/SHA256SUMS; `npm run build -w embedded` writes those of these sources")
  process.exitCode = 1
}
