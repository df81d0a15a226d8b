/**
 * The WebAssembly build: this package compiled by AssemblyScript, together with the tests' harness, through which every
 * function can be called with plain numbers.
 */
import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { main as asc } from "assemblyscript/asc"

const root = fileURLToPath(new URL("..", import.meta.url))
const cache = new URL("../../../node_modules/.cache/sluice/", import.meta.url)

/** The sources, by their path in the package: all of `src` but the public entry. */
export const sources = async (): Promise<ReadonlyArray<string>> =>
  (await readdir(`${root}src`, { recursive: true }))
    .filter((name) => name.endsWith(".ts") && !/(^|\/)index\.ts$/.test(name))
    .map((name) => `src/${name}`)
    .toSorted()

export interface Compiled {
  readonly ok: boolean
  /** The compiler's errors and warnings, with their places. */
  readonly report: string
  readonly wasm: Uint8Array<ArrayBuffer>
}

/**
 * The stub runtime never frees: the core allocates in constructors alone, and what the harness allocates is small. asc's
 * collecting runtime costs each function that touches an array a stack of its own, and two to four times the time.
 * Warning 235 is about classes, which are no exports to WebAssembly.
 */
const run = async (entries: ReadonlyArray<string>, optimize: string): Promise<Compiled> => {
  let report = ""
  let wasm = new Uint8Array(0)
  const output = { write: (text: Uint8Array | string) => void (report += text) }
  const options = ["--runtime", "stub", "--baseDir", root, "--outFile", "core.wasm", "--disableWarning", "235"]
  const { error } = await asc([...entries, optimize, ...options], {
    stdout: output,
    stderr: output,
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") wasm = new Uint8Array(contents)
    }
  })
  return { ok: error === null, report, wasm }
}

/** Compiles every source as an entry of its own, so that what the harness does not call is compiled too. */
export const check = async (): Promise<Compiled> => run([...(await sources()), "assembly/entry.ts"], "-O0")

/** The optimized build, compiled when a source or the compiler has changed since the last time. */
export const build = async (): Promise<WebAssembly.Module> => {
  const hash = createHash("sha256").update(createRequire(import.meta.url)("assemblyscript/package.json").version)
  for (const name of [...(await sources()), "assembly/entry.ts", "assembly/compile.ts", "test/harness.ts"]) {
    hash.update(await readFile(root + name))
  }
  const file = new URL(`core-${hash.digest("hex").slice(0, 16)}.wasm`, cache)
  try {
    return await WebAssembly.compile(await readFile(file))
  } catch {
    const { ok, report, wasm } = await run(["assembly/entry.ts"], "-O3")
    if (!ok) throw new Error(report)
    await mkdir(cache, { recursive: true })
    const partial = new URL(`${file.href}.${process.pid}`)
    await writeFile(partial, wasm)
    await rename(partial, file)
    return await WebAssembly.compile(wasm)
  }
}
