/**
 * The C of the device module: for each profile `sluice.c` and its headers in build/c/PROFILE, and their hashes in SHA256SUMS
 * beside this file. Without wasm2c it says what is missing and makes nothing.
 */
import { createHash } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { build, type Profile, profiles } from "../assembly/compile.ts"
import { missingWasm2c, moduleInC, source } from "./amalgamate.ts"

/** What holds in every amalgamation of a device: its instance is as large as sluice.h says. */
const SIZE_CHECK = `typedef char sluice_size_suffices[sizeof(struct sluice) <= SLUICE_SIZE ? 1 : -1];\n`
/** Of an instance, all but its memory takes less. */
export const DEVICE_MEMORY = "SLUICE_SIZE - 512u"

/** What sluice.h of a profile is told. */
const switches: Readonly<Record<Profile, ReadonlyArray<string>>> = {
  "header-only": [],
  extended: ["SLUICE_EXTENDED"],
  full: ["SLUICE_EXTENDED", "SLUICE_FULL"]
}

/** The files of a profile. */
const sourceFiles = async (profile: Profile): Promise<Readonly<Record<string, string>>> => {
  const isFull = profile === "full"
  const defines = switches[profile].map((name) => `#define ${name} 1\n`).join("")
  const told = `#define SLUICE_H\n\n/* This is profile ${profile}. */\n${defines}`
  const header = (await source("sluice.h")).replace("#define SLUICE_H\n", defines === "" ? "#define SLUICE_H\n" : told)
  const module = await moduleInC(await build(`device-${profile}`), DEVICE_MEMORY)
  const include = isFull ? "sluice-full.h" : "sluice.h"
  const first = `/* Made from sluice-device-${profile}.wasm: change that, not this. */\n#include "${include}"\n`
  const functions = [await source("sluice.c"), ...(isFull ? [await source("sluice-full.c")] : [])]
  return {
    "sluice.h": header,
    ...(isFull
      ? { "sluice-full.h": await source("sluice-full.h"), "sluice-messages.h": await source("sluice-messages.h") }
      : {}),
    "sluice.c": [first, module, SIZE_CHECK, ...functions].join("\n")
  }
}

/** Writes the files of each profile into a folder; gives lines with their hashes. */
export const writeSourceFiles = async (folder: URL): Promise<ReadonlyArray<string>> => {
  const lines: Array<string> = []
  for (const profile of profiles) {
    await mkdir(new URL(`${profile}/`, folder), { recursive: true })
    for (const [name, text] of Object.entries(await sourceFiles(profile))) {
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
    const lines = `${(await writeSourceFiles(new URL("../build/c/", import.meta.url))).join("\n")}\n`
    process.stdout.write(lines)
    await writeFile(new URL("SHA256SUMS", import.meta.url), lines)
  }
}
