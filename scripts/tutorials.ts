/**
 * `npm run tutorials`: does what the tutorials of docs/tutorials say, from the first command to the last.
 *
 *     npm run tutorials                    all
 *     npm run tutorials -- first-block     one
 *
 * A fence's first line says what it is: `sh` is run and must succeed, `sh background=NAME` is started and logs to NAME.log, `sh stop=NAME`
 * stops that, `ts file=NAME` is written, `text output` must be in the output of the last command, `text output=NAME` must come in NAME's log, line by
 * line, where `...` stands for anything. Each tutorial has a folder in build/tutorials, and with bubblewrap (bwrap) a network of its own.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"

const repository = join(import.meta.dirname, "..")
const PATIENCE_MS = 120_000

interface Step {
  readonly kind: string
  readonly options: Readonly<Record<string, string>>
  readonly text: string
  readonly line: number
}

const stepsOf = (page: string): ReadonlyArray<Step> =>
  [...page.matchAll(/^```(\w+)([^\n]*)\n([^]*?)^```$/gm)].map((match) => ({
    kind: match[1]!,
    options: Object.fromEntries(
      match[2]!.split(" ").flatMap((option) => (option === "" ? [] : [[...option.split("="), ""].slice(0, 2)]))
    ) as Record<string, string>,
    text: match[3]!,
    line: page.slice(0, match.index).split("\n").length
  }))

/** Lines that must come one after the other, each within a line. */
const patternOf = (text: string): RegExp =>
  new RegExp(
    text
      .trim()
      .split("\n")
      .map((line) =>
        line
          .trim()
          .split(/ *\.\.\. */)
          .map(escaped)
          .join(".*")
      )
      .join("[^]*?\\n?[^\\n]*?"),
    "m"
  )

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")

class Tutorial {
  readonly #folder: string
  readonly #running = new Map<string, ChildProcess>()
  /** How much of each log was matched already. */
  readonly #seen = new Map<string, number>()
  #output = ""

  constructor(name: string) {
    this.#folder = join(repository, "build/tutorials", name)
    rmSync(this.#folder, { recursive: true, force: true })
    mkdirSync(join(this.#folder, "bin"), { recursive: true })
    const command = `#!/bin/sh\nexec ${process.execPath} ${join(repository, "programs/src/main.ts")} "$@"\n`
    writeFileSync(join(this.#folder, "bin/sluice"), command, { mode: 0o755 })
  }

  async run({ kind, options, text }: Step): Promise<void> {
    const { background, file, output, stop } = options
    if (file !== undefined) return writeFileSync(join(this.#folder, file), text)
    if (stop !== undefined) return await this.#stop(stop)
    if (background !== undefined) return this.#start(background, text)
    if (kind === "sh") return this.#do(text)
    if (output === "") return this.#expect(patternOf(text).test(this.#output), text, this.#output)
    if (output !== undefined) return await this.#await(output, patternOf(text), text)
  }

  async end(): Promise<void> {
    for (const name of this.#running.keys()) await this.#stop(name)
  }

  get #place() {
    const path = `${join(this.#folder, "bin")}:${join(process.execPath, "..")}:${process.env["PATH"]}`
    return { cwd: this.#folder, env: { ...process.env, PATH: path, NO_COLOR: "1" } }
  }

  #do(text: string): void {
    const { status, stderr, stdout } = spawnSync("bash", ["-euo", "pipefail", "-c", text], {
      ...this.#place,
      encoding: "utf8"
    })
    this.#output = stdout + stderr
    if (status !== 0) throw new Error(`status ${status}\n${this.#output}`)
  }

  #start(name: string, text: string): void {
    const log = openSync(this.#logOf(name), "w")
    this.#seen.set(name, 0)
    const command = `${text.includes("$(") ? "" : "exec "}${text}`
    this.#running.set(
      name,
      spawn("bash", ["-euc", command], { ...this.#place, stdio: ["ignore", log, log], detached: true })
    )
  }

  async #stop(name: string): Promise<void> {
    const child = this.#running.get(name)
    this.#running.delete(name)
    if (child?.pid === undefined || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.on("close", resolve))
    process.kill(-child.pid, "SIGINT")
    await ended
  }

  async #await(name: string, pattern: RegExp, text: string): Promise<void> {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      const log = readFileSync(this.#logOf(name), "utf8")
      const found = pattern.exec(log.slice(this.#seen.get(name)))
      if (found !== null) return
      const hasEnded = this.#running.get(name)?.exitCode !== null
      if (hasEnded || Date.now() > end) return this.#expect(false, text, log)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  #expect(isThere: boolean, text: string, output: string): void {
    if (!isThere) throw new Error(`expected\n${text}\ngot\n${output.split("\n").slice(-25).join("\n")}`)
  }

  #logOf(name: string): string {
    return join(this.#folder, `${name}.log`)
  }
}

const tutorials = globSync("docs/tutorials/*.md", { cwd: repository }).toSorted()
const names = process.argv.slice(2)
const isInside = process.env["SLUICE_TUTORIAL"] !== undefined
let isGood = true
for (const path of tutorials) {
  const name = basename(path, ".md")
  if (names.length > 0 && !names.includes(name)) continue
  if (!isInside && existsSync("/usr/bin/bwrap")) {
    const network = ["--dev-bind", "/", "/", "--unshare-net", "--die-with-parent", "--setenv", "SLUICE_TUTORIAL", "1"]
    const again = [process.execPath, import.meta.filename, name]
    isGood = spawnSync("bwrap", [...network, ...again], { stdio: "inherit" }).status === 0 && isGood
    continue
  }
  const tutorial = new Tutorial(name)
  const steps = stepsOf(readFileSync(join(repository, path), "utf8"))
  const began = Date.now()
  let at = 0
  try {
    for (const step of steps) {
      at = step.line
      await tutorial.run(step)
    }
    console.log(`ok    ${path}: ${steps.length} steps in ${((Date.now() - began) / 1000).toFixed(1)} s`)
  } catch (error) {
    console.log(`FAIL  ${path}:${at}: ${error instanceof Error ? error.message : String(error)}`)
    isGood = false
  }
  await tutorial.end()
}
process.exitCode = isGood ? 0 : 1
