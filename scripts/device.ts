/**
 * `npm run device`: the tests of the device in C (embedded/test/c-*), which need wasm2c, cross compilers, an emulator and
 * valgrind. If one is missing, it says so and exits with 0, because most machines have none of them. `--install` first installs
 * them with apt-get, which needs root. `--bench` measures instead (embedded/c/measure.ts), `--fuzz SECONDS` fuzzes with
 * clang's libFuzzer (embedded/c/run-fuzz.ts).
 */
import { spawnSync } from "node:child_process"
import { parseArgs } from "node:util"
import { hasMuslArm, installMuslArm } from "../embedded/c/musl-arm.ts"

/** One program of each package. */
const packages = {
  wabt: "wasm2c",
  gcc: "gcc",
  make: "make",
  binutils: "nm",
  valgrind: "valgrind",
  "qemu-user": "qemu-arm",
  "gcc-arm-linux-gnueabihf": "arm-linux-gnueabihf-gcc",
  "gcc-arm-linux-gnueabi": "arm-linux-gnueabi-gcc",
  "musl-tools": "musl-gcc"
}
/** The package that is not installed but unpacked. */
const MUSL_ARM = "musl-dev:armhf"

const { values } = parseArgs({
  options: {
    install: { type: "boolean", default: false },
    bench: { type: "boolean", default: false },
    fuzz: { type: "string" }
  }
})
const has = (program: string): boolean => spawnSync(program, ["--version"]).error === undefined
const missing = (): ReadonlyArray<string> =>
  Object.entries(packages).flatMap(([name, program]) => (has(program) ? [] : [name]))
const run = (command: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}): boolean =>
  spawnSync(command, args, { stdio: "inherit", env: { ...process.env, ...env } }).status === 0

if (values.install && missing().length > 0 && has("apt-get") && process.getuid?.() === 0) {
  const quiet = { DEBIAN_FRONTEND: "noninteractive" }
  const install = ["install", "-y", "-q", "--no-install-recommends", ...missing(), "libc6-dev"]
  const cross = ["libc6-dev-armhf-cross", "libc6-dev-armel-cross"]
  if (!run("apt-get", ["update", "-q"], quiet) || !run("apt-get", [...install, ...cross], quiet)) {
    console.log("apt-get could not install what the device's tests need")
  }
}

if (values.install && !hasMuslArm() && has("apt-get") && !(await installMuslArm())) {
  console.log(`apt-get could not download ${MUSL_ARM}`)
}

const absent = hasMuslArm() ? missing() : [...missing(), MUSL_ARM]
if (absent.length > 0) {
  console.log(
    `skipped: the device's tests in C need these packages of Debian 12, which \`-- --install\` gets: ${absent.join(", ")}`
  )
} else if (values.bench) {
  process.exitCode = run(process.execPath, ["embedded/c/measure.ts"]) ? 0 : 1
} else if (values.fuzz !== undefined) {
  process.exitCode = run(process.execPath, ["embedded/c/run-fuzz.ts", values.fuzz]) ? 0 : 1
} else {
  const files = ["c-guide", "c-full", "c-vectors", "c-miner", "c-openwrt", "c-secrets"].map(
    (name) => `embedded/test/${name}.test.ts`
  )
  process.exitCode = run("vitest", ["run", ...files], { SLUICE_DEVICE: "1" }) ? 0 : 1
}
