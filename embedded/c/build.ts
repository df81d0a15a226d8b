/**
 * The C of the device module: for each profile `sluice.c` and `sluice.h` in build/c/PROFILE, and their hashes in SHA256SUMS
 * beside this file. Without wasm2c it says what is missing and makes nothing.
 */
import { createHash } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { build, type Profile } from "../assembly/compile.ts"
import { missingWasm2c, moduleInC, source } from "./amalgamate.ts"

/** What holds in every amalgamation of a device: its instance is as large as sluice.h says. */
const SIZE_CHECK = `typedef char sluice_size_suffices[sizeof(struct sluice) <= SLUICE_SIZE ? 1 : -1];\n`
/** Of an instance, all but its memory takes less. */
export const DEVICE_MEMORY = "SLUICE_SIZE - 512u"

/** The profiles of devices: what the full one has besides has no header. */
const devices = ["header-only", "extended"] as const satisfies ReadonlyArray<Profile>

/** The pair of files of a profile. */
const sourcePair = async (profile: (typeof devices)[number]) => {
  const header = await source("sluice.h")
  const extended = "#define SLUICE_H\n\n/* This is profile extended. */\n#define SLUICE_EXTENDED 1\n"
  const module = await moduleInC(await build(`device-${profile}`), DEVICE_MEMORY)
  const first = `/* Made from sluice-device-${profile}.wasm: change that, not this. */\n#include "sluice.h"\n`
  return {
    "sluice.h": profile === "header-only" ? header : header.replace("#define SLUICE_H\n", extended),
    "sluice.c": [first, module, SIZE_CHECK, await source("sluice.c")].join("\n")
  }
}

/** Writes the pair of files of each profile into a folder; gives lines with their hashes. */
export const writeSourcePairs = async (folder: URL): Promise<ReadonlyArray<string>> => {
  const lines: Array<string> = []
  for (const profile of devices) {
    await mkdir(new URL(`${profile}/`, folder), { recursive: true })
    for (const [name, text] of Object.entries(await sourcePair(profile))) {
      await writeFile(new URL(`${profile}/${name}`, folder), text)
      lines.push(`${createHash("sha256").update(text).digest("hex")}  build/c/${profile}/${name}`)
    }
  }
  return lines
}

if (import.meta.main) {
  const missing = await missingWasm2c()
  if (missing !== undefined) console.log(`no C was made: ${missing}`)
  else {
    const lines = `${(await writeSourcePairs(new URL("../build/c/", import.meta.url))).join("\n")}\n`
    process.stdout.write(lines)
    await writeFile(new URL("SHA256SUMS", import.meta.url), lines)
  }
}
