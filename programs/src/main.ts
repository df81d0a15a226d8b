#!/usr/bin/env node
/**
 * The entry of `sluice`. Keeps compiled code in the user's cache directory, so that later starts take half the time. Where the
 * directory cannot be made, or NODE_DISABLE_COMPILE_CACHE is set, every start compiles.
 */
import { existsSync, mkdirSync } from "node:fs"
import { enableCompileCache } from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"

const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache")
const directory = join(cache, "sluice")
try {
  // One level at a time, so that a home directory that does not exist is not made.
  for (const path of [cache, directory]) if (!existsSync(path)) mkdirSync(path, { mode: 0o700 })
  enableCompileCache(directory)
} catch {
  // Starts without the cache.
}
await import("./process.ts")
