/**
 * `npm run device-release`: what a device maker takes from a release, in build/ship/device: one tar with the modules, the C of each
 * profile, the examples, the licences and the hashes of them all; and beside it the package for a feed of OpenWrt that takes this tar.
 */
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { build, profiles } from "../../../embedded/assembly/compile.ts"
import { writeSourceFiles } from "../../../embedded/c/build.ts"
import { output, root, run, sha256OfFile, version } from "../workspace.ts"

const NAME = `sluice-device-${version}`
/** Files of the repository, and where they are in the tar. */
const COPIED: ReadonlyArray<readonly [from: string, to: string]> = [
  ["LICENSE-MIT", "LICENSE-MIT"],
  ["LICENSE-APACHE", "LICENSE-APACHE"],
  ["docs/device.md", "device.md"],
  ["scripts/ship/device/Makefile", "Makefile"],
  ["embedded/examples/linux-miner/main.c", "examples/linux-miner/main.c"],
  ["embedded/examples/bare-loop/bare-loop.c", "examples/bare-loop/bare-loop.c"],
  ["embedded/examples/bare-loop/bare-loop.h", "examples/bare-loop/bare-loop.h"],
  ["embedded/examples/bare-loop/host.c", "examples/bare-loop/host.c"]
]

/** Gives the path of the tar. Rejects without wasm2c, which makes the C. */
export const buildDeviceRelease = async (): Promise<string> => {
  const folder = join(output, "device")
  const files = join(folder, NAME)
  await rm(folder, { recursive: true, force: true })
  await mkdir(join(files, "wasm"), { recursive: true })
  for (const profile of profiles) {
    await writeFile(join(files, "wasm", `sluice-device-${profile}.wasm`), await build(`device-${profile}`))
  }
  await writeSourceFiles(pathToFileURL(`${files}/c/`))
  for (const [from, to] of COPIED) await cp(join(root, from), join(files, to))
  const names = (await readdir(files, { recursive: true })).toSorted()
  const sums: Array<string> = []
  for (const name of names) {
    if ((await stat(join(files, name))).isFile()) sums.push(`${await sha256OfFile(join(files, name))}  ${name}\n`)
  }
  await writeFile(join(files, "SHA256SUMS"), sums.join(""))

  const tar = join(folder, `${NAME}.tar`)
  const same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"]
  const env = { ...process.env, LC_ALL: "C" }
  await run(["tar", "--create", "--format=ustar", ...same, "--file", tar, "--directory", folder, NAME], { env })
  await run(["gzip", "-9", "--no-name", tar])
  await rm(files, { recursive: true })

  const packed = `${tar}.gz`
  const hash = await sha256OfFile(packed)
  await writeFile(join(folder, "SHA256SUMS"), `${hash}  ${NAME}.tar.gz\n`)
  const feed = await readFile(join(root, "embedded/openwrt/sluice-device/Makefile"), "utf8")
  await mkdir(join(folder, "openwrt/sluice-device"), { recursive: true })
  await writeFile(
    join(folder, "openwrt/sluice-device/Makefile"),
    feed
      .replace(/^# `npm run device-release`.*\n/m, "")
      .replace(/^PKG_VERSION:=.*$/m, `PKG_VERSION:=${version}`)
      .replace(/^PKG_HASH:=.*$/m, `PKG_HASH:=${hash}`)
  )
  return packed
}

if (import.meta.main) console.log(await buildDeviceRelease())
