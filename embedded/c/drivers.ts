/** Programs over the C of a module, for tests and measurements: one file each, compiled when anything in it has changed. */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { access, mkdir, rename, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { build, type Entry } from "../assembly/compile.ts"
import { moduleInC, source } from "./amalgamate.ts"
import { DEVICE_MEMORY } from "./build.ts"

const cache = new URL("../../node_modules/.cache/sluice/c/", import.meta.url)

/** What each program stands on; those over a device have sluice.h. */
const entries = {
  bench: "device-full",
  fuzz: "device-fuzz",
  secrets: "harness",
  vectors: "harness"
} as const satisfies Readonly<Record<string, Entry>>

/** Compiles a driver by a command such as `["gcc", "-O2"]`, and gives where the program is. */
export const driver = async (
  name: keyof typeof entries,
  command: ReadonlyArray<string>,
  libraries: ReadonlyArray<string> = []
): Promise<string> => {
  const entry = entries[name]
  const isDevice = entry.startsWith("device-")
  // Both modules have a server besides.
  const size = isDevice ? "#define SLUICE_SIZE 262656\n" : ""
  const memory = isDevice ? DEVICE_MEMORY : "131072"
  const text = [
    "#define SLUICE_EXTENDED 1\n#define SLUICE_MAX_PAYLOAD 4096",
    size,
    ...(isDevice ? [await source("sluice.h")] : []),
    await moduleInC(await build(entry), memory),
    ...(isDevice ? [await source("sluice.c")] : []),
    await source(`${name}.c`)
  ].join("\n")
  const hash = createHash("sha256")
    .update(text)
    .update(JSON.stringify([command, libraries]))
    .digest("hex")
  const program = fileURLToPath(new URL(`${name}-${hash.slice(0, 16)}`, cache))
  try {
    await access(program)
  } catch {
    await mkdir(cache, { recursive: true })
    await writeFile(`${program}.c`, text)
    const [compiler, ...options] = command
    const partial = `${program}.${process.pid}`
    await promisify(execFile)(compiler!, [...options, "-w", "-o", partial, `${program}.c`, ...libraries])
    await rename(partial, program)
  }
  return program
}
