/**
 * The custom jobs of one channel. They stay valid until the previous hash of the server changes or newer ones push them out. Such a
 * channel has no other jobs.
 */
import type { Job } from "./job.ts"
import { type ActiveJob, type ChannelJobs, type Jobs, MAX_PAST, type PlacedJob, type PrevHash } from "./jobs.ts"

/** The most custom jobs of one channel that are valid at once. Beyond it, the oldest becomes stale. */
export const MAX_CUSTOM_JOBS = 16

/** Gives the ids of custom jobs: one after the other for all channels of a connection, so that a channel never gets one twice. */
export class CustomJobIds {
  #next = 1

  get next(): number {
    return this.#next
  }

  /** Whether there is an id left. */
  get hasId(): boolean {
    return this.#next <= 0xffffffff
  }

  take(): number {
    return this.#next++
  }
}

export class CustomChannelJobs implements ChannelJobs {
  readonly #common: Jobs
  readonly #ids: CustomJobIds
  /** Called with each job that the channel keeps no longer. */
  readonly #onDrop: (job: Job) => void
  #activations = 0
  #epoch: number
  #prevHash: PrevHash | undefined
  #current: ActiveJob | undefined
  #active = new Map<number, ActiveJob>()
  /** Jobs of the previous hashes before, newest first: a share of one may be a block. */
  #past: ReadonlyArray<{ readonly prevHash: PrevHash; readonly jobs: ReadonlyMap<number, ActiveJob> }> = []

  /** `common` has the server's previous hash. */
  constructor(common: Jobs, ids: CustomJobIds, onDrop: (job: Job) => void) {
    this.#common = common
    this.#ids = ids
    this.#onDrop = onDrop
    this.#epoch = common.epoch
    this.#prevHash = common.prevHash
  }

  get firstId(): number {
    return 1
  }

  get nextId(): number {
    return this.#ids.next
  }

  get epoch(): number {
    return this.#common.epoch
  }

  get prevHash(): PrevHash | undefined {
    return this.#common.prevHash
  }

  get restarts(): Jobs["restarts"] {
    return this.#common.restarts
  }

  get activations(): number {
    return this.#activations
  }

  get currentActive(): ActiveJob | undefined {
    this.follow()
    return this.#current
  }

  get current(): Job | undefined {
    return this.currentActive?.job
  }

  /** Makes a job the newest of the channel. Its id comes from `CustomJobIds`. Shares have an nTime from `minNtime` on. */
  add(job: Job, minNtime: number): void {
    this.follow()
    const active = { job, activation: ++this.#activations, isRepeat: false, submitTarget: undefined, minNtime }
    this.#current = active
    this.#active.set(job.id, active)
    if (this.#active.size <= MAX_CUSTOM_JOBS) return
    for (const [id, oldest] of this.#active) {
      this.#active.delete(id)
      return this.#onDrop(oldest.job)
    }
  }

  /** Makes all jobs stale if the server has another previous hash. Call it every few seconds, so that memory becomes free. */
  follow(): void {
    if (this.#epoch === this.#common.epoch) {
      this.#prevHash = this.#common.prevHash
      return
    }
    const ended = this.#prevHash
    this.#epoch = this.#common.epoch
    this.#prevHash = this.#common.prevHash
    this.#current = undefined
    if (ended === undefined) return
    const past = [{ prevHash: ended, jobs: this.#active }, ...this.#past]
    this.#past = past.slice(0, MAX_PAST)
    this.#active = new Map()
    for (const { jobs } of past.slice(MAX_PAST)) this.#drop(jobs)
  }

  /** Forgets all jobs, for a channel that is closed. */
  clear(): void {
    this.#drop(this.#active)
    for (const { jobs } of this.#past) this.#drop(jobs)
    this.#active = new Map()
    this.#past = []
    this.#current = undefined
  }

  active(jobId: number): ActiveJob | undefined {
    this.follow()
    return this.#active.get(jobId)
  }

  placed(jobId: number): PlacedJob | undefined {
    const active = this.active(jobId)
    if (active !== undefined) return { job: active.job, prevHash: this.#prevHash! }
    for (const { jobs, prevHash } of this.#past) {
      const past = jobs.get(jobId)
      if (past !== undefined) return { job: past.job, prevHash }
    }
    return undefined
  }

  oldestId(): number {
    this.follow()
    for (const id of this.#active.keys()) return id
    return this.nextId
  }

  oldestActivation(): number {
    this.follow()
    for (const { activation } of this.#active.values()) return activation
    return this.#activations
  }

  ntimeNow(now: number): number {
    return this.#common.ntimeNow(now)
  }

  /** A custom job is never sent ahead of its previous hash. */
  futureJobs(): Iterable<Job> {
    return []
  }

  /** Only the client can change its coinbase. */
  repeat(): undefined {
    return undefined
  }

  #drop(jobs: ReadonlyMap<number, ActiveJob>): void {
    for (const { job } of jobs.values()) this.#onDrop(job)
  }
}
