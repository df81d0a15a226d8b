/**
 * One C file of a WebAssembly module: wasm2c's functions between runtime.h, which takes the place of wasm2c's own runtime,
 * and what is written behind them. All of it is static but what is written behind, so that the compiler leaves out what
 * nobody calls and several modules can be linked into one program.
 */
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/** Other versions name things differently. */
const WASM2C_VERSION = "1.0.32"

/** Why no C can be made here, or undefined where it can. */
export const missingWasm2c = async (): Promise<string | undefined> => {
  const needed = `the C build needs wasm2c ${WASM2C_VERSION} (Debian 12: apt-get install wabt)`
  try {
    const version = (await run("wasm2c", ["--version"])).stdout.trim()
    return version === WASM2C_VERSION ? undefined : `${needed}, and here is ${version}`
  } catch {
    return `${needed}, and here is none`
  }
}

/** A file of this folder. */
export const source = (name: string): Promise<string> => readFile(new URL(name, import.meta.url), "utf8")

/** runtime.h and the functions of a module with so much memory (a C expression): its state is `struct sluice`, its exports
 * are `module_NAME(struct sluice *, ...)`, and `module_instantiate` comes first. */
export const moduleInC = async (wasm: Uint8Array, memory: string): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-c-"))
  try {
    await writeFile(join(folder, "module.wasm"), wasm)
    await run("wasm2c", ["--no-debug-names", "-n", "module", "-o", "module.c", "module.wasm"], { cwd: folder })
    const read = (name: string) => readFile(join(folder, name), "utf8")
    const functions = translate(await read("module.c"), await read("module.h"))
    return `#define MODULE_MEMORY (${memory})\n${await source("runtime.h")}\n${functions}`
  } finally {
    await rm(folder, { recursive: true })
  }
}

const translate = (source: string, header: string): string => {
  const state = cut(header, "typedef struct Z_module_instance_t {", "} Z_module_instance_t;")
  const functions = cut(source, /^static (?:u32|void|u64) w2c_f0\(/m, "void Z_module_init_module(void)")
  const start = cut(source, "void Z_module_instantiate(", "}\n")
  if (functions.includes("CALL_INDIRECT")) throw new Error("expected a module without tables of functions")
  return `${state.replace("typedef struct Z_module_instance_t", "struct sluice")}};\n\n${functions}${start}}\n`
    .replace(/^ {2}assert\(.*\);\n/gm, "")
    .replace(/^(?=\S.* Z_moduleZ_|void Z_module_instantiate)/gm, "static UNUSED ")
    .replaceAll("Z_moduleZ_", "module_")
    .replaceAll("Z_module_instantiate", "module_instantiate")
    .replaceAll("Z_module_instance_t", "struct sluice")
}

/** What stands from the first mark on and before the second. */
const cut = (text: string, from: string | RegExp, to: string): string => {
  const begin = typeof from === "string" ? text.indexOf(from) : text.search(from)
  const end = text.indexOf(to, begin)
  if (begin < 0 || end < 0) {
    throw new Error(`expected ${String(from)} and then ${to} in what wasm2c ${WASM2C_VERSION} writes`)
  }
  return text.slice(begin, end)
}
