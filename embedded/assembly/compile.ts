/**
 * The WebAssembly builds: `curve` and the profiles of the device module, which are shipped, and `harness`,
 * `device-harness` and `device-fuzz`, the same with their parts laid open for tests. Each is compiled when a source, an option or the compiler
 * has changed since the last time.
 */
import { createHash, randomUUID } from "node:crypto"
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

const repository = fileURLToPath(new URL("../..", import.meta.url))
const cache = new URL("../../node_modules/.cache/sluice/", import.meta.url)

/** The modules and their options; see docs/device.md. */
export const profiles = ["header-only", "extended", "full"] as const
export type Profile = (typeof profiles)[number]
export type Entry = "curve" | "harness" | "device-harness" | "device-fuzz" | `device-${Profile}`

/** Nothing is imported: what would abort traps. The stub runtime never frees, and nothing allocates after start-up. Warning
 * 235 is about classes, which are no exports to WebAssembly. */
const common = ["--runtime", "stub", "--use", "abort=", "--disableWarning", "235"]
/** One page holds all static data. */
const fast = ["-O3", "--maximumMemory", "1"]
/** For devices, half the size is worth more than a few per cent of speed. Array accesses are still checked. */
const small = ["--optimizeLevel", "3", "--shrinkLevel", "2", "--noAssert"]

const options: Readonly<Record<Entry, ReadonlyArray<string>>> = {
  curve: fast,
  harness: fast,
  "device-harness": ["-O1", "--noAssert", "--maximumMemory", "12"],
  "device-fuzz": [...small, "--maximumMemory", "12"],
  "device-header-only": [...small, "--maximumMemory", "2"],
  "device-extended": [...small, "--maximumMemory", "12"],
  // With a buffer for the longest frame.
  "device-full": [...small, "--maximumMemory", "272"]
}

/** In device builds other files take the place of some of core's: floating point is slow without a unit for it, and so are
 * the array accesses of SHA-256 where each is checked. */
const replaced = new Map(
  ["poly1305.ts", "sha256-block.ts"].map((name) => [`packages/core/src/${name}`, `embedded/assembly/${name}`])
)

export interface Compiled {
  readonly wasm: Uint8Array<ArrayBuffer>
  /** The module in WebAssembly's text format. */
  readonly text: string
}

/** Compiles an entry from a repository's sources, with additional options of asc, without the cache. */
export const compile = async (
  entry: Entry,
  more: ReadonlyArray<string> = [],
  root: string = repository
): Promise<Compiled> => {
  const { main: asc } = await import("assemblyscript/asc")
  let report = ""
  let wasm = new Uint8Array(0)
  let text = ""
  const output = { write: (text: Uint8Array | string) => void (report += text) }
  const files = [`embedded/assembly/${entry}.ts`, "--baseDir", root, "--outFile", "out.wasm", "--textFile", "out.wat"]
  const { error } = await asc([...files, ...common, ...options[entry], ...more], {
    stdout: output,
    stderr: output,
    readFile: async (name, base) => {
      const path = (entry.startsWith("device-") ? replaced.get(name) : undefined) ?? name
      return readFile(new URL(path, new URL(`${base}/`, "file:")), "utf8").catch(() => null)
    },
    writeFile: (_name, contents) => {
      if (typeof contents === "string") text = contents
      else wasm = new Uint8Array(contents)
    }
  })
  if (error !== null) throw new Error(report)
  return { wasm, text }
}

/** The module of an entry, from the cache if nothing has changed. */
export const build = async (entry: Entry): Promise<Uint8Array<ArrayBuffer>> => {
  const hash = createHash("sha256").update(createRequire(import.meta.url)("assemblyscript/package.json").version)
  hash.update(JSON.stringify([common, options[entry]]))
  for (const folder of ["embedded/assembly/", "packages/core/src/"]) {
    for (const name of (await readdir(repository + folder, { recursive: true })).toSorted()) {
      if (name.endsWith(".ts")) hash.update(name).update(await readFile(repository + folder + name))
    }
  }
  const file = new URL(`${entry}-${hash.digest("hex").slice(0, 16)}.wasm`, cache)
  try {
    return new Uint8Array(await readFile(file))
  } catch {
    const { wasm } = await compile(entry)
    await mkdir(cache, { recursive: true })
    const partial = new URL(`${file.href}.${randomUUID()}`)
    await writeFile(partial, wasm)
    await rename(partial, file)
    return wasm
  }
}
