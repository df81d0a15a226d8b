/**
 * The Rust program of this folder as a child process: builds it from its lockfile, and asks it over the pipe. The codes of
 * requests and what they carry are described in `src/`.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL(".", import.meta.url))

/** Whether there is a Rust toolchain to build it with. */
export const hasCargo = (): boolean => spawnSync("cargo", ["--version"]).status === 0

/** Builds it, with the exact versions of its lockfile. */
export const build = (): void => {
  execFileSync("cargo", ["build", "--locked", "--quiet"], { cwd: folder, stdio: ["ignore", "inherit", "inherit"] })
}

/** The crates' answer to a request. */
export type Answer =
  | { readonly _tag: "Done"; readonly body: Buffer }
  | { readonly _tag: "Refused"; readonly why: string }
  | { readonly _tag: "Panicked"; readonly why: string }

export class ReferencePeer {
  readonly #child = spawn(`${folder}target/debug/reference-peer`, [], { stdio: ["pipe", "pipe", "inherit"] })
  readonly #waiting: Array<{ readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void }> = []
  #received: Array<Buffer> = []
  #size = 0

  constructor() {
    this.#child.stdout.on("data", (chunk: Buffer) => this.#take(chunk))
    this.#child.on("error", (error) => this.#fail(error))
    this.#child.on("exit", (status) => this.#fail(new Error(`the peer ended with status ${status}`)))
    this.#child.stdin.on("error", (error) => this.#fail(error))
  }

  /** The answer to one request. Requests may follow each other without waiting. */
  async ask(code: number, ...body: ReadonlyArray<Uint8Array>): Promise<Answer> {
    return (await Promise.all(this.askFor(1, code, ...body)))[0]!
  }

  /** As `ask`, but fails if the crates refuse the request. */
  async demand(code: number, ...body: ReadonlyArray<Uint8Array>): Promise<Buffer> {
    const answer = await this.ask(code, ...body)
    if (answer._tag !== "Done") throw new Error(`the crates ${answer._tag.toLowerCase()}: ${answer.why}`)
    return answer.body
  }

  /** A request with this many answers. */
  askFor(count: number, code: number, ...body: ReadonlyArray<Uint8Array>): ReadonlyArray<Promise<Answer>> {
    const head = Buffer.alloc(5)
    head.writeUInt32LE(body.reduce((sum, { length }) => sum + length, 0))
    head[4] = code
    for (const part of [head, ...body]) this.#child.stdin.write(part)
    return Array.from(
      { length: count },
      () => new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
    )
  }

  /** Ends the process. */
  close(): void {
    this.#child.removeAllListeners("exit")
    this.#child.stdin.end()
  }

  #take(chunk: Buffer): void {
    this.#received.push(chunk)
    this.#size += chunk.length
    // Joined only once the answer is complete: a large one comes in many chunks.
    let need = this.#need()
    while (need !== undefined && this.#size >= need) {
      const all = this.#received.length === 1 ? this.#received[0]! : Buffer.concat(this.#received)
      const body = all.subarray(5, need)
      this.#received = all.length > need ? [all.subarray(need)] : []
      this.#size = all.length - need
      this.#waiting.shift()?.resolve(answerOf(all[4]!, body))
      need = this.#need()
    }
  }

  /** The size of the next answer in bytes, once it is known. */
  #need(): number | undefined {
    if (this.#size < 5) return undefined
    if (this.#received[0]!.length < 5) this.#received = [Buffer.concat(this.#received)]
    return 5 + this.#received[0]!.readUInt32LE(0)
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

const answerOf = (status: number, body: Buffer): Answer =>
  status === 0 ? { _tag: "Done", body } : { _tag: status === 1 ? "Refused" : "Panicked", why: body.toString() }
