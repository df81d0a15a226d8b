/** Jobs on the server's side: announced to any number of connections, and held by each for as long as shares may come. */
import { Notify } from "../message/to-client.ts"

/** A job for any number of connections. Its line is encoded once, and once more where a connection needs it clean. */
export class Job<Work> {
  readonly notify: Notify
  /** What the job is to the layer above; each share comes with it. */
  readonly work: Work
  #line: Uint8Array | undefined
  #cleanLine: Uint8Array | undefined

  /** With `notify.clean`, shares of earlier jobs are refused from then on. The job id must be new to every connection. */
  constructor(notify: Omit<Notify, "_tag">, work: Work) {
    this.notify = { _tag: "mining.notify", ...notify }
    this.work = work
  }

  line(clean: boolean): Uint8Array {
    return clean ? (this.#cleanLine ??= this.#encode(true)) : (this.#line ??= this.#encode(false))
  }

  #encode(clean: boolean): Uint8Array {
    return Buffer.from(Notify.line(null, { ...this.notify, clean }))
  }
}

/** A job with what held for one connection when it was announced there. */
export interface HeldJob<Work> {
  readonly job: Job<Work>
  readonly extranonce1: Uint8Array
  readonly extranonce2Size: number
  /** What the miner was told last before the job. */
  readonly difficulty: number
  /** The lower of this and the job's before it: miners may be late to apply a higher one. */
  readonly easiestDifficulty: number
  readonly versionMask: number
}
