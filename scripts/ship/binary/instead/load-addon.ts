/**
 * In place of zeromq's load-addon.js. The operating system loads native code from a file only. An installed package has that file beside
 * the binary, in ../lib/sluice; otherwise it is written once, for this user alone, to the cache directory, or where that is not possible to a
 * new directory for temporary files. Its name has its hash, and it is compared with what the binary carries before it is loaded.
 */
import { createHash, randomUUID } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { bytesOf } from "./asset.ts"

const carried = bytesOf("zeromq.node")
const name = `zeromq-${createHash("sha256").update(carried).digest("hex")}.node`

const load = (file: string): unknown => {
  const loaded = { exports: {} }
  process.dlopen(loaded, file)
  return loaded.exports
}

/** Whether the file is what the binary carries. */
const isWhole = (file: string): boolean => existsSync(file) && readFileSync(file).equals(carried)

const cached = (): string => {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache")
  const directory = join(cache, "sluice")
  // One level at a time, so that a home directory that does not exist is not made.
  for (const path of [cache, directory]) if (!existsSync(path)) mkdirSync(path, { mode: 0o700 })
  const file = join(directory, name)
  if (!isWhole(file)) {
    const partial = `${file}.${randomUUID()}`
    writeFileSync(partial, carried, { mode: 0o500 })
    renameSync(partial, file)
  }
  return file
}

const fromFile = (): unknown => {
  const installed = join(dirname(process.execPath), "..", "lib", "sluice", name)
  if (isWhole(installed)) return load(installed)
  try {
    return load(cached())
  } catch {
    const directory = mkdtempSync(join(tmpdir(), "sluice-"))
    try {
      const file = join(directory, name)
      writeFileSync(file, carried, { mode: 0o500, flag: "wx" })
      return load(file)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

export default fromFile()
