/**
 * `npm run deb:try`: the package in a Debian of its own, made by debootstrap: installed, used, removed. No systemd runs there: the unit is
 * checked by systemd-analyze, and its command is run as it stands, by another user than root and with a secret where systemd would put it.
 */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Command, firstBlock, Running } from "../session.ts"
import { run, version } from "../workspace.ts"
import { buildDeb } from "./build.ts"
import { unit } from "./unit.ts"

const directory = await mkdtemp(join(tmpdir(), "sluice-deb-"))
const debian = join(directory, "root")
const inDebian = (...command: ReadonlyArray<string>): Command => ["chroot", debian, ...command]
/** With /proc, where a program finds its own file, and /dev. */
const asNobody = (...command: ReadonlyArray<string>): Command => {
  const enter =
    'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot --userspec=65534:65534 "$0" "$@"'
  return ["unshare", "--mount", "--propagation", "private", "sh", "-c", enter, debian, ...command]
}
process.env["HOME"] = "/nonexistent"
process.env["TMPDIR"] = "/tmp"

/** What systemd says about the unit; the binary is not installed outside. */
const checkUnit = async (): Promise<string> => {
  const file = join(directory, "sluice@.service")
  await writeFile(file, unit.replace("/usr/bin/sluice ", "/bin/true "))
  await run(["systemd-analyze", "verify", "--man=no", file.replace("@", "@pool")])
  const report = await run(["systemd-analyze", "security", "--offline=true", file.replace("@", "@pool")])
  return /exposure level.*?: ([\d.]+)/.exec(report)![1]!
}

try {
  console.log(`ok   the unit; systemd-analyze security: ${await checkUnit()} of 10`)
  await copyFile(await buildDeb(), join(directory, "sluice.deb"))
  await run(["debootstrap", "--variant=minbase", "bookworm", debian])
  await copyFile(join(directory, "sluice.deb"), join(debian, "tmp/sluice.deb"))
  await run([...inDebian("dpkg", "--install", "/tmp/sluice.deb")])
  const printed = await new Running(asNobody("sluice", "--version")).succeed()
  if (printed !== `sluice v${version}\n`) throw new Error(`expected version ${version}, got ${printed}`)
  await run([...inDebian("sh", "-c", "cd / && md5sum --check --quiet /var/lib/dpkg/info/sluice.md5sums")])
  console.log("ok   installed")

  const credentials = join(debian, "run/credentials/sluice@pool.service")
  await mkdir(credentials, { recursive: true })
  const { secretKey } = JSON.parse(await new Running(asNobody("sluice", "key", "generate", "--json")).succeed())
  await writeFile(join(credentials, "authority-secret-key"), secretKey, { mode: 0o400 })
  await run([...inDebian("chown", "65534", "/run/credentials/sluice@pool.service/authority-secret-key")])
  await writeFile(
    join(debian, "etc/sluice/pool.toml"),
    [
      'listen = "127.0.0.1:0"',
      'template-provider = ["stratum2+tcp+plain://127.0.0.1:1"]',
      "solo-fee = 0",
      'authority-secret-key-file = "/run/credentials/sluice@pool.service/authority-secret-key"\n'
    ].join("\n")
  )
  const [, command] = /^ExecStart=(.*)$/m.exec(
    await readFile(join(debian, "usr/lib/systemd/system/sluice@.service"), "utf8")
  )!
  const args = command!.replaceAll("%i", "pool").replaceAll("${PROGRAM}", "pool").split(" ")
  const pool = new Running(asNobody(...args))
  await pool.find(/The pool listens/)
  if (/can read or write/.test(pool.output)) throw new Error(`expected no warning about the secret:\n${pool.output}`)
  pool.process.kill("SIGTERM")
  await pool.succeed()
  console.log("ok   the unit's command starts and stops, with a secret as a file")

  console.log(`ok   solo mining, a block after ${(await firstBlock(asNobody("sluice"))).toFixed(1)} s`)
  await run([...inDebian("dpkg", "--remove", "sluice")])
  console.log("ok   removed")
} finally {
  await rm(directory, { recursive: true, force: true })
}
