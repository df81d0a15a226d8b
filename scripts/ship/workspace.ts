/** What all artefacts have in common: the repository, its version, its public packages, and running commands. */
import { spawn, type SpawnOptions } from "node:child_process"
import { createHash } from "node:crypto"
import { createReadStream, readFileSync, readdirSync } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))
/** Where the artefacts are made. Each has a folder of its own. */
export const output = join(root, "build", "ship")

/** Whether a try takes the artefacts that were built before, as .ci/run does after `npm run same-twice`. */
export const isBuilt = process.env["SLUICE_SHIP"] === "built"

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, string>>
  readonly bin?: Readonly<Record<string, string>>
  readonly sideEffects?: boolean | ReadonlyArray<string>
  readonly repository?: { readonly type: string; readonly url: string }
  readonly [field: string]: unknown
}

export const readJson = (path: string): Manifest => JSON.parse(readFileSync(path, "utf8")) as Manifest

export const workspace = readJson(join(root, "package.json"))
export const { version } = readJson(join(root, "programs", "package.json"))

export interface PublicPackage {
  /** From the repository's root. */
  readonly folder: string
  readonly manifest: Manifest
}

/** The packages that are published: those for users. Tests, benchmarks, examples and interop checks are for this repository alone. */
export const publicPackages: ReadonlyArray<PublicPackage> = [
  ...readdirSync(join(root, "packages")).map((name) => `packages/${name}`),
  "embedded",
  "programs"
]
  .map((folder) => ({ folder, manifest: readJson(join(root, folder, "package.json")) }))
  .filter(({ manifest }) => manifest.private !== true)

/** The lockfile's Node and the installed tools come first. */
const PATH = [join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter)

/** Runs a command from the repository's root and gives what it prints. Rejects with the command if it fails. */
export const run = (
  [name, ...args]: readonly [string, ...ReadonlyArray<string>],
  options: SpawnOptions = {}
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(name, args, {
      cwd: root,
      env: { ...process.env, PATH },
      stdio: ["ignore", "pipe", "inherit"],
      ...options
    })
    let printed = ""
    child.stdout?.on("data", (chunk) => (printed += chunk))
    child.on("error", reject)
    child.on("close", (status, signal) => {
      if (status === 0) resolve(printed)
      else reject(new Error(`${[name, ...args].join(" ")} ended with ${status ?? signal}\n${printed}`))
    })
  })

export const sha256OfFile = async (path: string): Promise<string> => {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest("hex")
}
