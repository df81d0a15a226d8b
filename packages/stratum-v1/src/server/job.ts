/** Jobs on the server's side: announced to any number of connections, and held by each for as long as shares may come. */
import { Notify } from "../message/to-client.ts"

/** A job for any number of connections. Its line is encoded once, and once more where a connection needs it clean. */
export class Job<Work> {
  readonly notify: Notify
  /** What the job is to the layer above; each share comes with it. */
  readonly work: Work
  #line: Buffer | undefined
  #cleanLine: Buffer | undefined
  /** Where the coinbase prefix ends in both lines. */
  #prefixEnd = 0

  /** With `notify.clean`, shares of earlier jobs are refused from then on. The job id must be new to every connection. */
  constructor(notify: Omit<Notify, "_tag">, work: Work) {
    this.notify = { _tag: "mining.notify", ...notify }
    this.work = work
  }

  /** The line, with the hex digits `insert` at the end of the coinbase prefix. */
  line(clean: boolean, insert: Uint8Array = NOTHING): Uint8Array {
    const line = clean ? (this.#cleanLine ??= this.#encode(true)) : (this.#line ??= this.#encode(false))
    if (insert.length === 0) return line
    const own = Buffer.allocUnsafe(line.length + insert.length)
    line.copy(own, 0, 0, this.#prefixEnd)
    own.set(insert, this.#prefixEnd)
    line.copy(own, this.#prefixEnd + insert.length, this.#prefixEnd)
    return own
  }

  #encode(clean: boolean): Buffer {
    const text = Notify.line(null, { ...this.notify, clean })
    const [, prevHash, coinbasePrefix] = Notify.write(this.notify) as ReadonlyArray<string>
    const before = `${prevHash}","`
    this.#prefixEnd = text.indexOf(before + coinbasePrefix) + before.length + coinbasePrefix!.length
    return Buffer.from(text)
  }
}

const NOTHING = new Uint8Array(0)

/** A job with what held for one connection when it was announced there. */
export interface HeldJob<Work> {
  readonly job: Job<Work>
  readonly extranonce1: Uint8Array
  readonly extranonce2Size: number
  /** Bytes of the connection's own, behind the job's coinbase prefix and before extranonce1. */
  readonly coinbaseInsert: Uint8Array
  /** What the miner was told last before the job. */
  readonly difficulty: number
  /** The exact target, where `setTarget` gave one; `difficulty` is rounded down. */
  readonly target: Uint8Array | undefined
  /** The lower of `difficulty` and the job's before it: miners may be late to apply a higher one. */
  readonly easiestDifficulty: number
  readonly versionMask: number
}
