/**
 * A compiler for ARM with musl, which many routers have: the cross compiler of Debian's gcc-arm-linux-gnueabihf with the headers and the
 * library of its musl-dev for armhf. That package is unpacked into a cache and not installed, so the machine gets no second architecture.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const cache = fileURLToPath(new URL("../../node_modules/.cache/sluice/musl-armhf/", import.meta.url))
/** Says how to compile and link; its paths are those of the cache. */
const specs = join(cache, "musl-gcc.specs")

export const muslArmCompiler = `arm-linux-gnueabihf-gcc -specs ${specs}`

export const hasMuslArm = (): boolean => existsSync(specs)

/** Gets the package by apt-get, with lists of its own. False if that is impossible. */
export const installMuslArm = async (): Promise<boolean> => {
  const apt = join(cache, "apt")
  const root = join(cache, "root")
  await rm(cache, { recursive: true, force: true })
  await mkdir(join(apt, "lists/partial"), { recursive: true })
  await mkdir(join(apt, "archives/partial"), { recursive: true })
  const run = (command: string, ...args: ReadonlyArray<string>): boolean =>
    spawnSync(command, args, { cwd: cache, stdio: ["ignore", "ignore", "inherit"] }).status === 0
  const options = ["APT::Architecture=armhf", "APT::Architectures=armhf", `Dir::State::Lists=${apt}/lists`].concat(
    `Dir::Cache=${apt}`,
    "APT::Sandbox::User=root"
  )
  const aptGet = (...args: ReadonlyArray<string>): boolean =>
    run("apt-get", "-qq", ...options.flatMap((option) => ["-o", option]), ...args)
  // A list that is missing does not matter if another one has the package.
  aptGet("update")
  if (!aptGet("download", "musl-dev:armhf")) return false
  const deb = (await readdir(cache)).find((name) => name.endsWith(".deb"))
  if (deb === undefined || !run("dpkg-deb", "--extract", deb, root)) return false
  const original = await readFile(join(root, "usr/lib/arm-linux-musleabihf/musl-gcc.specs"), "utf8")
  await writeFile(specs, original.replaceAll("/usr/", `${root}/usr/`))
  await rm(apt, { recursive: true })
  return true
}
