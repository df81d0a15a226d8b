/** The jobs of a V1 pool that shares may be for, by their ids in V2. */
import type { Client } from "@sluice/stratum-v1"
import { creditOf, type PoolJob } from "./pool-job.ts"

/** Pools send one or two jobs a minute. */
const MAX_JOBS = 64

export class PoolJobs {
  current: PoolJob | undefined = undefined
  /** The number of the previous hash. */
  epoch = 0
  #nextId: number
  readonly #jobs = new Map<number, PoolJob>()

  /** Devices drop ids that they know, so the ids of two connections differ (as `JobIds` of mining-server). */
  constructor(now: number) {
    this.#nextId = Math.floor(now / 100) >>> 0
  }

  get(id: number): PoolJob | undefined {
    return this.#jobs.get(id)
  }

  /** Whether a job with this id was made since the one with the id `first`. Ids count up and wrap around. */
  hasMade(id: number, first: number): boolean {
    return (id - first) >>> 0 < (this.#nextId - first) >>> 0
  }

  /** Makes a job the current one. It begins an epoch if its previous hash, or its nbits, is another. */
  add(job: Client.Job, versionRollingAllowed: boolean): PoolJob {
    const before = this.current?.job.notify
    const { nbits, prevHash } = job.notify
    if (before?.nbits !== nbits || Buffer.compare(before.prevHash, prevHash) !== 0) this.epoch++
    const id = this.#nextId
    const added = { id, job, versionRollingAllowed, difficulty: creditOf(job.target), epoch: this.epoch }
    this.#nextId = (id + 1) >>> 0
    this.current = added
    this.#jobs.set(id, added)
    if (this.#jobs.size > MAX_JOBS) {
      for (const oldest of this.#jobs.keys()) {
        this.#jobs.delete(oldest)
        break
      }
    }
    return added
  }
}
