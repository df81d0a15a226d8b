/**
 * `npm run release`: publishes the tarballs of build/ship/npm whose versions npm does not have yet, in the release workflow. `--dry-run` only
 * says which. The lines `New tag: ...` tell changesets' action what was published.
 */
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { tarballs } from "./npm.ts"
import { publicPackages, version } from "./workspace.ts"

const isDry = process.argv.includes("--dry-run")
const files = readdirSync(tarballs)

for (const { manifest } of publicPackages) {
  const { name } = manifest
  const file = files.find((each) => each === `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)
  if (file === undefined)
    throw new Error(`expected a tarball of ${name} ${version} in ${tarballs}; npm run packs makes them`)
  const known = spawnSync("npm", ["view", `${name}@${version}`, "version"], { encoding: "utf8" })
  if (known.stdout.trim() === version) continue
  const args = ["publish", join(tarballs, file), "--access", "public", ...(isDry ? ["--dry-run"] : ["--provenance"])]
  const { status } = spawnSync("npm", args, { stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
  if (!isDry) console.log(`New tag: ${name}@${version}`)
}
if (!isDry) spawnSync("gh", ["release", "create", `v${version}`, "--generate-notes"], { stdio: "inherit" })
