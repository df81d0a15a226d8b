/**
 * `npm run umbrel -- --digest sha256:HEX`: the app folder for Umbrel in build/ship/umbrel, with this version and the digest of the released
 * image's index, which has the image for each architecture.
 */
import { cp, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { output, root, version } from "../workspace.ts"

/** Gives the path of the folder. */
export const buildUmbrelApp = async (digest: string): Promise<string> => {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`expected --digest sha256:HEX, got ${digest || "nothing"}`)
  const folder = join(output, "umbrel/sluice")
  await rm(folder, { recursive: true, force: true })
  await cp(join(root, "packaging/umbrel/sluice"), folder, { recursive: true })
  const edit = async (name: string, pattern: RegExp, text: string): Promise<void> => {
    const path = join(folder, name)
    await writeFile(path, (await readFile(path, "utf8")).replace(pattern, text))
  }
  await edit("umbrel-app.yml", /^version: .*$/m, `version: "${version}"`)
  await edit("docker-compose.yml", /(image: ghcr\.io\/sluice\/sluice):\S+/g, `$1:${version}@${digest}`)
  return folder
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { digest: { type: "string", default: "" } } })
  console.log(await buildUmbrelApp(values.digest))
}
