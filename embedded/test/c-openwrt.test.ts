/**
 * The release for device makers as OpenWrt builds it: the Makefile of the feed with OpenWrt's steps as openwrt/ has them, a compiler for ARM with
 * musl, and the program that comes out.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Program } from "@sluice/testing/program"
import { afterAll, beforeAll } from "vitest"
import { buildDeviceRelease } from "../../scripts/ship/device/build.ts"
import { muslArmCompiler } from "../c/musl-arm.ts"
import { isDeviceRun } from "./device-run.ts"
import { type PoolProcesses, startPool } from "./pool-processes.ts"

const run = promisify(execFile)
const steps = fileURLToPath(new URL("openwrt/", import.meta.url))

describe.skipIf(!isDeviceRun)("the package for OpenWrt", { timeout: 120_000 }, () => {
  let release = ""
  let folder = ""
  let processes: PoolProcesses

  /** Runs the feed's Makefile. */
  const make = (makefile: string, target: string) => {
    const variables = {
      TOPDIR: steps,
      DL_DIR: dirname(release),
      BUILD_DIR: `${folder}/build`,
      STAGING_DIR: `${folder}/staging`,
      ROOT_DIR: `${folder}/root`,
      TARGET_CC: muslArmCompiler,
      TARGET_AR: "arm-linux-gnueabihf-ar",
      TARGET_CFLAGS: "-Os -Wall -Wno-unused",
      TARGET_LDFLAGS: "-static"
    }
    return run("make", [
      "-C",
      makefile,
      target,
      ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)
    ])
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-openwrt-"))
    release = await buildDeviceRelease()
    await make(join(dirname(release), "openwrt/sluice-device"), "all")
    processes = await startPool()
  }, 300_000)

  afterAll(async () => {
    await processes.stop()
    await rm(folder, { recursive: true })
  })

  it("is a program for ARM with musl that mines a block", async () => {
    const program = join(folder, "root/sluice-miner/usr/bin/sluice-miner")
    const bytes = await readFile(program, "latin1")
    assert.strictEqual(bytes.charCodeAt(0x12), 40, "the machine in the ELF header is ARM")
    assert.notInclude(bytes, "GLIBC")
    const miner = new Program(["qemu-arm", program, processes.url, "alice"])
    await miner.find(/\d+ accepted/)
    await processes.node.find(/Block \d+ accepted/)
    await miner.find(/on a new block[^]*on a new block/)
    assert.strictEqual((await miner.stop("SIGTERM")).status, 0)
  })

  it("has headers and libraries with which the program in docs/device.md is built", async () => {
    const page = await readFile(new URL("../../docs/device.md", import.meta.url), "utf8")
    const [, main, printed] = /```c\n([^]*?)```[^]*?```text\n([^]*?)```/.exec(page)!
    await writeFile(join(folder, "main.c"), main!)
    const [compiler, ...options] = muslArmCompiler.split(" ")
    const usr = join(folder, "staging/usr")
    for (const profile of ["header-only", "extended"]) {
      const library = [`-I${usr}/include/sluice/${profile}`, "main.c", `-L${usr}/lib`, `-lsluice-${profile}`]
      await run(compiler!, [...options, "-static", "-o", "main", ...library], { cwd: folder })
      assert.strictEqual((await run("qemu-arm", [join(folder, "main")])).stdout, printed)
    }
  })

  it("does not take another file than the release's", async () => {
    await writeFile(join(folder, "Makefile"), (await feed()).replace(/^(PKG_HASH:=).*$/m, `$1${"0".repeat(64)}`))
    const problem: { readonly stderr: string } = await make(folder, "prepare").then(
      () => assert.fail("it was taken"),
      (error) => error
    )
    assert.include(problem.stderr, "did NOT match")
  })

  it("names the version and the hash of the release", async () => {
    const [sum] = (await readFile(join(dirname(release), "SHA256SUMS"), "utf8")).split(" ")
    const [, version] = /sluice-device-(.*)\.tar\.gz/.exec(basename(release))!
    assert.include(await feed(), `\nPKG_VERSION:=${version}\n`)
    assert.include(await feed(), `\nPKG_HASH:=${sum}\n`)
  })

  it("comes out the same when it is made again, and its files have the hashes that it names", async () => {
    const before = await readFile(release)
    assert.isTrue(before.equals(await readFile(await buildDeviceRelease())))
    const unpacked = join(folder, "build", basename(release, ".tar.gz"))
    await run("sha256sum", ["--check", "--quiet", "--strict", "SHA256SUMS"], { cwd: unpacked })
  })

  const feed = () => readFile(join(dirname(release), "openwrt/sluice-device/Makefile"), "utf8")
})
