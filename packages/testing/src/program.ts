/** Runs programs as processes, as their users do. */
import { type ChildProcess, spawn } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { onTestFinished } from "vitest"

/** The time limit for a line of output, enough for a busy machine. */
const PATIENCE_MS = 60_000

export interface Finished {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running program. The caller must stop it. */
export class Program {
  readonly process: ChildProcess
  readonly finished: Promise<Finished>
  /** The output so far, stdout and stderr in order of arrival. */
  output = ""
  private stdout = ""
  private stderr = ""
  private readonly waiting = new Set<() => void>()

  /** With `pipes`, the caller gets its standard input and output; otherwise it has no input. */
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

  /** Waits for a match of the pattern in the output from offset `from` on. Fails if the program ends without one. */
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

  /** Sends the program a signal, by default SIGINT as Ctrl-C does, and waits for its end. */
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
/** A compile cache that processes and test runs share, which halves the start time. */
const compileCache = join(tmpdir(), "sluice-test-compiled")

/** A running `sluice ARGS`. It is killed at the end of the test unless `outlivesTest` is set. */
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
