/** The last jobs of one connection, by their ids: a submit may refer to any of them. */
import type { HeldJob } from "./job.ts"

export class HeldJobs<Work> {
  readonly #max: number
  readonly #keepsStale: boolean
  #jobs = new Map<string, HeldJob<Work>>()
  /** The jobs of the previous hash before. */
  #stale: ReadonlyMap<string, HeldJob<Work>> | undefined
  /** Most shares are for it: comparing one id is faster than hashing it. */
  #newest: HeldJob<Work> | undefined

  constructor(max: number, keepsStale: boolean) {
    this.#max = max
    this.#keepsStale = keepsStale
  }

  get(jobId: string): HeldJob<Work> | undefined {
    return jobId === this.#newest?.job.notify.jobId ? this.#newest : (this.#jobs.get(jobId) ?? this.#stale?.get(jobId))
  }

  /** A clean job makes all others stale; else the oldest is forgotten where there are too many. */
  add(held: HeldJob<Work>): void {
    const { clean, jobId } = held.job.notify
    if (clean) this.#endAll(held)
    // An id that is used again becomes the newest.
    this.#jobs.delete(jobId)
    this.#jobs.set(jobId, held)
    this.#newest = held
    if (this.#jobs.size <= this.#max) return
    for (const oldest of this.#jobs.keys()) {
      this.#jobs.delete(oldest)
      return
    }
  }

  #endAll(by: HeldJob<Work>): void {
    if (this.#jobs.size === 0) return
    if (!this.#keepsStale) return this.#jobs.clear()
    // On the same previous hash, as when a proxy goes over to another pool, shares of the jobs before are work for the same block.
    if (isSame(this.#newest!.job.notify.prevHash, by.job.notify.prevHash)) return
    this.#stale = this.#jobs
    this.#jobs = new Map()
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a === b || Buffer.compare(a, b) === 0
