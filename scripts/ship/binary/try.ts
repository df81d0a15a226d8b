/**
 * `npm run binary:try`: the binary at work, without a home directory: how long it takes to its help, the programs with two processes of a
 * pool, the operators' page, threads for handshakes, and the demo.
 */
import { execFileSync } from "node:child_process"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Command, firstBlock, Running, startSession } from "../session.ts"
import { version } from "../workspace.ts"
import { buildBinary } from "./build.ts"

const timeOf = (name: string, args: ReadonlyArray<string>): number => {
  const started = performance.now()
  execFileSync(name, args, { stdio: "ignore" })
  return performance.now() - started
}

/** In turns, so that both meet the same machine. */
const startTimes = (binary: string): string => {
  const pairs = Array.from({ length: 9 }, () => [timeOf(binary, ["--help"]), timeOf(process.execPath, ["-e", "0"])])
  const median = (at: number): number => pairs.map((pair) => pair[at]!).toSorted((a, b) => a - b)[4]!
  return `--help after ${median(0).toFixed(0)} ms, node with an empty script after ${median(1).toFixed(0)} ms`
}

const directory = await mkdtemp(join(tmpdir(), "sluice-binary-"))
process.env["HOME"] = join(directory, "none")
process.env["TMPDIR"] = directory
try {
  const binary = await buildBinary()
  const sluice: Command = [binary]
  const printed = await new Running([...sluice, "--version"]).succeed()
  if (printed !== `sluice v${version}\n`) throw new Error(`expected version ${version}, got ${printed}`)
  console.log(`ok   ${startTimes(binary)}`)

  const session = await startSession(sluice, { plain: true })
  try {
    const page = await fetch(session.page)
    const html = await page.text()
    if (!page.ok || !html.includes("<script"))
      throw new Error(`expected the operators' page, got ${page.status} ${html}`)
    console.log("ok   the operators' page")
  } finally {
    await session.stop()
  }

  const noise = await startSession(sluice)
  try {
    const load = ["--connections", "200", "--duration", "5"]
    await noise.start(["swarm", "--connect", noise.pool, ...load]).succeed()
    const [, , pool] = noise.programs
    if (/Thread \d/.test(pool!.output)) throw new Error(`expected threads that compute handshakes:\n${pool!.output}`)
    console.log("ok   200 handshakes at once")
  } finally {
    await noise.stop()
  }

  console.log(`ok   solo mining, a block after ${(await firstBlock(sluice)).toFixed(1)} s`)
  await new Running([...sluice, "demo", "--blocks", "1", "--browser", "false", "--bits", "1e0fffff"]).succeed()
  console.log("ok   sluice demo")
  const left = (await readdir(directory)).filter((name) => name.startsWith("sluice-"))
  if (left.length > 0)
    throw new Error(`expected nothing left in the directory for temporary files, found ${left.join(", ")}`)
} finally {
  await rm(directory, { recursive: true, force: true })
}
