/** The CLI as its users have it: a process of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { onTestFinished } from "vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
/** Compiled code is kept from one process and one run of the tests to the next, which halves the time to start in. */
const compileCache = join(tmpdir(), "sluice-test-compiled")
const environment = { PATH: process.env["PATH"], NODE_COMPILE_CACHE: compileCache }

/** How long a line may take on a busy machine. */
const PATIENCE_MS = 60_000

export interface Finished {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running `sluice ARGS`. */
export class Sluice {
  readonly finished: Promise<Finished>
  /** All that it has said so far, stdout and stderr as they came. */
  output = ""
  private stdout = ""
  private stderr = ""
  private readonly child: ChildProcess
  private readonly waiting = new Set<() => void>()

  constructor(args: ReadonlyArray<string>, env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [main, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...environment, ...env }
    })
    onTestFinished(() => void this.child.kill("SIGKILL"))
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text
      this.output += text
      this.check()
    })
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text
      this.output += text
      this.check()
    })
    this.finished = new Promise((resolve) => {
      this.child.on("close", (status) => {
        resolve({ status, stdout: this.stdout, stderr: this.stderr })
        this.check()
      })
    })
  }

  /** What the pattern finds in the output from `from` on, as soon as it is there. Fails when the process ends without it. */
  async find(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const limit = AbortSignal.timeout(PATIENCE_MS)
    limit.addEventListener("abort", () => this.check())
    for (;;) {
      const found = pattern.exec(this.output.slice(from))
      if (found !== null) return found
      if (limit.aborted) throw new Error(`sluice has not said ${String(pattern)}:\n${this.output}`)
      if (this.child.exitCode !== null) throw new Error(`sluice ended without ${String(pattern)}:\n${this.output}`)
      await new Promise<void>((resolve) => this.waiting.add(resolve))
    }
  }

  /** Stops it, as a person does with Ctrl-C unless told otherwise, and waits for the end. */
  async stop(signal: NodeJS.Signals = "SIGINT"): Promise<Finished> {
    this.child.kill(signal)
    return this.finished
  }

  private check(): void {
    for (const resolve of this.waiting) resolve()
    this.waiting.clear()
  }
}
