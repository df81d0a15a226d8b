/** Programs as their users have them: processes of their own. */
import { type ChildProcess, spawn } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { onTestFinished } from "vitest"

/** How long a line may take on a busy machine. */
const PATIENCE_MS = 60_000

export interface Finished {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running program, which is the caller's to stop. */
export class Program {
  readonly process: ChildProcess
  readonly finished: Promise<Finished>
  /** All that it has said so far, stdout and stderr as they came. */
  output = ""
  private stdout = ""
  private stderr = ""
  private readonly waiting = new Set<() => void>()

  /** With `pipes` its standard input and output are the caller's; otherwise it has no input. */
  constructor(
    [name, ...args]: readonly [string, ...ReadonlyArray<string>],
    { env = {}, pipes = false }: { readonly env?: Readonly<Record<string, string>>; readonly pipes?: boolean } = {}
  ) {
    this.process = spawn(name, args, {
      stdio: [pipes ? "pipe" : "ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], ...env }
    })
    if (!pipes) {
      this.process.stdout!.setEncoding("utf8").on("data", (text: string) => {
        this.stdout += text
        this.hear(text)
      })
    }
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text
      this.hear(text)
    })
    this.finished = new Promise((resolve, reject) => {
      this.process.on("error", reject)
      this.process.on("close", (status) => {
        resolve({ status, stdout: this.stdout, stderr: this.stderr })
        this.check()
      })
    })
  }

  /** What the pattern finds in the output from `from` on, as soon as it is there. Fails when the program ends without it. */
  async find(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const limit = AbortSignal.timeout(PATIENCE_MS)
    limit.addEventListener("abort", () => this.check())
    for (;;) {
      const found = pattern.exec(this.output.slice(from))
      if (found !== null) return found
      if (limit.aborted || this.process.exitCode !== null) {
        const command = this.process.spawnargs.join(" ")
        throw new Error(`expected ${String(pattern)} in the output of ${command}:\n${this.output}`)
      }
      await new Promise<void>((resolve) => this.waiting.add(resolve))
    }
  }

  /** Stops it, as a person does with Ctrl-C unless told otherwise, and waits for the end. */
  async stop(signal: NodeJS.Signals = "SIGINT"): Promise<Finished> {
    this.process.kill(signal)
    return this.finished
  }

  private hear(text: string): void {
    this.output += text
    this.check()
  }

  private check(): void {
    for (const resolve of this.waiting) resolve()
    this.waiting.clear()
  }
}

const main = fileURLToPath(new URL("../../../programs/src/main.ts", import.meta.url))
/** Compiled code is kept from one process and one run of the tests to the next, which halves the time to start in. */
const compileCache = join(tmpdir(), "sluice-test-compiled")

/** A running `sluice ARGS`, which ends with its test if not before, unless it outlives that. */
export class Sluice extends Program {
  constructor(
    args: ReadonlyArray<string>,
    env: Readonly<Record<string, string>> = {},
    { outlivesTest = false }: { readonly outlivesTest?: boolean } = {}
  ) {
    super([process.execPath, main, ...args], { env: { NODE_COMPILE_CACHE: compileCache, ...env } })
    if (!outlivesTest) onTestFinished(() => void this.process.kill("SIGKILL"))
  }
}
