/**
 * The WebAssembly builds: `curve`, the module that is shipped, and `harness`, the same with its parts laid open for tests.
 * Both are compiled when a source, an option or the compiler has changed since the last time.
 */
import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const cache = new URL("../../node_modules/.cache/sluice/", import.meta.url)

export type Entry = "curve" | "harness"

/**
 * The stub runtime never frees, and nothing allocates after start-up. Without `abort` the module imports nothing; what
 * would abort traps. Two pages hold all static data. Warning 235 is about classes, which are no exports to WebAssembly.
 */
const options = ["-O3", "--runtime", "stub", "--use", "abort=", "--maximumMemory", "2", "--disableWarning", "235"]

export interface Compiled {
  readonly wasm: Uint8Array<ArrayBuffer>
  /** The module in WebAssembly's text format. */
  readonly text: string
}

/** Compiles an entry whether or not it has changed, with more options of asc's. */
export const compile = async (entry: Entry, more: ReadonlyArray<string> = []): Promise<Compiled> => {
  const { main: asc } = await import("assemblyscript/asc")
  let report = ""
  let wasm = new Uint8Array(0)
  let text = ""
  const output = { write: (text: Uint8Array | string) => void (report += text) }
  const files = [`embedded/assembly/${entry}.ts`, "--baseDir", root, "--outFile", "out.wasm", "--textFile", "out.wat"]
  const { error } = await asc([...files, ...options, ...more], {
    stdout: output,
    stderr: output,
    writeFile: (_name, contents) => {
      if (typeof contents === "string") text = contents
      else wasm = new Uint8Array(contents)
    }
  })
  if (error !== null) throw new Error(report)
  return { wasm, text }
}

/** The module of an entry, from the cache where nothing has changed. */
export const build = async (entry: Entry): Promise<Uint8Array<ArrayBuffer>> => {
  const hash = createHash("sha256").update(createRequire(import.meta.url)("assemblyscript/package.json").version)
  hash.update(JSON.stringify(options))
  for (const folder of ["embedded/assembly/", "embedded/assembly/secp256k1/", "packages/core/src/"]) {
    for (const name of (await readdir(root + folder)).toSorted()) {
      if (name.endsWith(".ts")) hash.update(name).update(await readFile(root + folder + name))
    }
  }
  const file = new URL(`${entry}-${hash.digest("hex").slice(0, 16)}.wasm`, cache)
  try {
    return new Uint8Array(await readFile(file))
  } catch {
    const { wasm } = await compile(entry)
    await mkdir(cache, { recursive: true })
    const partial = new URL(`${file.href}.${process.pid}`)
    await writeFile(partial, wasm)
    await rename(partial, file)
    return wasm
  }
}
