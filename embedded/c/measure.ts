/**
 * `npm run device -- --bench`: what the device takes, as ratios where two things are compared. Handshakes are compared with
 * the parts of one in libsecp256k1 (Debian's has no ElligatorSwift, which is left out on its side): a key, two ECDH, and a
 * client's verification.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { build, profiles } from "../assembly/compile.ts"
import { writeSourceFiles } from "./build.ts"
import { driver } from "./drivers.ts"

const run = promisify(execFile)
const folder = new URL("../build/c/", import.meta.url)

console.log("bytes of WebAssembly")
for (const profile of profiles) console.log(`  ${profile}: ${(await build(`device-${profile}`)).length}`)

await writeSourceFiles(folder)
const compilers = ["arm-linux-gnueabihf-gcc", "arm-linux-gnueabi-gcc"]
console.log("bytes of text of sluice.o")
const objects = await mkdtemp(join(tmpdir(), "sluice-"))
for (const profile of ["header-only", "extended"]) {
  for (const compiler of compilers) {
    for (const level of ["-Os", "-O2"]) {
      const object = join(objects, "sluice.o")
      await run(compiler, [level, "-w", "-c", "-o", object, fileURLToPath(new URL(`${profile}/sluice.c`, folder))])
      const [text] = (await run("size", [object])).stdout.split("\n")[1]!.trim().split(/\s+/)
      console.log(`  ${profile}, ${compiler} ${level}: ${text}`)
    }
  }
}
await rm(objects, { recursive: true })

const reference = existsSync("/usr/include/secp256k1_schnorrsig.h")
const options = reference ? ["-DREFERENCE"] : []
const libraries = reference ? ["-lsecp256k1"] : []
for (const level of ["-O2", "-O3"]) {
  const program = await driver("bench", ["gcc", level, ...options], libraries)
  const { stdout } = await run(program)
  const ns = new Map(
    stdout
      .trim()
      .split("\n")
      .map((line) => [line.split(" ")[0]!, Number(line.split(" ")[1])] as const)
  )
  const of = (name: string): number => ns.get(name)!
  const ratio = (one: number, other: number): string => `${(one / other).toFixed(2)} times`
  console.log(`this machine, gcc ${level}`)
  console.log(`  start: ${(of("module-create") / 1e6).toFixed(2)} ms`)
  const header = of("module-header-1000")
  console.log(`  a header: ${(header / 1000).toFixed(0)} ns, ${ratio(header, of("plain-header-1000"))} plain C's`)
  const finish = of("module-both") - of("module-respond")
  const micros = (each: number): string => `${(each / 1000).toFixed(0)} us`
  if (!reference) {
    console.log(
      `  a handshake: client ${micros(finish)}, server ${micros(of("module-respond"))} (no libsecp256k1 here)`
    )
    continue
  }
  const server = of("reference-key") + 2 * of("reference-ecdh")
  const client = server + of("reference-verify")
  console.log(`  a client's handshake: ${micros(finish)}, ${ratio(finish, client)} libsecp256k1's parts`)
  console.log(
    `  a server's handshake: ${micros(of("module-respond"))}, ${ratio(of("module-respond"), server)} libsecp256k1's parts`
  )
}
