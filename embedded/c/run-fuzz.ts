/** `npm run device -- --fuzz SECONDS`: fuzzes the device in C, beginning with fuzz-corpus, to which it writes nothing. */
import { spawnSync } from "node:child_process"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { driver } from "./drivers.ts"

const seconds = Number(process.argv[2])
if (!Number.isInteger(seconds) || seconds < 1) throw new Error(`expected a number of seconds, got ${process.argv[2]}`)
const sanitizers = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
const program = await driver("fuzz", ["clang", "-g", "-O1", ...sanitizers])
const found = await mkdtemp(join(tmpdir(), "sluice-fuzz-"))
console.log(`what is new, and what fails, is kept in ${found}`)
const corpus = fileURLToPath(new URL("fuzz-corpus/", import.meta.url))
const options = [`-max_total_time=${seconds}`, "-max_len=2048", "-print_final_stats=1", `-artifact_prefix=${found}/`]
const { status } = spawnSync(program, [...options, found, corpus], { stdio: "inherit" })
process.exitCode = status ?? 1
