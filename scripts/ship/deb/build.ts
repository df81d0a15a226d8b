/** `npm run deb`: the Debian package with the binary and a systemd unit, in build/ship/deb. It is made for the machine that makes it. */
import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { buildBinary } from "../binary/build.ts"
import { layOut, put, settle } from "../installed.ts"
import { writeSbom } from "../sbom.ts"
import { isBuilt, output, root, run, version } from "../workspace.ts"
import { unit } from "./unit.ts"

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" }
/** Programs that an operator starts by systemd. */
const SERVERS = ["pool", "proxy", "template-provider", "job-declarator"]

export const buildDeb = async (): Promise<string> => {
  const architecture = ARCHITECTURES[process.arch]!
  const folder = join(output, "deb")
  const files = join(folder, "files")
  const deb = join(folder, `sluice_${version}_${architecture}.deb`)
  if (isBuilt) return deb
  await rm(folder, { recursive: true, force: true })
  await layOut(await buildBinary(), files)
  await writeSbom(join(files, "usr/share/doc/sluice/sbom.spdx.json"))
  for (const name of SERVERS) {
    await put(
      join(root, "programs/src", name, "example.toml"),
      join(files, "usr/share/doc/sluice/examples", `${name}.toml`)
    )
  }
  await mkdir(join(files, "etc/sluice"), { recursive: true })
  await mkdir(join(files, "usr/lib/systemd/system"), { recursive: true })
  await writeFile(join(files, "usr/lib/systemd/system/sluice@.service"), unit)
  await writeFile(
    join(files, "usr/share/doc/sluice/copyright"),
    `Sluice is licensed under MIT or Apache-2.0, at your choice: see LICENSE-MIT and LICENSE-APACHE beside this file.
The binary contains Node.js and the packages that sbom.spdx.json lists, each under its own licence.
`
  )

  const names = (await readdir(files, { recursive: true })).toSorted()
  const sums: Array<string> = []
  let size = 0
  for (const name of names) {
    if ((await stat(join(files, name))).isDirectory()) continue
    const bytes = await readFile(join(files, name))
    size += bytes.length
    sums.push(`${createHash("md5").update(bytes).digest("hex")}  ${name}\n`)
  }
  await mkdir(join(files, "DEBIAN"))
  await writeFile(join(files, "DEBIAN/md5sums"), sums.join(""))
  await writeFile(
    join(files, "DEBIAN/control"),
    `Package: sluice
Version: ${version}
Architecture: ${architecture}
Maintainer: Sluice <sluice@localhost>
Installed-Size: ${Math.ceil(size / 1024)}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6
Recommends: ca-certificates
Section: net
Priority: optional
Description: Stratum V2: pool, proxy, template provider, job declarator and tools
 The programs of Sluice in one file, and a systemd unit for those that serve:
 sluice@pool, sluice@proxy, sluice@template-provider, sluice@job-declarator.
`
  )
  const reload = "#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi\n"
  for (const name of ["postinst", "postrm"]) {
    await writeFile(join(files, "DEBIAN", name), reload, { mode: 0o755 })
  }
  await settle(files)
  // gzip, because xz gives other bytes with another number of threads.
  const env = { ...process.env, SOURCE_DATE_EPOCH: "0" }
  await run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", files, deb], { env })
  return deb
}

if (import.meta.main) console.log(basename(await buildDeb()))
