/**
 * Tests of the C build take compilers and emulators that a machine may not have, and time: they run in `npm run device`,
 * which .ci/run calls, and are skipped elsewhere.
 */
import { type ChildProcess, spawn } from "node:child_process"

export const isDeviceRun = process.env["SLUICE_DEVICE"] === "1"

/** How long a line may take on a busy machine. */
const PATIENCE_MS = 60_000

/** A running program, and all that it has said. */
export class Program {
  readonly process: ChildProcess
  readonly finished: Promise<{ readonly status: number | null; readonly output: string }>
  output = ""
  private readonly waiting = new Set<() => void>()

  /** Where its standard output is binary, it is the caller's. */
  constructor(command: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}, isBinary = false) {
    const [name, ...args] = command
    this.process = spawn(name!, args, { env: { PATH: process.env["PATH"], ...env } })
    const hear = (text: string): void => {
      this.output += text
      this.check()
    }
    if (!isBinary) this.process.stdout!.setEncoding("utf8").on("data", hear)
    this.process.stderr!.setEncoding("utf8").on("data", hear)
    this.finished = new Promise((resolve, reject) => {
      this.process.on("error", reject)
      this.process.on("close", (status) => {
        resolve({ status, output: this.output })
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
        throw new Error(
          `expected ${String(pattern)} in the output of ${this.process.spawnargs.join(" ")}:\n${this.output}`
        )
      }
      await new Promise<void>((resolve) => this.waiting.add(resolve))
    }
  }

  async stop(signal: NodeJS.Signals): Promise<{ readonly status: number | null; readonly output: string }> {
    this.process.kill(signal)
    return this.finished
  }

  private check(): void {
    for (const resolve of this.waiting) resolve()
    this.waiting.clear()
  }
}
