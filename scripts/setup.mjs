// Sets up a fresh machine: installs from the lockfile if that was not done yet, and builds the operators' page if its sources
// changed since it was built. It runs under any Node from
// 20 on; all later commands run under the Node 24 that the lockfile pins, which npm scripts find first.
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const stamp = join(root, "node_modules", ".sluice-installed")
const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex")

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
  console.error("sluice: installing dependencies from the lockfile (once)")
  execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32"
  })
  writeFileSync(stamp, wanted)
}

const page = join(root, "packages", "monitor", "page")
const built = join(root, "packages", "monitor", "build", "page", ".sources")
const sources = createHash("sha256").update(wanted)
const files = readdirSync(page, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name !== "tsconfig.tsbuildinfo")
  .map((entry) => join(entry.parentPath, entry.name))
for (const file of files.toSorted()) sources.update(file.slice(page.length)).update(readFileSync(file))
const digest = sources.digest("hex")

if (!existsSync(built) || readFileSync(built, "utf8") !== digest) {
  console.error("sluice: building the operators' page (when it changed)")
  execFileSync("npm", ["run", "--silent", "build", "-w", "packages/monitor"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32"
  })
  writeFileSync(built, digest)
}
