/**
 * `npm run same-twice`: builds the artefacts here and from a copy of the repository in another folder with an installation of its own, and
 * compares the hashes: npm's tarballs, WebAssembly, C and the release for devices, the binary, the image and the Debian package. They stay in
 * build/ship/SHA256SUMS.
 */
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { hostTarget } from "./binary/build.ts"
import { output, root, run, sha256OfFile } from "./workspace.ts"

/** Folders of artefacts, and the names in them that count. */
const ARTEFACTS: ReadonlyArray<readonly [folder: string, names: RegExp]> = [
  ["build/ship/npm", /\.tgz$/],
  ["embedded/build", /\.(wasm|wat|c|h)$/],
  ["build/ship/device", /^sluice-device-[^/]*\.tar\.gz$/],
  [`build/ship/binary/${hostTarget}`, /^sluice$/],
  ["build/ship/image", /^(sluice\.tar|digest)$/],
  ["build/ship/deb", /^[^/]*\.deb$/]
]

const hashesIn = async (repository: string): Promise<string> => {
  const lines: Array<string> = []
  for (const [folder, names] of ARTEFACTS) {
    for (const name of (await readdir(join(repository, folder), { recursive: true })).toSorted()) {
      if (!names.test(name)) continue
      lines.push(`${await sha256OfFile(join(repository, folder, name))}  ${folder}/${name}`)
    }
  }
  return `${lines.join("\n")}\n`
}

const buildIn = async (repository: string): Promise<string> => {
  const PATH = `${join(repository, "node_modules", ".bin")}:${process.env["PATH"]}`
  await run(["node", "scripts/ship/all.ts"], { cwd: repository, env: { ...process.env, PATH } })
  return hashesIn(repository)
}

/** The repository's files as they are now, without what git ignores, and an installation from the lockfile. */
const copyTo = async (to: string): Promise<void> => {
  const names = await run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
  for (const name of names.split("\0").filter((name) => name !== "")) {
    // A file that git knows may have been deleted.
    await cp(join(root, name), join(to, name), { verbatimSymlinks: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error
    })
  }
  await run(["node", "scripts/setup.mjs"], { cwd: to })
}

const elsewhere = await mkdtemp(join(tmpdir(), "sluice-elsewhere-"))
try {
  await copyTo(elsewhere)
  const here = await buildIn(root)
  const there = await buildIn(elsewhere)
  process.stdout.write(here)
  if (here !== there) {
    const others = there.split("\n")
    const differing = here.split("\n").filter((line) => !others.includes(line))
    throw new Error(`expected the same artefacts from another folder; these differ:\n${differing.join("\n")}`)
  }
  await writeFile(join(output, "SHA256SUMS"), here)
  console.log(`the same from two folders: ${here.trim().split("\n").length} files`)
} finally {
  await rm(elsewhere, { recursive: true, force: true })
}
